/* Message channels and front ends of links under the hypervisor: xenbus devices whose ends meet by the states in the store.

   A message is written into a ring in a page that its receiver grants: 0 produced, 4 the sender waits for room, 32 consumed, 64 the
   bytes; a length before each message, indices modulo twice the size (cells/xen/ring.py has the other end). A link's pages are the
   front end's own, granted to the back end. Both have an event channel that the front end leaves unbound for the back end. */
#include "xen.h"

enum { INITIALISING = 1, INIT_WAIT = 2, INITIALISED = 3, CONNECTED = 4 };
enum { PRODUCED = 0, WAITING = 4, CONSUMED = 32, DATA = 64, SIZE = 4096 - DATA, LIMIT = 1024 };
enum { DEVICES = 4, PATH = 96, BACK_PAGES = 17 };

struct device {
    const struct connection *at;
    u32 state, other_state, port;
    u32 generation;              /* how often both were connected */
    u32 pages, count;            /* what is granted to the other end */
    u32 references[BACK_PAGES];  /* 0: not yet */
    u32 theirs, handle;          /* its ring in our window, 0: none */
    u32 consumed, produced;      /* our own indices: what stands in a page the other end may write is not believed */
    char node[PATH], other[PATH];
};

static struct device devices[DEVICES];
static u32 device_count;

/* ---- text */

static char *append(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    *at = 0;
    return at;
}

static char *append_number(char *at, u32 number)
{
    u32 digit;
    u64 rest = divide(number, 10, &digit);
    if (rest)
        at = append_number(at, (u32)rest);
    *at++ = (char)('0' + digit);
    *at = 0;
    return at;
}

static u32 number_in(const char *text)
{
    u32 number = 0;
    while (*text >= '0' && *text <= '9')
        number = number * 10 + (u32)(*text++ - '0');
    return number;
}

static u32 ask(const char *directory, const char *name)
{
    char path[PATH + 16];
    append(append(append(path, directory), "/"), name);
    return xen_store_read(path) > 0 ? number_in(xen_reply) : 0;
}

static void say(struct device *device, const char *name, u32 number)
{
    char path[PATH + 16], value[12];
    append(append(append(path, device->node), "/"), name);
    append_number(value, number);
    xen_store_write(path, value);
}

static void go(struct device *device, u32 state)
{
    device->state = state;
    device->generation += state == CONNECTED;
    say(device, "state", state);
}

/* ---- what the ends do for each other */

static u32 is_message(const struct device *device) { return device->at->kind == CONNECTION_MESSAGE; }

/* Nodes for what is granted: a message channel names its page, a link all of them in one node. */
static void offer(struct device *device)
{
    char path[PATH + 16], list[BACK_PAGES * 5 + 1], *end = list;
    if (is_message(device) && !(device->at->rights & CONNECTION_MAY_RECEIVE))
        return;
    for (u32 i = 0; i < device->count; i++) {
        if (!device->references[i])
            device->references[i] = xen_give(device->at->slot, device->pages + 4096 * i, 0);
        end = append_number(end, device->references[i]);
        end = append(end, i + 1 < device->count ? " " : "");
    }
    append(append(path, device->node), "/ring-ref");
    xen_store_write(path, list);
}

static void take_up(struct device *device)
{
    u32 place = info.window_base + info.window_size - 4096 * (u32)(device - devices + 1);
    u32 reference = ask(device->other, "ring-ref");
    int handle = -1;
    if (!reference || !is_message(device))
        return;
    handle = xen_map(device->at->slot, reference, place, 0);
    if (handle < 0)
        return;
    device->handle = (u32)handle;
    device->theirs = place;
    device->produced = load(place + PRODUCED);
}

static void leave(struct device *device)
{
    if (device->theirs)
        xen_unmap(device->handle, device->theirs);
    device->theirs = 0;
    if (device->at->back) {
        xen_close(device->port);
        device->port = 0;
    }
}

/* ---- the handshake: one step of each role, by both states. 1: there may be another one */

