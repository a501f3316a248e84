/* The store from within: requests through the ring in a page of ours. The hypervisor answers while we ring, so that a request needs
   no sleep. Events of watches come in between and are counted. */
#include "xen.h"

enum { RING = 1024, RESPONSES = 1024, REQ_CONS = 2048, REQ_PROD = 2052, RSP_CONS = 2056, RSP_PROD = 2060, RING_ERROR = 2072 };
enum { HEADER = 16, PAYLOAD = 4096 };

u32 xen_store_page, xen_store_port;
char xen_reply[PAYLOAD + 1];

static u32 events;
static int reply; /* its length, < 0 for an error */
static u32 replied;
static struct {
    u32 have; /* bytes of header and body that are here */
    u32 header[4];
    char body[PAYLOAD];
} incoming;

void xen_store_start(void)
{
    struct xen_param frame = {XEN_SELF, 0, XEN_STORE_FRAME, 0}, event = {XEN_SELF, 0, XEN_STORE_PORT, 0};
    xen_store_page = take_pages(1);
    frame.value = frame_of(xen_store_page);
    xen_call(XEN_HVM, XEN_SET_PARAM, &frame, 1);
    xen_call(XEN_HVM, XEN_GET_PARAM, &event, 1);
    xen_store_port = *(volatile u32 *)&event.value;
}

static void sort_out(void)
{
    u32 kind = incoming.header[0], length = incoming.header[3];
    incoming.have = 0;
    if (kind == XS_WATCH_EVENT) {
        events++;
        return;
    }
    for (u32 i = 0; i < length; i++)
        xen_reply[i] = incoming.body[i];
    xen_reply[length] = 0;
    reply = kind == XS_ERROR ? -1 : (int)length;
    replied = 1;
}

/* How many bytes came out of the ring. */
static u32 pull(void)
{
    u32 taken = load(xen_store_page + RSP_CONS), given = load(xen_store_page + RSP_PROD), waiting = given - taken;
    for (; taken != given; taken++) {
        char byte = *(volatile char *)(xen_store_page + RESPONSES + taken % RING);
        if (incoming.have < HEADER)
            ((char *)incoming.header)[incoming.have] = byte;
        else if (incoming.have - HEADER < PAYLOAD)
            incoming.body[incoming.have - HEADER] = byte;
        incoming.have++;
        if (incoming.have >= HEADER && incoming.have == HEADER + incoming.header[3])
            sort_out();
    }
    store(xen_store_page + RSP_CONS, taken);
    return waiting;
}

u32 xen_store_error(void) { return load(xen_store_page + RING_ERROR); }

static void ring(void)
{
    xen_send(xen_store_port);
    pull();
}

static void push(const void *data, u32 length)
{
    const char *bytes = data;
    for (u32 i = 0; i < length; i++) {
        u32 made = load(xen_store_page + REQ_PROD);
        while (made - load(xen_store_page + REQ_CONS) >= RING && !xen_store_error())
            ring();
        *(volatile char *)(xen_store_page + made % RING) = bytes[i];
        store(xen_store_page + REQ_PROD, made + 1);
    }
}

int xen_store(u32 kind, const void *body, u32 length)
{
    u32 header[4] = {kind, 0, 0, length};
    replied = 0;
    push(header, HEADER);
    push(body, length);
    while (!replied && !xen_store_error())
        ring();
    return replied ? reply : -1;
}

static u32 length_of(const char *text)
{
    u32 length = 0;
    while (text[length])
        length++;
    return length;
}

int xen_store_read(const char *path) { return xen_store(XS_READ, path, length_of(path) + 1); }

/* Two strings; the last one's zero goes with it or not. */
static int ask(u32 kind, const char *first, const char *second, u32 more)
{
    static char body[PAYLOAD];
    u32 split = length_of(first) + 1, length = split + length_of(second) + more;
    if (length > sizeof body)
        return -1;
    for (u32 i = 0; i < length; i++)
        body[i] = i < split ? first[i] : second[i - split];
    return xen_store(kind, body, length);
}

int xen_store_write(const char *path, const char *value) { return ask(XS_WRITE, path, value, 0); }

int xen_store_watch(const char *path, const char *token) { return ask(XS_WATCH, path, token, 1); }

u32 xen_store_events(void)
{
    while (pull() >= RING) /* it was full: there may be more behind it */
        xen_send(xen_store_port);
    u32 fired = events;
    events = 0;
    return fired;
}
