/* Connections as the info page lists them, events, and whole messages over what the flavour has for them. */
#include "guest.h"

enum { CHANNEL_LABEL = 16, SHORT = 4 * 63 }; /* hypervisor/abi/l4.py: bytes that fit into the message registers */

static u32 same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

const struct connection *connection(const char *peer)
{
    for (u32 i = 0; i < info.connection_count; i++)
        if (same(info.connections[i].peer, peer))
            return &info.connections[i];
    return 0;
}

u32 next_event(struct event *event)
{
    u32 page = info.hypercall_base;
    if (!load(page + HYPERCALL_PAGE_EVENT_COUNT))
        return 0;
    event->kind = load(page + HYPERCALL_PAGE_EVENT_KIND);
    event->source = load(page + HYPERCALL_PAGE_EVENT_SOURCE);
    event->bits = (u64)load(page + HYPERCALL_PAGE_EVENT_BITS_HIGH) << 32 | load(page + HYPERCALL_PAGE_EVENT_BITS);
    store(page + HYPERCALL_PAGE_EVENT_NEXT, 1);
    return 1;
}

void wait_for_event(void) { store(info.hypercall_base + HYPERCALL_PAGE_EVENT_WAIT, 1); }

struct ways {
    int (*send)(const struct connection *to, const void *data, u32 length);
    int (*receive)(const struct connection *from, void *data, u32 limit);
    u32 (*open)(const struct connection *link);
    int (*notify)(const struct connection *link);
    void (*wait)(void);
};

static const struct ways *ways(void);

void sleep_until_rung(void) { ways()->wait(); }

static void wait_and_drop(void)
{
    struct event event;
    wait_for_event();
    while (next_event(&event))
        ;
}

static int send_okl4(const struct connection *to, const void *data, u32 length)
{
    int status;
    while ((status = okl4_send(to->slot, data, length)) == STATUS_FULL)
        wait_and_drop();
    return status;
}

static int receive_okl4(const struct connection *from, void *data, u32 limit)
{
    int length;
    while ((length = okl4_receive(from->slot, data, limit)) == STATUS_EMPTY)
        wait_and_drop();
    return length;
}

/* Whole words in registers and the rest as a string; what is long, as a string alone. */
static int send_l4(const struct connection *to, const void *data, u32 length)
{
    u32 words = length <= SHORT ? length / 4 : 0;
    return l4_ipc(to->slot, L4_NIL, l4_tag(CHANNEL_LABEL, words, length - 4 * words), 0, data, length).status;
}

static int receive_l4(const struct connection *from, void *data, u32 limit)
{
    struct l4_answer got = l4_ipc(L4_NIL, from->slot, 0, 0, 0, 0);
    return got.status ? got.status : (int)answer(data, limit);
}

static int send_nowhere(const struct connection *to, const void *data, u32 length)
{
    (void)to, (void)data, (void)length;
    return STATUS_WRONG_STATE;
}

static int receive_nothing(const struct connection *from, void *data, u32 limit)
{
    (void)from, (void)data, (void)limit;
    return STATUS_WRONG_STATE;
}

static u32 open_okl4(const struct connection *link) { return link->address; }

static int notify_okl4(const struct connection *link) { return okl4_notify(link->bell, 1); }

static u32 open_l4(const struct connection *link)
{
    u32 pages = take_pages(link->size / INFO_PAGE_SIZE);
    return l4_offer(link, pages) ? 0 : pages;
}

static int notify_l4(const struct connection *link) { return (int)hypercall_with(HYPERCALL_NOTIFY, link->bell, 1, 0, 0, 0); }

static u32 open_nothing(const struct connection *link) { return (void)link, 0; }

static int notify_nobody(const struct connection *link) { return (void)link, STATUS_WRONG_STATE; }

static const struct ways *ways(void)
{
    static const struct ways table[] = {
        [FLAVOUR_NATIVE] = {send_nowhere, receive_nothing, open_nothing, notify_nobody, wait_and_drop},
        [FLAVOUR_L4] = {send_l4, receive_l4, open_l4, notify_l4, wait_and_drop},
        [FLAVOUR_XEN] = {xen_channel_send, xen_channel_receive, xen_link_open, xen_link_notify, xen_wait},
        [FLAVOUR_OKL4] = {send_okl4, receive_okl4, open_okl4, notify_okl4, wait_and_drop},
    };
    return &table[info.flavour <= FLAVOUR_OKL4 ? info.flavour : FLAVOUR_NATIVE];
}

int message_send(const struct connection *to, const void *data, u32 length) { return ways()->send(to, data, length); }

int message_receive(const struct connection *from, void *data, u32 limit) { return ways()->receive(from, data, limit); }

u32 link_open(const struct connection *link) { return ways()->open(link); }

int link_notify(const struct connection *link) { return ways()->notify(link); }
