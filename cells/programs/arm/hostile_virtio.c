/* A hostile driver of a virtio disk (cell with virtio = true): each crime that a queue allows, and whether the device says then that
   it needs a reset; after each one a reset, and a decent request, which has to work.

   at=ADDRESS     where the device's registers lie (0x0a100000: a beagle's first)
   do=crimes      all of them; "needs a reset" or the status, by name, then how many went unnoticed
   do=speed       no harm: read the same 4 KiB so many `times`, to see what a request costs the host
   do=storm       no harm either: ring for nothing so many `times` */
#include "guest.h"

enum { STATUS = 0x70, FEATURES_SEL = 0x14, FEATURES = 0x10, DRIVER_SEL = 0x24, DRIVER = 0x20, QUEUE_SEL = 0x30, QUEUE_SIZE = 0x38 };
enum { READY = 0x44, NOTIFY = 0x50, INTERRUPTS = 0x60, ACK = 0x64, TABLE = 0x80, AVAILABLE = 0x90, USED = 0xa0 };
enum { AGREED = 1 | 2 | 8, GOING = AGREED | 4, NEEDS_RESET = 64, SIZE = 16, DATA = 4096, MOST = 65536 };
enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4 };

struct descriptor {
    u64 address;
    u32 length;
    unsigned short flags, next;
};
struct request {
    u32 kind, zero;
    u64 sector;
};

static u32 device, table, available, used, data, unnoticed;
static unsigned short offered, seen;

static u32 get(u32 offset) { return load(device + offset); }
static void set(u32 offset, u32 value) { store(device + offset, value); }
static volatile unsigned short *half(u32 address) { return (volatile unsigned short *)address; }

static void agree(void)
{
    set(STATUS, 0);
    set(STATUS, 1 | 2);
    for (u32 word = 0; word < 2; word++) {
        set(FEATURES_SEL, word);
        set(DRIVER_SEL, word);
        set(DRIVER, get(FEATURES));
    }
    set(STATUS, AGREED);
    set(QUEUE_SEL, 0);
    offered = seen = 0;
    *half(available) = *half(available + 2) = *half(used + 2) = 0;
}

static void place(u32 size, u32 where, u32 high)
{
    set(QUEUE_SIZE, size);
    set(TABLE, where);
    set(TABLE + 4, high);
    set(AVAILABLE, available);
    set(AVAILABLE + 4, 0);
    set(USED, used);
    set(USED + 4, 0);
    set(READY, 1);
}

static void go(void)
{
    agree();
    place(SIZE, table, 0);
    set(STATUS, GOING);
}

static void describe(u32 at, u64 address, u32 length, u32 flags, u32 next)
{
    volatile struct descriptor *to = (volatile struct descriptor *)(table + 16 * at);
    to->address = address;
    to->length = length;
    to->flags = (unsigned short)flags;
    to->next = (unsigned short)next;
}

static void offer(u32 head)
{
    *half(available + 4 + 2 * (offered % SIZE)) = (unsigned short)head;
    *half(available + 2) = ++offered;
}

/* Header, data, status: as they should be. */
static void ask(u32 kind, u32 sector, u32 length)
{
    volatile struct request *request = (volatile struct request *)data;
    request->kind = kind;
    request->zero = 0;
    request->sector = sector;
    *(volatile unsigned char *)(data + 16) = 0xee;
    describe(0, data, 16, F_NEXT, 1);
    describe(1, data + DATA, length, F_NEXT | (kind ? 0 : F_WRITE), 2);
    describe(2, data + 16, 1, F_WRITE, 0);
    offer(0);
    set(NOTIFY, 0);
}

/* The status of the request that was asked last, when it has come back. */
static u32 answered(void)
{
    while (*half(used + 2) == seen)
        ; /* the device works in our time: others run when our slice is over */
    seen++;
    set(ACK, get(INTERRUPTS));
    return *(volatile unsigned char *)(data + 16);
}

static void judge(const char *crime)
{
    u32 status = get(STATUS), noticed = status & NEEDS_RESET;
    if (!noticed)
        unnoticed++;
    print("%s: %s\n", crime, noticed ? "needs a reset" : "unnoticed");
    go();
    ask(0, 0, 512);
    u32 works = answered();
    if (works)
        print("a decent request after it: status %u\n", works);
}

static void ring(const char *crime)
{
    set(NOTIFY, 0);
    judge(crime);
}

static void queues(void)
{
    const u32 sizes[] = {0, 3, 256, 0x10000, 0xffffffff};
    const u32 places[] = {0, 0x1000, table + 8, info.ram_base + info.ram_size - 64, info.hypercall_base, device, 0xfffffff0};
    for (u32 i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        agree();
        place(sizes[i], table, 0);
        judge("a queue of a wrong size");
    }
    for (u32 i = 0; i < sizeof places / sizeof *places; i++) {
        agree();
        place(SIZE, places[i], 0);
        judge("a table where it cannot be");
    }
    agree();
    place(SIZE, table, 1);
    judge("a table beyond 4 GiB");
}

