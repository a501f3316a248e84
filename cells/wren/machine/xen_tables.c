/* Address spaces by direct paging: the tables are the CPU's own and lie in our memory, but only the hypervisor writes them.

   It takes batches of updates, checks each and applies it. Before a page becomes a table, nothing may have it mapped writable, our
   own linear map included; afterwards that is given back. A second-level table takes a page: four tables of 1 KiB, for 4 MiB.
   Tables can be read like any other page of ours: an entry of the first level holds its table's address above bit 9. */
#include "xen_pv.h"

#include "../kernel/errno.h"
#include "../kernel/kernel.h"

enum { SECTION = 1 << 20, L1_SIZE = 16 * 1024, L1_PAGES = L1_SIZE / PAGE, L2_SIZE = 1024, GROUP = PAGE / L2_SIZE };
enum { GROUPS = KERNEL_BASE / SECTION / GROUP, SHARE = 8 }; /* SHARE: at most this part of memory is for first-level tables */

static u32 kernel_table, in_use;
static struct pv_update batch[PV_BATCH_LIMIT];
static u32 waiting;
static u32 free_tables[PROCESSES + 2], free_count;

static u32 word_at(u32 address) { return *(volatile u32 *)at_physical(address); }

static u32 slot_in(u32 table, u32 virtual)
{
    u32 upper = word_at(table + virtual / SECTION * 4);
    return upper ? (upper & ~(u32)(L2_SIZE - 1)) + virtual % SECTION / PAGE * 4 : 0;
}

/* ---- updates */

static void flush(void)
{
    u32 count = waiting;
    waiting = 0;
    if (count)
        xen_require(pv_mmu_update(batch, count) == (int)count ? 0 : -EFAULT, "a batch of page-table updates");
}

static void update(u32 at, u32 value)
{
    if (waiting == PV_BATCH_LIMIT)
        flush();
    batch[waiting].at = at;
    batch[waiting++].value = value;
    machine_counts.table_updates++;
}

static int is_waiting(u32 at)
{
    for (u32 i = 0; i < waiting; i++)
        if (batch[i].at == at)
            return 1;
    return 0;
}

static void whole(u32 operation, u32 table, u32 price, const char *what)
{
    flush();
    machine_counts.table_updates += price;
    xen_require(pv_mmu(operation, table), what);
}

/* In our linear map: read-only while it is a table. */
static void protect(u32 page) { update(slot_in(kernel_table, (u32)at_physical(page)), page | PV_PTE_PRESENT); }

static void expose(u32 page) { update(slot_in(kernel_table, (u32)at_physical(page)), page | PV_PTE_PRESENT | PV_PTE_WRITE); }

/* ---- the beginning */

void tables_start(u32 table) { kernel_table = in_use = table; }

u32 tables_reserve(u32 end)
{
    u32 room = (end - ram_base) / SHARE / L1_SIZE, count = sizeof free_tables / sizeof *free_tables;
    end &= ~(u32)(L1_SIZE - 1);
    while (free_count < count && free_count < room) {
        end -= L1_SIZE;
        free_tables[free_count++] = end;
    }
    return end;
}

void tables_use(u32 table)
{
    flush();
    if (table == in_use)
        return;
    in_use = table;
    machine_counts.switches++;
    whole(PV_MMU_NEW_BASE, table, 1, "an address space");
}

/* ---- spaces */

/* What of the kernel's half the domain builder has made is in every space, by the same second-level tables. */
static void share_kernel(u32 table)
{
    for (u32 at = KERNEL_BASE / SECTION * 4; word_at(kernel_table + at); at += 4)
        update(table + at, (word_at(kernel_table + at) & ~(u32)(L2_SIZE - 1)) | PV_PTE_PRESENT);
}

int machine_space_create(struct space *space)
{
    if (!free_count)
        return -ENOMEM;
    u32 table = space->handle = free_tables[--free_count];
    for (u32 i = 0; i < L1_PAGES; i++)
        protect(table + i * PAGE);
    whole(PV_MMU_PIN_L1, table, L1_PAGES, "a first-level table");
    share_kernel(table);
    return 0;
}

/* Nothing leads to the tables any more once the first of them is let go; each is then empty, and an ordinary page. */
void machine_space_destroy(struct space *space)
{
    static u32 pages[GROUPS];
    u32 count = 0, table = space->handle;
    if (in_use == table)
        tables_use(kernel_table);
    flush();
    for (u32 group = 0; group < GROUPS; group++)
        if (word_at(table + group * GROUP * 4))
            pages[count++] = word_at(table + group * GROUP * 4) & ~(u32)(PAGE - 1);
    whole(PV_MMU_UNPIN, table, 1, "letting a table go");
    for (u32 i = 0; i < L1_PAGES; i++)
        expose(table + i * PAGE);
    for (u32 i = 0; i < count; i++)
        expose(pages[i]);
    flush();
    for (u32 i = 0; i < count; i++)
        page_release(pages[i]);
    free_tables[free_count++] = table;
}

/* Where the entry of a page is; a table is made for it if there is none. 0: no page is left for one. */
static u32 make_slot(u32 table, u32 virtual)
{
    u32 slot = slot_in(table, virtual), page = slot ? 0 : page_take();
    if (slot || !page)
        return slot;
    u32 first = table + virtual / (GROUP * SECTION) * GROUP * 4;
    protect(page);
    for (u32 i = 0; i < GROUP; i++)
        update(first + 4 * i, (page + i * L2_SIZE) | PV_PTE_PRESENT | PV_PTE_USER);
    flush(); /* from here on it can be read there */
    return slot_in(table, virtual);
}

int machine_map(struct space *space, u32 virtual, u32 page, u32 rights)
{
    u32 slot = make_slot(space->handle, virtual);
    if (!slot)
        return -ENOMEM;
    update(slot, page | PV_PTE_PRESENT | (rights & WRITABLE ? PV_PTE_WRITE : 0));
    return 0;
}

void machine_unmap(struct space *space, u32 virtual)
{
    u32 slot = slot_in(space->handle, virtual);
    if (slot && (word_at(slot) || is_waiting(slot)))
        update(slot, 0);
}
