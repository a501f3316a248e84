/* What a process has mapped.

   A region is a range of addresses with one source of pages: a file, or nothing (pages begin empty). Nothing is there until
   it is used: a page is made by the first access (demand paging), be it the process's own, which faults, or the kernel's on
   its behalf. After fork both sides have the same pages without the right to write; who writes first gets a copy. The pages that
   are there stand in a tree of two levels, as in the CPU's own tables. */
#include "kernel.h"

#include "../files/files.h"

enum { COPY_ON_WRITE = 1, MAPPED = 2, LEAF = PAGE / 4, LEAF_SPAN = LEAF * PAGE };

int region_signal;

static u32 refuse(int signal)
{
    region_signal = signal;
    return 0;
}

static u32 page_of(u32 entry) { return entry & ~(u32)(PAGE - 1); }

/* The entry of a page; 0: there is no leaf for it (and none could be made). */
static u32 *entry_of(struct memory *memory, u32 virtual, int make)
{
    u32 **leaf = &memory->leaves[virtual / LEAF_SPAN];
    u32 page = *leaf || !make ? 0 : page_take();
    if (page)
        *leaf = at_physical(page);
    return *leaf ? &(*leaf)[virtual / PAGE % LEAF] : 0;
}

/* Calls `visit` for all pages of a range that are there, until it says that there is an error. */
typedef int visitor(struct memory *memory, struct region *region, u32 virtual, u32 *entry, struct memory *other);
static int each_page(struct memory *memory, struct region *region, visitor *visit, struct memory *other)
{
    int error = 0;
    for (u32 at = region->start; at < region->end && !error; at += PAGE) {
        u32 *leaf = memory->leaves[at / LEAF_SPAN], i = at / PAGE % LEAF;
        if (!leaf)
            at |= LEAF_SPAN - PAGE; /* on to the next one */
        else if (leaf[i])
            error = visit(memory, region, at, &leaf[i], other);
    }
    return error;
}

/* Tells the machine what the process may do with a page. */
static void map_page(struct memory *memory, const struct region *region, u32 virtual, u32 *entry)
{
    u32 rights = *entry & COPY_ON_WRITE ? region->rights & ~(u32)WRITABLE : region->rights;
    machine_map(&memory->space, virtual, page_of(*entry), rights);
    *entry |= MAPPED;
}

/* ---- making pages */

/* The first use of a page: from the file, or empty. A file's page is the file's own until somebody writes it. */
static u32 fill(struct region *region, u32 virtual, u32 *entry)
{
    u32 offset = region->offset + (virtual - region->start), page = 0;
    if (region->inode && offset >= rounded(region->inode->size))
        return refuse(SIGBUS);
    if (region->inode)
        page = inode_page(region->inode, offset, (int)region->shared);
    if (page)
        page_share(page);
    *entry = !region->inode ? page_take() : page && !region->shared ? page | COPY_ON_WRITE : page;
    return *entry ? *entry : refuse(SIGKILL);
}

/* Before the first write: the last user keeps the page, any other gets a copy. */
static u32 make_own(u32 *entry)
{
    u32 page = page_of(*entry);
    if (page_users(page) > 1) {
        u32 own = page_take();
        if (!own)
            return refuse(SIGKILL);
        copy(at_physical(own), at_physical(page), PAGE);
        page_release(page);
        page = own;
    }
    return *entry = page;
}

u32 region_page(struct memory *memory, u32 virtual, u32 access)
{
    virtual = page_of(virtual);
    struct region *region = region_at(memory, virtual);
    if (!region || access & ~region->rights)
        return refuse(SIGSEGV);
    u32 *entry = entry_of(memory, virtual, 1);
    if (!entry)
        return refuse(SIGKILL);
    if (!*entry && !fill(region, virtual, entry))
        return 0;
    if (access & WRITABLE && *entry & COPY_ON_WRITE && !make_own(entry))
        return 0;
    if (!(*entry & MAPPED))
        map_page(memory, region, virtual, entry);
    return page_of(*entry);
}

/* The machine says that an access failed: what we believe to be mapped is mapped anew. */
int region_fault(struct memory *memory, u32 virtual, u32 access)
{
    u32 *entry = region_at(memory, virtual) ? entry_of(memory, virtual, 0) : 0;
    if (entry)
        *entry &= ~(u32)MAPPED;
    return region_page(memory, virtual, access) ? 0 : region_signal;
}

