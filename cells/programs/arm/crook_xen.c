/* Crimes against the hypervisor: ports, references and handles that are not ours, pointers that lead nowhere, a ring to the store
   with impossible indices, more of everything than there is. */
#include "crook.h"
#include "xen.h"

enum { BATCH = 10000, RING_REQ_CONS = 2048, RING_REQ_PROD = 2052, RING_RSP_PROD = 2060, STORE_RING = 1024, RING_DATA = 64 };

static u32 self(void)
{
    u32 number = 0;
    xen_store_read("domid");
    for (const char *at = xen_reply; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (u32)(*at - '0');
    return number;
}

static u32 somewhere(void) { return info.window_base + 0x800000; }

static void forged_slot(const struct connection *mate)
{
    xen_start();
    said("send to port 0", xen_send(0));
    said("send to port 999", xen_send(999));
    said("send to a huge port", xen_send(0xffffffff));
    said("close port 999", xen_close(999));
    said("bind what is not open", xen_bind_interdomain(mate->slot, 900));
    said("bind the store's", xen_bind_interdomain(mate->slot, 1));
    said("bind in no domain", xen_bind_interdomain(4711, 1));
    said("map no reference", xen_map(mate->slot, 400, somewhere(), 0));
    said("map a huge reference", xen_map(mate->slot, 0xffffffff, somewhere(), 0));
    said("map of no domain", xen_map(4711, 8, somewhere(), 0));
    said("unmap no handle", xen_unmap(77, somewhere()));
}

static void stale_slot(const struct connection *mate)
{
    xen_start();
    int port = xen_alloc_unbound(mate->slot);
    said("close", xen_close((u32)port));
    said("send", xen_send((u32)port));
    said("close again", xen_close((u32)port));
    int handle = xen_map(self(), xen_give(self(), take_pages(1), 0), somewhere(), 0);
    said("unmap elsewhere", xen_unmap((u32)handle, somewhere() + 4096));
    said("unmap", xen_unmap((u32)handle, somewhere()));
    said("unmap again", xen_unmap((u32)handle, somewhere()));
}

static void revoked_slot(const struct connection *mate)
{
    (void)mate;
    xen_start();
    u32 reference = xen_give(self(), take_pages(1), 0);
    int handle = xen_map(self(), reference, somewhere(), 0);
    xen_unmap((u32)handle, somewhere());
    xen_entry(reference)->flags = 0;
    said("map", xen_map(self(), reference, somewhere(), 0));
    said("map what is for another", xen_map(self(), xen_give(mate->slot, take_pages(1), 0), somewhere(), 0));
}

static void rights_map(const struct connection *mate)
{
    (void)mate;
    xen_start();
    u32 page = take_pages(1), reference = xen_give(self(), page, XEN_READ_ONLY);
    said("map writable", xen_map(self(), reference, somewhere(), 0));
    store(page, 42);
    xen_map(self(), reference, somewhere(), XEN_READ_ONLY);
    said("read", (int)load(somewhere()));
    store(somewhere(), 43);
    print("it could be written\n");
}

static void bad_pointers(const struct connection *mate)
{
    u32 own = take_pages(1), end = info.ram_base + info.ram_size;
    const u32 places[] = {end + 16, somewhere(), end - 2, 0xfffffffc, info.hypercall_base};
    xen_start();
    for (u32 i = 0; i < sizeof places / sizeof *places; i++) {
        said("port", xen_call(XEN_EVENT_CHANNEL, XEN_SEND, (const void *)places[i], 1));
        said("grant", xen_call(XEN_GRANT_TABLE, XEN_MAP, (const void *)places[i], 1));
        said("parameter", xen_call(XEN_HVM, XEN_GET_PARAM, (const void *)places[i], 1));
    }
    store(own, 0);
    store(own + 4, xen_store_port);
    said("unaligned", xen_call(XEN_EVENT_CHANNEL, XEN_SEND, (const void *)(own + 4), 1));
    said("huge", xen_call(XEN_GRANT_TABLE, XEN_MAP, (const void *)own, BATCH));
    said("no operation", xen_call(XEN_GRANT_TABLE, 99, (const void *)own, 1));
    (void)mate;
}

/* A frame that is ours only because somebody lent it, one that the hypervisor writes, one that is nothing. */
static void mapped_elsewhere(const struct connection *mate)
{
    (void)mate;
    xen_start();
    u32 page = take_pages(1);
    xen_map(self(), xen_give(self(), page, 0), somewhere(), 0);
    said("what is mapped from elsewhere", xen_map(self(), xen_give(self(), somewhere(), 0), somewhere() + 8192, 0));
    said("the grant table", xen_map(self(), xen_give(self(), (u32)xen_entry(0), 0), somewhere() + 8192, 0));
    said("no memory", xen_map(self(), xen_give(self(), info.ram_base + info.ram_size, 0), somewhere() + 8192, 0));
    struct xen_transfer gift = {page / 4096, (u16)self(), 0, xen_give(self(), take_pages(1), 0), 0, {0}};
    said("transfer to who does not ask for it", xen_call(XEN_GRANT_TABLE, XEN_TRANSFER, &gift, 1) ?: gift.status);
    xen_entry(gift.reference)->flags = XEN_ACCEPT;
    said("transfer what is mapped", xen_call(XEN_GRANT_TABLE, XEN_TRANSFER, &gift, 1) ?: gift.status);
}

/* ---- the store */

static void ring_index(const struct connection *mate)
{
    (void)mate;
    xen_start();
    store(xen_store_page + RING_REQ_PROD, load(xen_store_page + RING_REQ_CONS) + 5000);
    xen_send(xen_store_port);
    said("the ring's error", (int)xen_store_error());
    said("send", xen_send(xen_store_port));
}

static void raw(const u32 *header, u32 bytes)
{
    u32 made = load(xen_store_page + RING_REQ_PROD);
    for (u32 i = 0; i < bytes; i++, made++)
        *(volatile char *)(xen_store_page + made % STORE_RING) = ((const char *)header)[i];
    store(xen_store_page + RING_REQ_PROD, made);
    xen_send(xen_store_port);
}

static void huge_request(const struct connection *mate)
{
    u32 header[4] = {XS_WRITE, 0, 0, 0xfffffff0};
    (void)mate;
    xen_start();
    raw(header, sizeof header);
    said("the ring's error", (int)xen_store_error());
}

/* A header that promises bytes that never come: the store waits for this one alone. */
static void announced(const struct connection *mate)
{
    u32 header[5] = {XS_READ, 0, 0, 100, 0x61616161};
    (void)mate;
    xen_start();
    raw(header, sizeof header);
    for (u32 i = 0; i < 100; i++)
        xen_send(xen_store_port);
    said("the ring's error", (int)xen_store_error());
    said("answered", (int)load(xen_store_page + RING_RSP_PROD));
}

static void error(const char *what, int length)
{
    if (length < 0)
        print("%s: %s\n", what, xen_reply);
    else
        print("%s: accepted\n", what);
}

static void path_escape(const struct connection *mate)
{
    (void)mate;
    xen_start();
    error("another's name", xen_store_write("/local/domain/0/name", "crook"));
    error("upwards", xen_store_write("data/../../0/name", "crook"));
    error("the root", xen_store_write("/", "crook"));
    error("a new root", xen_store_write("/crook", "crook"));
    error("nothing between", xen_store_write("data//x", "crook"));
    error("no end", xen_store_write("data/", "crook"));
    error("another's device", xen_store_read("/local/domain/0/device"));
    error("no path", xen_store_read(""));
    error("its own", xen_store_write("data/x", "crook"));
}

static char *number(char *at, u32 value)
{
    for (int shift = 12; shift >= 0; shift -= 4)
        *at++ = "0123456789abcdef"[value >> shift & 15];
    *at = 0;
    return at;
}

static void store_quota(const struct connection *mate)
{
    static char path[4000] = "data/n", deep[4000] = "data", large[3000];
    u32 made = 0;
    (void)mate;
    xen_start();
    for (u32 i = 4; i < 2004; i += 2)
        deep[i] = '/', deep[i + 1] = 'd';
    error("deep", xen_store_write(deep, "x"));
    while (made < 1100 && (number(path + 6, made), xen_store_write(path, "x") >= 0))
        made++;
    print("%u nodes, then %s\n", made, xen_reply);
    for (u32 i = 0; i < 3900; i++)
        path[i] = 'p';
    error("long path", xen_store_write(path, "x"));
    for (u32 i = 0; i < sizeof large - 1; i++)
        large[i] = 'v';
    error("large value", xen_store_write("data/n0000", large));
}

static void watch_storm(const struct connection *mate)
{
    static char token[8], path[] = "data/w0000";
    u32 watches = 0, fired;
    (void)mate;
    xen_start();
    while (watches < 200 && (number(token, watches), xen_store_watch("data", token) >= 0))
        watches++;
    print("%u watches, then %s\n", watches, xen_reply);
    xen_store_events();
    for (u32 i = 0; i < 20; i++) {
        number(path + 6, i);
        xen_store_write(path, "x");
    }
    fired = xen_store_events();
    print("%s\n", fired ? "they fire" : "they do not fire");
    error("the store", xen_store_write("data/x", "works"));
}

/* The partner's ring of messages, with a length and an index that cannot be. It begins anew with us. */
static void message_ring(const struct connection *mate)
{
    said("send", message_send(mate, "honest", 6));
    u32 ring = xen_channel_ring(mate), produced = load(ring);
    store(ring + RING_DATA + produced, 0xfffffff0);
    store(ring, produced + 4);
    said("ring", xen_channel_ring_bell(mate));
    while (xen_channel_ring(mate))
        xen_wait();
    while (!xen_channel_ring(mate))
        xen_wait();
    said("send", message_send(mate, "honest again", 12));
}

static void port_flood(const struct connection *mate)
{
    u32 ports = 0;
    int last;
    xen_start();
    while ((last = xen_alloc_unbound(mate->slot)) >= 0)
        ports++;
    print("%u ports\n", ports);
    said("then", last);
}

const struct crime xen_crimes[] = {
    {"forged_slot", ON_XEN, forged_slot},
    {"stale_slot", ON_XEN, stale_slot},
    {"revoked_slot", ON_XEN, revoked_slot},
    {"rights_map", ON_XEN, rights_map},
    {"bad_pointers", ON_XEN, bad_pointers},
    {"mapped_elsewhere", ON_XEN, mapped_elsewhere},
    {"ring_index", ON_XEN, ring_index},
    {"huge_request", ON_XEN, huge_request},
    {"announced", ON_XEN, announced},
    {"path_escape", ON_XEN, path_escape},
    {"store_quota", ON_XEN, store_quota},
    {"watch_storm", ON_XEN, watch_storm},
    {"message_ring", ON_XEN, message_ring},
    {"port_flood", ON_XEN, port_flood},
    {0, 0, 0},
};
