/* Page tables of the CPU's own, in both of its formats.

   A first-level table has an entry for each MiB: 16 KiB, so they come from a pool of their own. A second-level table has an
   entry for each page of one MiB, 1 KiB: a page of the kernel's holds those of four MiB. The kernel's half is the same in all
   spaces. Before ARMv7 a page has rights for each quarter, and what may be read may be executed (DDI 0100I, B4.7); from then on
   there is a bit that forbids that (DDI 0406C, B3.5).

   Caches. Before ARMv7 they are looked up by virtual address, so that the kernel, which reaches a process's page at another
   address, may see old data, and so may the process. All RAM is therefore written through, and who looks from another side drops
   what the caches hold: one instruction, and nothing is lost. From ARMv7 on only instructions can be old. */
#include "native.h"

#include "../kernel/kernel.h"
#include "guest.h"

enum { SECTION = 0x100000, TABLE = 0x4000, SMALL_TABLE = 0x400, ENTRIES = 4096, POOL_LIMIT = PROCESSES + 1 /* exec has two */ };
enum { COARSE = 1, BIT_4 = 0x10, SMALL_PAGE = 2, NEVER_EXECUTE = 1 };
enum { WRITE_THROUGH = 8, WRITE_BACK = 0xc };
enum { KERNEL_ONLY = 1, READ_ONLY = 2, READ_WRITE = 3 }; /* AP */
enum { DEVICE_SECTION = 0x402, NEVER_EXECUTE_SECTION = 0x10 };
#define DEVICES 0xf0000000u
#define VECTORS 0xffff0000u

static u32 modern, kernel_table, free_tables, pool_end;
static struct space *active;

u32 architecture(void)
{
    u32 midr;
    __asm__ volatile("mrc p15, 0, %0, c0, c0, 0" : "=r"(midr));
    u32 number = midr >> 16 & 15;
    return number == 15 ? 7 : number == 7 ? 6 : 5;
}

static u32 *entry_of(u32 table, u32 virtual) { return (u32 *)at_physical(table) + virtual / SECTION; }

/* What was stored into a table is in memory before the CPU walks it. */
static void tables_written(void) { __asm__ volatile("mcr p15, 0, %0, c7, c10, 4" : : "r"(0) : "memory"); }

static void flush_tlb(void)
{
    tables_written();
    __asm__ volatile("mcr p15, 0, %0, c8, c7, 0" : : "r"(0) : "memory");
}

static void flush_page(u32 virtual)
{
    tables_written();
    __asm__ volatile("mcr p15, 0, %0, c8, c7, 1" : : "r"(virtual & ~(u32)(PAGE - 1)) : "memory");
}

/* Another side looks at memory from now on. */
void drop_caches(void)
{
    if (!modern)
        __asm__ volatile("mcr p15, 0, %0, c7, c7, 0\n mcr p15, 0, %0, c7, c10, 4" : : "r"(0) : "memory");
}

/* Instructions were stored into a page as data. */
static void page_executes(u32 page)
{
    if (modern) {
        for (u32 line = (u32)at_physical(page), end = line + PAGE; line < end; line += 32)
            __asm__ volatile("mcr p15, 0, %0, c7, c11, 1" : : "r"(line) : "memory");
        __asm__ volatile("mcr p15, 0, %0, c7, c10, 4\n mcr p15, 0, %0, c7, c5, 0" : : "r"(0) : "memory");
    }
}

/* ---- descriptors */

static u32 page_entry(u32 page, u32 ap, u32 executable)
{
    if (modern)
        return page | ap << 4 | WRITE_BACK | SMALL_PAGE | (executable ? 0 : NEVER_EXECUTE);
    return page | ap * 0x550 | WRITE_THROUGH | SMALL_PAGE; /* the rights of all four quarters */
}

static u32 table_entry(u32 table) { return table | (modern ? 0 : BIT_4) | COARSE; }

static u32 section_entry(u32 section) { return section | DEVICE_SECTION | (modern ? NEVER_EXECUTE_SECTION : BIT_4); }

/* ---- the kernel's half */

/* The first MiB from DEVICES on that is not taken, or is this one already. */
u32 device(u32 address)
{
    u32 at = DEVICES, wanted = section_entry(address & ~(u32)(SECTION - 1));
    u32 *entry = entry_of(kernel_table, at);
    for (; *entry && *entry != wanted; entry++)
        at += SECTION;
    *entry = wanted;
    tables_written();
    return at | (address & (SECTION - 1));
}

/* The second-level table for the last MiB lies behind the vectors in the info page, which was copied. */
static void map_vectors(void)
{
    u32 page = ram_base, *vectors = at_physical(page), table = page + SMALL_TABLE;
    clear(vectors, PAGE);
    copy(vectors, native_vectors, 64);
    ((u32 *)at_physical(table))[(VECTORS / PAGE) % 256] = page_entry(page, KERNEL_ONLY, 1);
    *entry_of(kernel_table, VECTORS) = table_entry(table);
    page_executes(page);
}

