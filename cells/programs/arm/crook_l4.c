/* Crimes against the microkernel's IPC: words of a message that are none, pages that are not one's own, partners that are not there. */
#include "crook.h"

enum { CHANNEL = 16, PAGE_FAULT = 3, MAP = 1, GRANT = 2, CAPABILITY = 3, READ = 1, WRITE = 2, SEND = 4, RECEIVE = 8, GIVE = 16, SAME = SEND | RECEIVE | GIVE, ALL = 63 };
enum { AT_ONCE = 1 << 10, ITEM = 2 << 6, WINDOW_PAGES = 16 };

static int send_to(u32 slot, u32 timeouts) { return l4_ipc(slot, L4_NIL, l4_tag(CHANNEL, 1, 0), timeouts, "word", 4).status; }

static int call(u32 number, u32 a1, u32 a2, u32 a3) { return (int)hypercall(number, a1, a2, a3); }

static void forged_slot(const struct connection *mate)
{
    static const u32 slots[] = {99, 257, 0xfff0};
    (void)mate;
    for (u32 i = 0; i < sizeof slots / sizeof *slots; i++) {
        said("send", send_to(slots[i], AT_ONCE));
        said("receive", l4_ipc(L4_NIL, slots[i], 0, 0, 0, 0).status);
        said("notify", call(HYPERCALL_NOTIFY, slots[i], 1, 0));
    }
    said("inject", call(HYPERCALL_IPC_INJECT, mate->slot, 1, 1));
}

static void stale_slot(const struct connection *mate)
{
    int copy = call(HYPERCALL_CAP_MINT, mate->slot, SAME, 0);
    said("delete", call(HYPERCALL_CAP_DELETE, (u32)copy, 0, 0));
    said("send", send_to((u32)copy, 0));
    said("delete again", call(HYPERCALL_CAP_DELETE, (u32)copy, 0, 0));
}

static void revoked_slot(const struct connection *mate)
{
    int copy = call(HYPERCALL_CAP_MINT, mate->slot, SAME, 0), copy_of_copy = call(HYPERCALL_CAP_MINT, (u32)copy, SEND, 0);
    said("revoke", call(HYPERCALL_CAP_REVOKE, mate->slot, 0, 0));
    said("send", send_to((u32)copy, 0));
    said("send", send_to((u32)copy_of_copy, 0));
}

static void rights_mint(const struct connection *mate)
{
    int deaf = call(HYPERCALL_CAP_MINT, mate->slot, SEND, 0), dumb = call(HYPERCALL_CAP_MINT, mate->slot, RECEIVE, 0);
    said("send", send_to((u32)dumb, AT_ONCE));
    said("receive", l4_ipc(L4_NIL, (u32)deaf, 0, AT_ONCE << 16, 0, 0).status);
    said("mint more than there is", call(HYPERCALL_CAP_MINT, (u32)dumb, SEND | RECEIVE, 0));
    said("mint all", call(HYPERCALL_CAP_MINT, mate->slot, ALL, 0));
}

/* Takes pages and messages until its partner is gone. */
static void accept(const struct connection *mate)
{
    said("accept", call(HYPERCALL_IPC_ACCEPT, info.window_base + 0x800000, WINDOW_PAGES, 0));
    while (!l4_ipc(L4_NIL, mate->slot, 0, 0, 0, 0).status)
        ;
}

static int item(const struct connection *mate, u32 kind, u32 address, u32 count, u32 rights)
{
    u32 words[2] = {address, count << 12 | kind << 8 | rights};
    return l4_ipc(mate->slot, L4_NIL, (u32)CHANNEL << 16 | ITEM, 0, words, sizeof words).status;
}

static void bad_items(const struct connection *mate)
{
    u32 own = take_pages(1), window = info.window_base + 0xf00000, pages = info.ram_size / 4096;
    send_to(mate->slot, 0); /* it listens, and accepts pages */
    said("unaligned", item(mate, MAP, own + 2, 1, READ));
    said("unmapped", item(mate, MAP, 0xe0000000, 1, READ));
    said("foreign", item(mate, MAP, window, 1, READ));
    said("half ours", item(mate, MAP, info.ram_base + info.ram_size - 4096, 2, READ));
    said("more than there is room for", item(mate, MAP, info.ram_base, pages < 0xffff ? pages : 0xffff, READ));
    said("huge", item(mate, MAP, own, 0xfffff, READ));
    said("none", item(mate, MAP, own, 0, READ));
    said("of no right", item(mate, MAP, own, 1, 0));
    said("of no kind", item(mate, 9, own, 1, READ));
    said("capability that we lack", item(mate, CAPABILITY, 99, 1, ALL));
    said("right", item(mate, MAP, own, 1, READ | WRITE));
}

