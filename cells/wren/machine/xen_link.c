/* Links under xen: our own pages, granted to the back end, and an event channel; both ends meet by their states in the store
   (cells/programs/arm/xen_channel.c does that, step by step, whenever it is asked). */
#include "xen.h"
#include "link.h"

static struct link links[CONNECTION_INPUT + 1];

struct link *machine_link(u32 kind)
{
    const struct connection *at = link_front(kind);
    struct link *link = &links[kind];
    if (!at)
        return 0;
    link->connected = xen_link_poll(at, &link->generation);
    link->memory = (u8 *)xen_link_pages(at);
    link->size = link->memory ? at->size : 0;
    return link;
}

void machine_link_notify(struct link *link) { xen_link_notify(link_front((u32)(link - links))); }
