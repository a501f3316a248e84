/* Links under l4: pages of ours that the front end sends to the back end as a map item, and notification bits.

   A send phase waits for a partner that listens, and this kernel must not wait: so the pages are offered with a timeout of zero, again
   and again in growing intervals, until the back end happens to listen. */
#include "l4.h"

#include "guest.h"

enum { CONNECT_LABEL = 20, ITEM_WORDS = 2 << 6, MAP = 1 << 8, READ_WRITE = 3, ZERO = 1 << 10 }; /* hypervisor/abi/l4.py */
enum { PAUSE = 1 << 16, LONGEST_PAUSE = 1 << 22 };                                              /* cycles between two offers */

static struct {
    struct link link;
    u32 gone;   /* there is nobody to offer anything to */
    u32 pause;
    u64 next;   /* offer, in cycles */
} ends[CONNECTION_INPUT + 1];

static void hear(const struct event *event)
{
    for (u32 kind = 0; kind <= CONNECTION_INPUT; kind++) {
        const struct connection *at = link_front(kind);
        if (!at || event->kind != EVENT_PEER || event->source != at->slot)
            continue;
        ends[kind].link.connected = 0; /* another life, which knows nothing of this connection */
        ends[kind].gone = !event->bits;
        ends[kind].pause = 0;
        ends[kind].next = 0;
    }
}

static void offer(const struct connection *at, u32 kind)
{
    u64 now = hypercall(HYPERCALL_TIME, 0, 0, 0);
    if (now < ends[kind].next)
        return;
    u32 item[2] = {physical(ends[kind].link.memory), at->size / PAGE << 12 | MAP | READ_WRITE};
    int status = l4_ipc(at->slot, L4_NIL, CONNECT_LABEL << 16 | ITEM_WORDS, ZERO, item, sizeof item).status;
    if (!status) {
        ends[kind].link.connected = 1;
        ends[kind].link.generation++;
    } else if (status == STATUS_PEER_GONE) {
        ends[kind].gone = 1;
    } else {
        ends[kind].pause = !ends[kind].pause ? PAUSE : ends[kind].pause < LONGEST_PAUSE ? 2 * ends[kind].pause : LONGEST_PAUSE;
        ends[kind].next = now + ends[kind].pause;
    }
}

struct link *machine_link(u32 kind)
{
    const struct connection *at = link_front(kind);
    struct event event;
    if (!at)
        return 0;
    while (next_event(&event))
        hear(&event);
    if (!ends[kind].link.memory) {
        ends[kind].link.memory = (u8 *)take_pages(at->size / PAGE);
        ends[kind].link.size = at->size;
    }
    if (!ends[kind].link.connected && !ends[kind].gone)
        offer(at, kind);
    return &ends[kind].link;
}

/* When a wait has to end at the latest, so that the next offer is made. */
u64 links_until(u64 until)
{
    for (u32 kind = 0; kind <= CONNECTION_INPUT; kind++)
        if (ends[kind].link.memory && !ends[kind].link.connected && !ends[kind].gone && ends[kind].next < until)
            until = ends[kind].next;
    return until;
}

void machine_link_notify(struct link *link)
{
    for (u32 kind = 0; kind <= CONNECTION_INPUT; kind++)
        if (link == &ends[kind].link)
            hypercall_with(HYPERCALL_NOTIFY, link_front(kind)->bell, 1, 0, 0, 0);
}
