/* Links under okl4: pages that both ends have from boot on, in the window, and a virtual interrupt each way. The microvisor tells
   who comes and goes. */
#include "link.h"

#include "guest.h"

static struct link links[CONNECTION_INPUT + 1];

static void hear(const struct event *event)
{
    for (u32 kind = 0; kind <= CONNECTION_INPUT; kind++) {
        const struct connection *at = link_front(kind);
        if (!at || event->kind != EVENT_PEER || event->source != at->slot)
            continue;
        links[kind].generation += event->bits && !links[kind].connected;
        links[kind].connected = event->bits != 0;
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
    links[kind].memory = (u8 *)(at->address - info.window_base + WINDOW);
    links[kind].size = at->size;
    return &links[kind];
}

void machine_link_notify(struct link *link) { okl4_notify(link_front((u32)(link - links))->bell, 1); }
