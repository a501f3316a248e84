/* Address spaces by tables of our own: the microvisor walks them when it has not got a page in its virtual TLB, and remembers.

   So an entry is a plain store. What is new, or allowed besides, is found at the next fault; of what was taken away the microvisor is
   told before a process runs again, page by page or, if that is much, the space as a whole. The first level lies in pages side by
   side, which are set apart at the beginning; a page holds four tables of the second level, for 4 MiB. */
#include "okl4.h"

#include "../kernel/errno.h"
#include "../kernel/kernel.h"

enum { SECTION = 1 << 20, GROUP = 4, GROUPS = OKL4_ROOT_SIZE / 4 / GROUP };
enum { SHARE = 8, FEW = 8 }; /* SHARE: at most this part of memory is for roots. FEW: so many pages are told of one by one */

static u32 free_roots[PROCESSES + 2], free_count;
static struct {
    u32 root, count, pages[FEW]; /* count: may be more than FEW */
} changed;

static u32 *words(u32 table) { return at_physical(table); }

u32 tables_reserve(u32 end)
{
    u32 room = (end - ram_base) / SHARE / OKL4_ROOT_SIZE, most = sizeof free_roots / sizeof *free_roots;
    end &= ~(u32)(PAGE - 1);
    while (free_count < most && free_count < room) {
        end -= OKL4_ROOT_SIZE;
        free_roots[free_count++] = end;
    }
    return end;
}

void tables_settle(void)
{
    if (changed.count > FEW)
        forget_space(changed.root);
    else
        for (u32 i = 0; i < changed.count; i++)
            okl4_flush_page(changed.root, changed.pages[i]);
    changed.count = 0;
}

static void note_change(u32 root, u32 virtual)
{
    if (changed.root != root)
        tables_settle();
    changed.root = root;
    if (changed.count < FEW)
        changed.pages[changed.count] = virtual;
    if (changed.count <= FEW)
        changed.count++;
}

/* ---- spaces */

int machine_space_create(struct space *space)
{
    if (!free_count)
        return -ENOMEM;
    space->handle = free_roots[--free_count];
    clear(words(space->handle), OKL4_ROOT_SIZE);
    return 0;
}

void machine_space_destroy(struct space *space)
{
    u32 *root = words(space->handle);
    tables_settle();
    forget_space(space->handle);
    for (u32 group = 0; group < GROUPS; group++)
        if (root[group * GROUP])
            page_release(root[group * GROUP] & ~(u32)(PAGE - 1));
    free_roots[free_count++] = space->handle;
}

/* ---- pages */

/* The entry of a page; 0: there is no table for it. */
static u32 *slot_in(u32 root, u32 virtual)
{
    u32 upper = words(root)[virtual / SECTION];
    return upper ? words(upper & ~(u32)(PAGE / GROUP - 1)) + virtual % SECTION / PAGE : 0;
}

static u32 *make_slot(u32 root, u32 virtual)
{
    u32 *slot = slot_in(root, virtual), page = slot ? 0 : page_take();
    if (slot || !page)
        return slot;
    u32 *first = words(root) + virtual / SECTION / GROUP * GROUP;
    for (u32 i = 0; i < GROUP; i++)
        first[i] = (page + i * (PAGE / GROUP)) | OKL4_PTE_PRESENT;
    machine_counts.table_updates += GROUP;
    return slot_in(root, virtual);
}

/* Whether a TLB that knows `before` may go on believing it when the table says `now`. */
static int still_holds(u32 before, u32 now) { return (before & now) == before && (before ^ now) < PAGE; }

static void change(u32 root, u32 virtual, u32 *slot, u32 now)
{
    u32 before = *slot;
    *slot = now;
    machine_counts.table_updates++;
    if (before && !still_holds(before, now))
        note_change(root, virtual);
}

int machine_map(struct space *space, u32 virtual, u32 page, u32 rights)
{
    u32 *slot = make_slot(space->handle, virtual);
    if (!slot)
        return -ENOMEM;
    change(space->handle, virtual, slot, page | OKL4_PTE_PRESENT | (rights & WRITABLE ? OKL4_PTE_WRITE : 0));
    return 0;
}

void machine_unmap(struct space *space, u32 virtual)
{
    u32 *slot = slot_in(space->handle, virtual);
    if (slot && *slot)
        change(space->handle, virtual, slot, 0);
}