static u32 front(struct device *device)
{
    u32 other = device->other_state;
    if (device->state == INITIALISING && other == INIT_WAIT) {
        if (!device->port)
            device->port = (u32)xen_alloc_unbound(device->at->slot);
        offer(device);
        say(device, "event-channel", device->port);
        go(device, INITIALISED);
    } else if (device->state == INITIALISED && other == CONNECTED) {
        take_up(device);
        go(device, CONNECTED);
    } else if (device->state == CONNECTED && other != CONNECTED && other != INITIALISED) {
        leave(device);
        go(device, INITIALISING);
        return 1;
    }
    return 0;
}

static u32 back(struct device *device)
{
    u32 other = device->other_state;
    if (device->state == INITIALISING) {
        go(device, INIT_WAIT);
        return 1;
    }
    if (device->state == INIT_WAIT && other == INITIALISED) {
        int port = xen_bind_interdomain(device->at->slot, ask(device->other, "event-channel"));
        if (port < 0)
            return 0;
        device->port = (u32)port;
        take_up(device);
        offer(device);
        go(device, CONNECTED);
    } else if (device->state == CONNECTED && other != CONNECTED && other != INITIALISED) {
        leave(device);
        go(device, INIT_WAIT);
        return 1;
    }
    return 0;
}

static void look(struct device *device)
{
    device->other_state = ask(device->other, "state");
    while (device->at->back ? back(device) : front(device))
        ;
}

static u32 happened; /* since somebody slept */

static void progress(void)
{
    happened |= xen_events() != 0;
    while (xen_store_events()) {
        happened = 1;
        for (u32 i = 0; i < device_count; i++)
            look(&devices[i]);
    }
}

u32 xen_happened(void)
{
    u32 before = happened;
    happened = 0;
    return before;
}

void xen_wait(void)
{
    struct event event;
    xen_start();
    progress();
    if (!happened)
        wait_for_event();
    while (next_event(&event))
        ;
    happened = 0;
    progress();
}

/* ---- finding a device: by its name, among those that the toolstack has written down for us */

static u32 begins_with(const char *text, const char *name)
{
    while (*name && *text == *name)
        text++, name++;
    return !*name;
}

static u32 find(struct device *device)
{
    static const char *const kinds[] = {"message", "block", "net", "console", "display", "input"};
    const struct connection *at = device->at;
    for (u32 number = 0;; number++) {
        char *end = append(append(device->node, at->back ? "backend/" : "device/"), kinds[at->kind]);
        if (at->back)
            end = append_number(append(end, "/"), at->slot);
        end = append_number(append(end, "/"), number);
        append(end, "/name");
        if (xen_store_read(device->node) < 0)
            return 0;
        if (begins_with(xen_reply, at->name)) {
            append(end, at->back ? "/frontend" : "/backend");
            int length = xen_store_read(device->node);
            if (length < 0 || length >= PATH)
                return 0;
            append(device->other, xen_reply);
            *end = 0;
            return 1;
        }
    }
}

static struct device *device_of(const struct connection *at)
{
    char path[PATH + 16];
    for (u32 i = 0; i < device_count; i++)
        if (devices[i].at == at)
            return &devices[i];
    struct device *device = &devices[device_count];
    xen_start();
    if (device_count == DEVICES || at->kind > CONNECTION_INPUT)
        return 0;
    device->at = at;
    if (!find(device))
        return 0;
    device->count = is_message(device) ? 1 : at->size / 4096;
    if (device->count > BACK_PAGES)
        return 0;
    device->pages = take_pages(device->count);
    device->state = INITIALISING;
    device_count++;
    append(append(path, device->other), "/state");
    xen_store_watch(path, "state");
    progress();
    return device;
}

/* ---- messages */

