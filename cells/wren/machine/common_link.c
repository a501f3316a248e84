/* Links, as far as all layers have them: which ones the info page lists, and pages for those whose front end owns its memory.

   Such pages must lie side by side, and the kernel gives out pages one by one: so they are set apart before it gets any. */
#include "link.h"

#include "guest.h"

static u32 next_page;

const struct connection *link_front(u32 kind)
{
    for (u32 i = 0; i < info.connection_count; i++)
        if (info.connections[i].kind == kind && !info.connections[i].back)
            return &info.connections[i];
    return 0;
}

u32 links_reserve(u32 end, u32 more)
{
    static const u32 kinds[] = {CONNECTION_BLOCK, CONNECTION_INPUT};
    for (u32 i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (link_front(kinds[i]))
            more += link_front(kinds[i])->size / PAGE;
    next_page = end - more * PAGE;
    return next_page;
}

/* Addresses as the kernel sees them: what the rings' code in programs/arm works with. */
u32 take_pages(u32 count)
{
    u32 page = next_page;
    next_page += count * PAGE;
    return (u32)at_physical(page);
}