/* Tables for processes: a sixteenth of memory at most. Free ones are chained by their first word. */
static void make_pool(u32 from)
{
    u32 most = (machine_memory_end() - from) / 16 / TABLE, wanted = most < POOL_LIMIT ? most : POOL_LIMIT;
    from = (from + TABLE - 1) & ~(u32)(TABLE - 1);
    for (pool_end = from; wanted; wanted--, pool_end += TABLE) {
        *(u32 *)at_physical(pool_end) = free_tables;
        free_tables = pool_end;
    }
}

void tables_start(u32 boot_table)
{
    modern = architecture() >= 7;
    kernel_table = boot_table;
    for (u32 *entry = at_physical(boot_table), *end = entry + KERNEL_BASE / SECTION; entry < end; entry++)
        *entry = 0; /* where we were before */
    map_vectors();
    flush_tlb();
    u32 end = info.initrd_size ? info.initrd_base + info.initrd_size : physical(image_end);
    make_pool((end + PAGE - 1) & ~(u32)(PAGE - 1));
}

u32 machine_memory_start(void) { return pool_end; }

u32 machine_memory_end(void) { return info.memory_end & ~(u32)(PAGE - 1); }

/* ---- spaces */

int machine_space_create(struct space *space)
{
    if (!free_tables)
        return -ENOMEM;
    u32 table = free_tables;
    free_tables = *(u32 *)at_physical(table);
    clear(at_physical(table), KERNEL_BASE / SECTION * 4);
    copy(entry_of(table, KERNEL_BASE), entry_of(kernel_table, KERNEL_BASE), (ENTRIES - KERNEL_BASE / SECTION) * 4);
    space->handle = table;
    return 0;
}

static void use(u32 table)
{
    tables_written();
    drop_caches();
    __asm__ volatile("mcr p15, 0, %0, c2, c0, 0" : : "r"(table) : "memory");
    flush_tlb();
    machine_counts.switches++;
}

void machine_space_destroy(struct space *space)
{
    if (active == space) {
        active = 0;
        use(kernel_table);
    }
    u32 *entries = at_physical(space->handle);
    for (u32 first = 0; first < KERNEL_BASE / SECTION; first += PAGE / SMALL_TABLE)
        if (entries[first])
            page_release(entries[first] & ~(u32)(PAGE - 1));
    entries[0] = free_tables;
    free_tables = space->handle;
    space->handle = 0;
}

void tables_switch(struct space *space)
{
    if (active == space)
        drop_caches();
    else
        use(space->handle);
    active = space;
}

/* The entry for a page in its second-level table; 0: there is no such table. */
static u32 *slot_of(const struct space *space, u32 virtual)
{
    u32 table = *entry_of(space->handle, virtual);
    return table ? (u32 *)at_physical(table & ~(u32)(SMALL_TABLE - 1)) + virtual / PAGE % 256 : 0;
}

/* Four second-level tables for the 4 MiB around an address. */
static int make_tables(struct space *space, u32 virtual)
{
    u32 page = page_take(), *entry = entry_of(space->handle, virtual & ~(u32)(4 * SECTION - 1));
    if (!page)
        return -ENOMEM;
    for (u32 part = 0; part < PAGE; part += SMALL_TABLE)
        *entry++ = table_entry(page + part);
    return 0;
}

static void change(struct space *space, u32 virtual, u32 *slot, u32 entry)
{
    u32 before = *slot;
    *slot = entry;
    machine_counts.table_updates++;
    if (before && active == space)
        flush_page(virtual);
}

int machine_map(struct space *space, u32 virtual, u32 page, u32 rights)
{
    u32 *slot = slot_of(space, virtual);
    if (!slot && make_tables(space, virtual) < 0)
        return -ENOMEM;
    if (rights & EXECUTABLE)
        page_executes(page);
    u32 entry = page_entry(page, rights & WRITABLE ? READ_WRITE : READ_ONLY, rights & EXECUTABLE);
    change(space, virtual, slot_of(space, virtual), rights ? entry : 0);
    return 0;
}

void machine_unmap(struct space *space, u32 virtual)
{
    u32 *slot = slot_of(space, virtual);
    if (slot && *slot)
        change(space, virtual, slot, 0);
}

int tables_allow(struct space *space, u32 virtual, u32 access)
{
    if (virtual >= KERNEL_BASE)
        return 0;
    u32 *slot = slot_of(space, virtual);
    if (!slot || !*slot)
        return 0;
    if (access == EXECUTABLE)
        return !modern || !(*slot & NEVER_EXECUTE);
    return access != WRITABLE || (*slot >> 4 & 3) == READ_WRITE;
}