/* What is ours since boot can be lent, not given away: it would still be mapped in our memory. */
static void mapped_elsewhere(const struct connection *mate)
{
    u32 own = take_pages(1);
    send_to(mate->slot, 0);
    said("grant", item(mate, GRANT, own, 1, READ | WRITE));
    said("map", item(mate, MAP, own, 1, READ));
    said("grant", item(mate, GRANT, own, 1, READ));
    store(own, 42);
    said("still ours", (int)load(own));
    said("taken back", call(HYPERCALL_IPC_UNMAP, own, 1, READ | WRITE));
}

/* A page that goes from hand to hand, each time mapped on from where it came. */
static void pass_on(const struct connection *mate)
{
    u32 words[2], hands = 0;
    int status = 0;
    call(HYPERCALL_IPC_ACCEPT, info.window_base + 0x800000, WINDOW_PAGES, 0);
    if (argument_is("crime", "too_deep"))
        while ((status = item(mate, MAP, info.ram_base + info.ram_size - 4096, 1, READ)) == STATUS_WRONG_STATE)
            hypercall(HYPERCALL_YIELD, 0, 0, 0); /* it does not accept pages yet */
    while (!status && !l4_ipc(L4_NIL, mate->slot, 0, 0, 0, 0).status && answer(words, sizeof words) == sizeof words) {
        hands++;
        status = item(mate, MAP, words[0], 1, READ);
    }
    print("passed on %u times\n", hands);
    said("then", status);
}

static void announced(const struct connection *mate)
{
    said("ten words, no data", l4_ipc(mate->slot, L4_NIL, l4_tag(CHANNEL, 10, 0), 0, 0, 0).status);
    said("a string, no data", l4_ipc(mate->slot, L4_NIL, l4_tag(CHANNEL, 0, 1), 0, 0, 0).status);
    said("an item, no data", l4_ipc(mate->slot, L4_NIL, (u32)CHANNEL << 16 | ITEM, 0, 0, 0).status);
    said("data, no word", l4_ipc(mate->slot, L4_NIL, l4_tag(CHANNEL, 0, 0), 0, "word", 4).status);
    said("half an item", l4_ipc(mate->slot, L4_NIL, (u32)CHANNEL << 16 | ITEM / 2, 0, "word", 4).status);
    said("as the kernel", l4_ipc(mate->slot, L4_NIL, l4_tag(PAGE_FAULT, 1, 0), 0, "word", 4).status);
}

static void too_many_words(const struct connection *mate)
{
    static unsigned char data[1024];
    u32 tag = 63 | 62 << 6 | (u32)CHANNEL << 16;
    said("words and items", l4_ipc(mate->slot, L4_NIL, tag, 0, data, 125 * 4).status);
}

static void reply_to_nobody(const struct connection *mate)
{
    (void)mate;
    said("reply", send_to(L4_REPLY, 0));
    said("reply and wait", l4_ipc(L4_REPLY, L4_ANY, l4_tag(CHANNEL, 1, 0), 0, "word", 4).status);
}

/* Both send first. Who is ended by the backstop listens then. */
static void deadlock(const struct connection *mate)
{
    int status = send_to(mate->slot, 0);
    said("send", status);
    if (status)
        said("receive", l4_ipc(L4_NIL, mate->slot, 0, 0, 0, 0).status);
}

const struct crime l4_crimes[] = {
    {"forged_slot", ON_L4, forged_slot},
    {"stale_slot", ON_L4, stale_slot},
    {"revoked_slot", ON_L4, revoked_slot},
    {"rights_mint", ON_L4, rights_mint},
    {"accept", ON_L4, accept},
    {"bad_items", ON_L4, bad_items},
    {"mapped_elsewhere", ON_L4, mapped_elsewhere},
    {"too_deep", ON_L4, pass_on},
    {"pass_on", ON_L4, pass_on},
    {"announced", ON_L4, announced},
    {"too_many_words", ON_L4, too_many_words},
    {"reply_to_nobody", ON_L4, reply_to_nobody},
    {"deadlock", ON_L4, deadlock},
    {0, 0, 0},
};