static void chains(void)
{
    const u64 addresses[] = {0, info.ram_base - 8, info.ram_base + info.ram_size - 8, device, 0xfffffffffffffff8ull, 0x100000000ull};
    for (u32 i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        describe(0, addresses[i], 16, 0, 0);
        offer(0);
        ring("a buffer outside of RAM");
    }
    describe(0, data, 0xffffffff, F_WRITE, 0);
    offer(0);
    ring("a buffer of 4 GiB");
    describe(0, data, 16, F_NEXT, 0);
    offer(0);
    ring("a descriptor that follows itself");
    for (u32 at = 0; at < SIZE; at++)
        describe(at, data, 16, F_NEXT, (at + 1) % SIZE);
    offer(0);
    ring("a table that is one circle");
    describe(0, data, 16, F_NEXT, 0xffff);
    offer(0);
    ring("a next that is not there");
    offer(SIZE);
    ring("a head that is not there");
    offer(0xffff);
    ring("a head that is far from there");
    describe(0, data, 16, F_WRITE | F_NEXT, 1);
    describe(1, data, 16, 0, 0);
    offer(0);
    ring("a buffer to be read behind one to be written");
    describe(0, data, 16, F_INDIRECT, 0);
    offer(0);
    ring("an indirect descriptor");
    describe(0, data, 16, 0, 0);
    offer(0);
    ring("a request without a status");
    *half(available + 2) = offered = (unsigned short)(offered + SIZE + 1);
    ring("more chains than descriptors");
    *half(available + 2) = offered = (unsigned short)(offered - 1);
    ring("a count that goes back");
    ask(0, 0, 512);
    offer(0);
    ring("a head that is out already");
}

/* What is no crime, but must not do harm. */
static void mischief(void)
{
    ask(0, 0, DATA);
    set(STATUS, 0); /* midway */
    store(data + DATA, 0x600dda7a);
    go();
    ask(4, 0, 0);
    answered();
    print("a reset midway: %s\n", load(data + DATA) == 0x600dda7a ? "nothing was written later" : "written to");
    ask(0, 0, 512);
    describe(1, 0, 0xffffffff, 0xffff, 0xffff); /* while it is on its way */
    *half(available + 2) = offered;
    print("a table that changes midway: status %u\n", answered());
    ask(0, 0x7fffffff, 512);
    print("sectors that are not there: status %u\n", answered());
    ask(1, 0, 100);
    print("half a sector: status %u\n", answered());
    ask(77, 0, 512);
    print("a request that is none: status %u\n", answered());
    for (u32 offset = 0; offset < 0x1000; offset += 4)
        set(offset, 0xffffffff);
    go();
    ask(0, 0, 512);
    print("after all ones in every register: status %u\n", answered());
}

static void speed(u32 times, u32 bytes)
{
    u32 failed = 0;
    for (u32 i = 0; i < times; i++) {
        ask(0, 0, bytes > MOST ? MOST : bytes);
        failed += answered() != 0;
    }
    print("read %u times, %u failed\n", times, failed);
}

/* A header of twelve zeros, to everybody, from nobody in particular. */
static void frames(u32 times, u32 bytes)
{
    agree();
    set(QUEUE_SEL, 1);
    place(SIZE, table, 0);
    set(STATUS, GOING);
    *half(available) = 1; /* no interrupts: the used ring is looked at */
    for (u32 at = 0; at < 12 + bytes; at++)
        *(volatile unsigned char *)(data + at) = at < 12 ? 0 : at < 18 ? 0xff : 2;
    for (u32 i = 0; i < SIZE; i++)
        describe(i, data, 12 + bytes, 0, 0);
    for (u32 sent = 0; sent < times;) {
        u32 more = times - sent < SIZE ? times - sent : SIZE;
        for (u32 i = 0; i < more; i++)
            offer(i);
        set(NOTIFY, 1);
        sent += more;
        while (*half(used + 2) != offered)
            ;
    }
    print("sent %u frames\n", times);
}

void program(void)
{
    console_start();
    device = argument("at", 0x0a100000);
    table = take_pages(3 + MOST / INFO_PAGE_SIZE);
    available = table + 0x800;
    used = table + 0x1000;
    data = table + 0x2000;
    u32 times = argument("times", 100);
    if (argument_is("do", "frames")) {
        frames(times, argument("bytes", 60));
        return;
    }
    go();
    ask(0, 0, 512);
    while (answered()) { /* the disk's domain may not be there yet: no sectors */
        ask(0, 0, 512);
    }
    if (argument_is("do", "speed")) {
        speed(times, argument("bytes", DATA));
        return;
    }
    if (argument_is("do", "storm")) {
        for (u32 i = times; i; i--)
            set(NOTIFY, 0);
        print("rung\n");
        return;
    }
    queues();
    chains();
    mischief();
    print("unnoticed: %u\n", unnoticed);
}
