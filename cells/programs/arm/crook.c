/* crook: commits the crime that crime= names against the cell that peer= names, by hypercalls and stores of its own, prints what it
   is told, and shows that it still runs. Its accomplices are the same image: crime=idle never listens, crime=listen takes all.

   any flavour:  idle listen rights_store rights_send storm too_long ring_overrun ring_identity ring_length ring_scribbled
   okl4:         forged_slot stale_slot revoked_slot rights_map bad_buffer announced flood foreign_calls
   l4, xen:      flood (l4), and what stands at the end of crook_l4.c and crook_xen.c */
#include "crook.h"

void said(const char *what, int answer)
{
    print("%s: %s%u\n", what, answer < 0 ? "-" : "", (u32)(answer < 0 ? -answer : answer));
}

const struct connection *the_link(void)
{
    for (u32 i = 0; i < info.connection_count; i++)
        if (info.connections[i].kind != CONNECTION_MESSAGE && info.connections[i].kind != CONNECTION_SHARED)
            return &info.connections[i];
    return 0;
}

const struct connection *shared_pages(void)
{
    for (u32 i = 0; i < info.connection_count; i++)
        if (info.connections[i].kind == CONNECTION_SHARED)
            return &info.connections[i];
    return 0;
}

static int call(u32 number, u32 a1, u32 a2, u32 a3) { return (int)hypercall(number, a1, a2, a3); }

/* ---- accomplices */

static void idle(const struct connection *mate)
{
    for (;; (void)mate)
        sleep_until_rung();
}

static void listen(const struct connection *mate)
{
    static unsigned char data[1024];
    int length;
    while ((length = message_receive(mate, data, sizeof data)) >= 0)
        said("heard", length);
}

/* ---- crimes that mean something everywhere */

static void rights_store(const struct connection *mate)
{
    const struct connection *shared = shared_pages();
    (void)mate;
    print("it reads %x\n", load(shared->address));
    store(shared->address, 0xbad);
    print("it could be written\n");
}

static void rights_send(const struct connection *mate) { said("send", message_send(mate, "let me in", 9)); }

static int pour(const struct connection *mate)
{
    static unsigned char data[1024];
    if (info.flavour == FLAVOUR_L4)
        return l4_ipc(mate->slot, L4_NIL, l4_tag(16, 63, 0), 1 << 10, data, 252).status; /* a timeout of zero */
    return okl4_send(mate->slot, data, sizeof data);
}

static void flood(const struct connection *mate)
{
    u32 taken = 0, refused = 0;
    int last = 0;
    for (u32 i = 0; i < 100; i++) {
        int status = pour(mate);
        if (status < 0)
            refused++, last = status;
        else
            taken++;
    }
    print("%u taken, %u refused\n", taken, refused);
    said("refused", last);
}

static void storm(const struct connection *mate)
{
    const struct connection *link = the_link();
    u32 address = link_open(link), failed = 0;
    (void)mate;
    for (u32 i = 0; i < 2000; i++)
        failed += link_notify(link) != STATUS_OK;
    print("rang 2000 times, %u refused\n", failed + !address);
}

/* LENGTH says more than there is room for: what the page holds is all that can go. */
static void too_long(const struct connection *mate)
{
    store(info.hypercall_base + HYPERCALL_PAGE_LENGTH, 0xffffffff);
    if (info.flavour == FLAVOUR_L4)
        said("send", call(HYPERCALL_IPC, mate->slot, l4_tag(16, 63, 1), 0));
    else if (info.flavour == FLAVOUR_OKL4)
        said("send", call(HYPERCALL_CHANNEL_SEND, mate->slot, 0, 0));
    said("send", message_send(mate, (const void *)info.ram_base, 2000));
}

/* ---- the microvisor */

static void forged_slot(const struct connection *mate)
{
    static const u32 slots[] = {0, 99, 257, 0x7fffffff, 0xffffffff};
    (void)mate;
    for (u32 i = 0; i < sizeof slots / sizeof *slots; i++) {
        said("send", okl4_send(slots[i], "x", 1));
        said("receive", call(HYPERCALL_CHANNEL_RECEIVE, slots[i], 0, 0));
        said("notify", okl4_notify(slots[i], 1));
        said("map", call(HYPERCALL_MEMORY_MAP, slots[i], info.window_base + 0x800000, 0));
    }
}

