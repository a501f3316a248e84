/* The hypervisor's calls by their real numbers (xen/include/public/xen.h of the interface): event_channel_op is 32, grant_table_op
   20. A guest on a core with HVC may use that instead; this door is there on every core. Above it event channels and grants. */
#include "xen.h"

enum { UPCALL_PENDING = 0, SELECTOR = 8, PENDING = 48, PENDING_WORDS = 32 }; /* in shared_info; 32 words are 1024 ports */

static u32 shared_info, grants, next_grant = XEN_FIRST_GRANT;

int xen_call(u32 number, u32 operation, const void *argument, u32 count)
{
    return (int)hypercall(HYPERCALL_XEN + number, operation, (u32)argument, count);
}

static u32 place(u32 space)
{
    u32 page = take_pages(1);
    struct xen_physmap where = {XEN_SELF, 0, space, 0, frame_of(page)};
    xen_call(XEN_MEMORY, XEN_ADD_TO_PHYSMAP, &where, 1);
    return page;
}

void xen_start(void)
{
    if (shared_info)
        return;
    shared_info = place(XEN_SHARED_INFO);
    grants = place(XEN_GRANT_FRAMES);
    xen_store_start();
}

/* The flag goes first: what comes later raises it anew. Which port it was does not matter, the rings say the rest; but that the store
   has answered is no news. */
u32 xen_events(void)
{
    u32 any = 0;
    if (!(load(shared_info + UPCALL_PENDING) & 0xff))
        return 0;
    *(volatile unsigned char *)(shared_info + UPCALL_PENDING) = 0;
    store(shared_info + SELECTOR, 0);
    store(shared_info + SELECTOR + 4, 0);
    for (u32 i = 0; i < PENDING_WORDS; i++) {
        u32 at = shared_info + PENDING + 4 * i, answered = xen_store_port / 32 == i ? 1u << xen_store_port % 32 : 0;
        any |= load(at) & ~answered;
        store(at, 0);
    }
    return any;
}

int xen_alloc_unbound(u32 remote)
{
    struct xen_unbound call = {XEN_SELF, (u16)remote, 0};
    int status = xen_call(XEN_EVENT_CHANNEL, XEN_ALLOC_UNBOUND, &call, 1);
    return status ? status : (int)*(volatile u32 *)&call.port;
}

int xen_bind_interdomain(u32 remote, u32 port)
{
    struct xen_interdomain call = {(u16)remote, 0, port, 0};
    int status = xen_call(XEN_EVENT_CHANNEL, XEN_BIND_INTERDOMAIN, &call, 1);
    return status ? status : (int)*(volatile u32 *)&call.port;
}

int xen_send(u32 port) { return xen_call(XEN_EVENT_CHANNEL, XEN_SEND, &port, 1); }

int xen_close(u32 port) { return xen_call(XEN_EVENT_CHANNEL, XEN_CLOSE, &port, 1); }

volatile struct xen_grant *xen_entry(u32 reference) { return (volatile struct xen_grant *)(grants + 8 * reference); }

u32 xen_give(u32 domain, u32 page, u32 flags)
{
    if (next_grant >= XEN_GRANTS)
        return 0;
    volatile struct xen_grant *entry = xen_entry(next_grant);
    entry->domain = (u16)domain;
    entry->frame = frame_of(page);
    entry->flags = (u16)(XEN_PERMIT | flags); /* makes it valid, so it comes last */
    return next_grant++;
}

int xen_map(u32 domain, u32 reference, u32 address, u32 flags)
{
    struct xen_map call = {address, XEN_HOST_MAP | flags, reference, (u16)domain, 0, 0, 0};
    int status = xen_call(XEN_GRANT_TABLE, XEN_MAP, &call, 1);
    if (!status)
        status = *(volatile short *)&call.status;
    return status ? status : (int)*(volatile u32 *)&call.handle;
}

int xen_unmap(u32 handle, u32 address)
{
    struct xen_unmap call = {address, 0, handle, 0, 0};
    int status = xen_call(XEN_GRANT_TABLE, XEN_UNMAP, &call, 1);
    return status ? status : *(volatile short *)&call.status;
}