/* ---- the list of regions */

struct region *region_at(struct memory *memory, u32 virtual)
{
    struct region *region = memory->regions;
    while (region && region->end <= virtual)
        region = region->next;
    return region && region->start <= virtual ? region : 0;
}

int region_add(struct memory *memory, struct region like)
{
    struct region *region = take(sizeof *region), **at = &memory->regions;
    if (!region)
        return -ENOMEM;
    while (*at && (*at)->start < like.start)
        at = &(*at)->next;
    *region = like;
    if (like.rights) /* what may be written or executed can be read: no ARM before v6 can tell these apart */
        region->rights |= READABLE;
    if (like.inode)
        inode_hold(like.inode);
    region->next = *at;
    *at = region;
    return 0;
}

/* `gone`: with its space the machine has dropped all mappings, which need not be taken back one by one. */
static int drop_page(struct memory *memory, struct region *region, u32 virtual, u32 *entry, struct memory *gone)
{
    (void)region;
    if (*entry & MAPPED && !gone)
        machine_unmap(&memory->space, virtual);
    page_release(page_of(*entry));
    *entry = 0;
    return 0;
}

static void drop_region(struct memory *memory, struct region **at, struct memory *gone)
{
    struct region *region = *at;
    each_page(memory, region, drop_page, gone);
    if (region->inode)
        inode_release(region->inode);
    *at = region->next;
    give_back(region, sizeof *region);
}

/* Makes `at` a border: a region across it becomes two. */
static int split(struct memory *memory, u32 at)
{
    struct region *lower = region_at(memory, at);
    if (!lower || lower->start == at)
        return 0;
    struct region upper = *lower;
    upper.start = at;
    upper.offset += at - lower->start;
    int error = region_add(memory, upper);
    if (!error)
        lower->end = at;
    return error;
}

int region_remove(struct memory *memory, u32 start, u32 end)
{
    int error = split(memory, start);
    if (!error)
        error = split(memory, end);
    for (struct region **at = &memory->regions; !error && *at && (*at)->start < end;)
        if ((*at)->start >= start)
            drop_region(memory, at, 0);
        else
            at = &(*at)->next;
    return error;
}

/* ---- whole memories */

struct memory *memory_create(void)
{
    struct memory *memory = take(sizeof *memory);
    u32 page = memory ? page_take() : 0;
    if (page && !machine_space_create(&memory->space)) {
        memory->leaves = at_physical(page);
        return memory;
    }
    if (page)
        page_release(page);
    give_back(memory, sizeof *memory);
    return 0;
}

void memory_release(struct memory *memory)
{
    machine_space_destroy(&memory->space);
    while (memory->regions)
        drop_region(memory, &memory->regions, memory);
    for (u32 i = 0; i < LEAF; i++)
        if (memory->leaves[i])
            page_release(physical(memory->leaves[i]));
    page_release(physical(memory->leaves));
    give_back(memory, sizeof *memory);
}

/* One page for the child. Both may only read it from now on, unless it is shared by intent. What a file can give again is
   left to the child's own faults; what was written will be used soon, and is mapped at once. */
static int fork_page(struct memory *memory, struct region *region, u32 virtual, u32 *entry, struct memory *child)
{
    u32 *other = entry_of(child, virtual, 1);
    if (!other)
        return -ENOMEM;
    page_share(page_of(*entry));
    if (!region->shared && !(*entry & COPY_ON_WRITE)) {
        *entry |= COPY_ON_WRITE;
        if (*entry & MAPPED && region->rights & WRITABLE)
            map_page(memory, region, virtual, entry);
    }
    *other = *entry & ~(u32)MAPPED;
    if (region->rights & WRITABLE)
        map_page(child, region, virtual, other);
    return 0;
}

struct memory *memory_fork(struct memory *from)
{
    struct memory *to = memory_create();
    int error = to ? 0 : -ENOMEM;
    for (struct region *region = from->regions; region && !error; region = region->next) {
        error = region_add(to, *region);
        if (!error)
            error = each_page(from, region, fork_page, to);
    }
    if (error && to)
        memory_release(to);
    if (error)
        return 0;
    to->brk_start = from->brk_start;
    to->brk_end = from->brk_end;
    return to;
}