static void stale_slot(const struct connection *mate)
{
    said("delete", call(HYPERCALL_CAP_DELETE, mate->slot, 0, 0));
    said("move", call(HYPERCALL_CAP_MOVE, mate->slot, 200, 0));
    said("send to where it would be", okl4_send(200, "x", 1));
    said("send", okl4_send(mate->slot, "x", 1));
}

static void revoked_slot(const struct connection *mate)
{
    said("mint", call(HYPERCALL_CAP_MINT, mate->slot, 63, 0));
    said("revoke", call(HYPERCALL_CAP_REVOKE, mate->slot, 0, 0));
    said("send", okl4_send(mate->slot, "x", 1));
}

static void rights_map(const struct connection *mate)
{
    (void)mate;
    said("map writable", call(HYPERCALL_MEMORY_MAP, shared_pages()->slot, info.window_base + 0x800000, 1));
    said("map", call(HYPERCALL_MEMORY_MAP, shared_pages()->slot, info.window_base + 0x800000, 0));
}

static void bad_buffer(const struct connection *mate)
{
    u32 slot = shared_pages()->slot, free = info.window_base + 0x800000;
    (void)mate;
    said("unaligned", call(HYPERCALL_MEMORY_MAP, slot, free + 2, 0));
    said("not in the window", call(HYPERCALL_MEMORY_MAP, slot, info.ram_base, 0));
    said("where something is", call(HYPERCALL_MEMORY_MAP, slot, shared_pages()->address, 0));
    said("at the end of all", call(HYPERCALL_MEMORY_MAP, slot, 0xfffff000, 0));
    said("unmap what boot gave", call(HYPERCALL_MEMORY_UNMAP, shared_pages()->address, 1, 0));
    said("unmap nothing", call(HYPERCALL_MEMORY_UNMAP, free, 1, 0));
    said("unmap everything", call(HYPERCALL_MEMORY_UNMAP, 0, 0xffffffff, 0));
}

/* A ring for a message that nobody sends. */
static void announced(const struct connection *mate)
{
    said("ring the channel", okl4_notify(mate->slot, 1));
    said("ring a slot of memory", okl4_notify(shared_pages()->slot, 1));
}

static void foreign_calls(const struct connection *mate)
{
    u32 nothing[8] = {0};
    said("ipc", l4_ipc(mate->slot, L4_NIL, l4_tag(16, 1, 0), 0, nothing, 4).status);
    said("unmap", call(HYPERCALL_IPC_UNMAP, info.ram_base, 1, 1));
    said("grant", xen_call(20, 0, nothing, 1));
    said("number 0", call(0, 0, 0, 0));
    said("number of all bits", call(0xffffffff, 0, 0, 0));
}

static const struct crime crimes[] = {
    {"idle", ANYWHERE, idle},
    {"listen", ANYWHERE, listen},
    {"rights_store", ANYWHERE, rights_store},
    {"rights_send", ANYWHERE, rights_send},
    {"flood", ON_L4 | ON_OKL4, flood},
    {"storm", ANYWHERE, storm},
    {"too_long", ANYWHERE, too_long},
    {"forged_slot", ON_OKL4, forged_slot},
    {"stale_slot", ON_OKL4, stale_slot},
    {"revoked_slot", ON_OKL4, revoked_slot},
    {"rights_map", ON_OKL4, rights_map},
    {"bad_buffer", ON_OKL4, bad_buffer},
    {"announced", ON_OKL4, announced},
    {"foreign_calls", ON_OKL4, foreign_calls},
    {0, 0, 0},
};

static const char *peer(void)
{
    static char name[16];
    const char *at = info.args;
    while (*at && !(at[0] == 'p' && at[1] == 'e' && at[2] == 'e' && at[3] == 'r' && at[4] == '='))
        at++;
    for (u32 i = 0; *at && at[5 + i] && at[5 + i] != ' ' && i < sizeof name - 1; i++)
        name[i] = at[5 + i];
    return name;
}

static const struct crime *chosen(const struct crime *list)
{
    for (; list->name; list++)
        if (argument_is("crime", list->name) && list->flavours >> info.flavour & 1)
            return list;
    return 0;
}

void program(void)
{
    const struct crime *crime = chosen(crimes);
    crime = crime ? crime : chosen(l4_crimes);
    crime = crime ? crime : chosen(xen_crimes);
    crime = crime ? crime : chosen(ring_crimes);
    if (!crime) {
        print("no such crime here\n");
        shutdown(2);
    }
    crime->commit(connection(peer()));
    print("crook: still here\n");
}