/* 1: it went in; 0: no room, or nobody there; < 0: the other end has written what cannot be */
static int put(struct device *device, const unsigned char *data, u32 length)
{
    u32 ring = device->theirs, taken = load(ring + CONSUMED);
    u32 used = (device->produced + 2 * SIZE - taken) % (2 * SIZE), at = device->produced;
    if (taken >= 2 * SIZE || used > SIZE)
        return STATUS_BAD_ARGUMENT;
    if (SIZE - used < length + 4) {
        store(ring + WAITING, 1);
        return 0;
    }
    for (u32 i = 0; i < length + 4; i++, at = (at + 1) % (2 * SIZE))
        *(volatile unsigned char *)(ring + DATA + at % SIZE) = i < 4 ? (unsigned char)(length >> 8 * i) : data[i - 4];
    device->produced = at;
    store(ring + PRODUCED, at);
    if (!used)
        xen_send(device->port);
    return 1;
}

static u32 take_byte(struct device *device, u32 offset)
{
    u32 at = (device->consumed + offset) % (2 * SIZE);
    return *(volatile unsigned char *)(device->pages + DATA + at % SIZE);
}

static int take(struct device *device, unsigned char *data, u32 limit)
{
    u32 ring = device->pages, made = load(ring + PRODUCED);
    u32 used = (made + 2 * SIZE - device->consumed) % (2 * SIZE), length = 0;
    if (!used)
        return STATUS_EMPTY;
    for (u32 i = 0; i < 4; i++)
        length |= take_byte(device, i) << 8 * i;
    if (made >= 2 * SIZE || used > SIZE || length > LIMIT || length + 4 > used)
        return STATUS_BAD_ARGUMENT;
    for (u32 i = 0; i < length && i < limit; i++)
        data[i] = (unsigned char)take_byte(device, i + 4);
    device->consumed = (device->consumed + length + 4) % (2 * SIZE);
    store(ring + CONSUMED, device->consumed);
    if (load(ring + WAITING)) {
        store(ring + WAITING, 0);
        if (device->state == CONNECTED)
            xen_send(device->port);
    }
    return (int)length;
}

/* The partner broke the rules of the ring: begin anew with it. */
static void break_off(struct device *device)
{
    leave(device);
    go(device, device->at->back ? INIT_WAIT : INITIALISING);
}

int xen_channel_send(const struct connection *to, const void *data, u32 length)
{
    struct device *device = device_of(to);
    if (!device || length > LIMIT)
        return device ? STATUS_TOO_LONG : STATUS_WRONG_STATE;
    for (;; xen_wait()) {
        progress();
        int sent = device->theirs ? put(device, data, length) : 0;
        if (sent > 0)
            return STATUS_OK;
        if (sent < 0)
            break_off(device);
        if (!device->other_state)
            return STATUS_PEER_GONE;
        if (device->state == CONNECTED && !device->theirs)
            return STATUS_RIGHTS; /* it grants nothing to write into */
    }
}

int xen_channel_receive(const struct connection *from, void *data, u32 limit)
{
    struct device *device = device_of(from);
    if (!device)
        return STATUS_WRONG_STATE;
    for (;; xen_wait()) {
        progress();
        int length = take(device, data, limit);
        if (length >= 0)
            return length;
        if (length != STATUS_EMPTY) {
            device->consumed = 0;
            memset((void *)device->pages, 0, DATA);
            break_off(device);
        }
        if (!device->other_state)
            return STATUS_PEER_GONE;
    }
}

u32 xen_channel_ring(const struct connection *to)
{
    struct device *device = device_of(to);
    return device ? device->theirs : 0;
}

int xen_channel_ring_bell(const struct connection *to)
{
    struct device *device = device_of(to);
    return device ? xen_send(device->port) : STATUS_WRONG_STATE;
}

/* ---- links */

u32 xen_link_open(const struct connection *link)
{
    struct device *device = device_of(link);
    while (device && device->state != CONNECTED)
        xen_wait();
    return device ? device->pages : 0;
}

u32 xen_link_poll(const struct connection *link, u32 *generation)
{
    struct device *device = device_of(link);
    if (!device)
        return 0;
    progress();
    *generation = device->generation;
    return device->state == CONNECTED;
}

u32 xen_link_pages(const struct connection *link)
{
    struct device *device = device_of(link);
    return device ? device->pages : 0;
}

int xen_link_notify(const struct connection *link)
{
    struct device *device = device_of(link);
    return device ? xen_send(device->port) : STATUS_WRONG_STATE;
}
