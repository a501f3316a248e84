/* What a process has mapped, page by page.

   A region is a range of addresses with one source of pages: a file, or nothing (pages begin empty). Nothing is there until
   it is used: a page is made by the first access (demand paging), be it the process's own, which faults, or the kernel's on
   its behalf. After fork both sides have the same pages without the right to write; who writes first gets a copy. */
#include "kernel.h"

enum { COPY_ON_WRITE = 1, MAPPED = 2, LEAF = PAGE / 4, LEAVES = REGION_LIMIT / PAGE / LEAF, REGIONS = 512 };
enum { MAPERR = 1, ACCERR = 2, ADRERR = 2 }; /* codes of SIGSEGV and SIGBUS */

struct signal_cause region_error;

static u32 refuse(int signal, int code, u32 address)
{
    region_error = (struct signal_cause){code, address, (u32)signal};
    return 0;
}

struct region *region_at(struct memory *memory, u32 virtual)
{
    struct region *region = memory->regions;
    while (region && region->end <= virtual)
        region = region->next;
    return region && region->start <= virtual ? region : 0;
}

/* The entry of a page; 0: there is no leaf for it (and none could be made). */
static u32 *entry_of(struct region *region, u32 virtual, int make)
{
    u32 index = (virtual - region->start) / PAGE;
    u32 **leaf = &region->pages[index / LEAF];
    if (!*leaf && make) {
        u32 page = page_take();
        *leaf = page ? at_physical(page) : 0;
    }
    return *leaf ? &(*leaf)[index % LEAF] : 0;
}

/* Calls `visit` for all pages of a region that are there. */
typedef int (*visitor)(struct memory *memory, struct region *region, u32 virtual, u32 *entry, void *context);
static int each_page(struct memory *memory, struct region *region, visitor visit, void *context)
{
    u32 count = (region->end - region->start) / PAGE;
    for (u32 first = 0; first < count; first += LEAF) {
        u32 *leaf = region->pages[first / LEAF], rest = count - first < LEAF ? count - first : LEAF;
        for (u32 i = 0; leaf && i < rest; i++) {
            int error = leaf[i] ? visit(memory, region, region->start + (first + i) * PAGE, &leaf[i], context) : 0;
            if (error)
                return error;
        }
    }
    return 0;
}

static int map_page(struct memory *memory, struct region *region, u32 virtual, u32 *entry, void *context)
{
    u32 rights = *entry & COPY_ON_WRITE ? region->rights & ~(u32)WRITABLE : region->rights;
    (void)context;
    if (rights)
        machine_map(&memory->space, virtual, *entry & ~(u32)(PAGE - 1), rights);
    else if (*entry & MAPPED)
        machine_unmap(&memory->space, virtual);
    *entry = rights ? *entry | MAPPED : *entry & ~(u32)MAPPED;
    return 0;
}

/* ---- making pages */

/* The first use of a page: from the file, or empty. A file's page is the file's own until somebody writes it. */
static u32 fill(struct region *region, u32 virtual, u32 *entry)
{
    u32 page = 0;
    if (region->inode) {
        u32 offset = region->offset + (virtual - region->start);
        if (offset >= rounded(region->inode->size))
            return refuse(SIGBUS, ADRERR, virtual);
        page = inode_page(region->inode, offset / PAGE, (int)region->shared);
        if (page) {
            page_share(page);
            *entry = page | (region->shared ? 0 : COPY_ON_WRITE);
            return page;
        }
    }
    if (!region->shared || !region->inode)
        page = *entry = page_take();
    return page ? page : refuse(SIGKILL, 0, virtual);
}

/* Before the first write: the last user keeps the page, any other gets a copy. */
static u32 make_own(u32 virtual, u32 *entry)
{
    u32 page = *entry & ~(u32)(PAGE - 1);
    if (page_users(page) > 1) {
        u32 own = page_take();
        if (!own)
            return refuse(SIGKILL, 0, virtual);
        copy(at_physical(own), at_physical(page), PAGE);
        page_release(page);
        page = own;
    }
    *entry = page;
    return page;
}

u32 region_page(struct memory *memory, u32 virtual, u32 access)
{
    virtual &= ~(u32)(PAGE - 1);
    struct region *region = region_at(memory, virtual);
    if (!region)
        return refuse(SIGSEGV, MAPERR, virtual);
    if (access & ~region->rights)
        return refuse(SIGSEGV, ACCERR, virtual);
    u32 *entry = entry_of(region, virtual, 1);
    if (!entry)
        return refuse(SIGKILL, 0, virtual);
    if (!*entry && !fill(region, virtual, entry))
        return 0;
    if (access & WRITABLE && *entry & COPY_ON_WRITE && !make_own(virtual, entry))
        return 0;
    if (!(*entry & MAPPED))
        map_page(memory, region, virtual, entry, 0);
    return *entry & ~(u32)(PAGE - 1);
}

/* The machine says that an access failed: what we believe to be mapped is mapped anew. */
int region_fault(struct memory *memory, u32 virtual, u32 access)
{
    struct region *region = region_at(memory, virtual);
    u32 *entry = region ? entry_of(region, virtual, 0) : 0;
    if (entry)
        *entry &= ~(u32)MAPPED;
    return region_page(memory, virtual, access) ? 0 : (int)region_error.status;
}

/* ---- the list of regions */

static struct region *region_new(struct memory *memory, const struct region *like)
{
    struct region *region = memory->region_count < REGIONS ? take(sizeof *region) : 0;
    if (!region)
        return 0;
    *region = *like;
    clear(region->pages, sizeof region->pages);
    if (region->inode)
        inode_hold(region->inode);
    struct region **at = &memory->regions;
    while (*at && (*at)->start < region->start)
        at = &(*at)->next;
    region->next = *at;
    *at = region;
    memory->region_count++;
    return region;
}

/* What may be written or executed can be read: no ARM before v6 can tell these apart. */
static u32 known_rights(u32 rights) { return rights & (WRITABLE | EXECUTABLE) ? rights | READABLE : rights; }

int region_add(struct memory *memory, u32 start, u32 end, u32 rights, struct inode *inode, u32 offset, int shared)
{
    struct region like = {.start = start, .end = end, .offset = offset, .inode = inode, .shared = (u32)shared};
    like.rights = known_rights(rights);
    if (end <= start || end - start > REGION_LIMIT)
        return -ENOMEM;
    return region_new(memory, &like) ? 0 : -ENOMEM;
}

/* `context` is not 0 if the machine has dropped all mappings with the space: no need to take them back one by one. */
static int drop_page(struct memory *memory, struct region *region, u32 virtual, u32 *entry, void *context)
{
    (void)region;
    if (*entry & MAPPED && !context)
        machine_unmap(&memory->space, virtual);
    page_release(*entry & ~(u32)(PAGE - 1));
    *entry = 0;
    return 0;
}

static void drop_leaves(struct region *region)
{
    for (u32 i = 0; i < LEAVES; i++)
        if (region->pages[i])
            page_release(physical(region->pages[i]));
}

static void drop_region(struct memory *memory, struct region **at, struct memory *gone)
{
    struct region *region = *at;
    each_page(memory, region, drop_page, gone);
    drop_leaves(region);
    if (region->inode)
        inode_release(region->inode);
    *at = region->next;
    memory->region_count--;
    give_back(region);
}

static int move_page(struct memory *memory, struct region *region, u32 virtual, u32 *entry, void *context)
{
    struct region *upper = context;
    (void)memory, (void)region;
    if (virtual < upper->start)
        return 0;
    u32 *to = entry_of(upper, virtual, 1);
    if (!to)
        return -ENOMEM;
    *to = *entry;
    return 0;
}

static int forget_page(struct memory *memory, struct region *region, u32 virtual, u32 *entry, void *context)
{
    (void)memory, (void)region;
    if (virtual >= *(u32 *)context)
        *entry = 0;
    return 0;
}

/* Makes `at` a border: a region across it becomes two. If there is no room for the second one, all is as it was. */
static int split(struct memory *memory, u32 at)
{
    struct region *lower = region_at(memory, at), *upper;
    if (!lower || lower->start == at)
        return 0;
    struct region like = *lower;
    like.start = at;
    like.offset += at - lower->start;
    upper = region_new(memory, &like);
    if (!upper)
        return -ENOMEM;
    int error = each_page(memory, lower, move_page, upper);
    if (error) { /* nothing in it is its own yet */
        u32 nothing = 0;
        each_page(memory, upper, forget_page, &nothing);
        drop_region(memory, &lower->next, 0);
        return error;
    }
    each_page(memory, lower, forget_page, &at);
    lower->end = at;
    return 0;
}

static int split_both(struct memory *memory, u32 start, u32 end)
{
    int error = split(memory, start);
    return error ? error : split(memory, end);
}

int region_remove(struct memory *memory, u32 start, u32 end)
{
    int error = split_both(memory, start, end);
    for (struct region **at = &memory->regions; !error && *at && (*at)->start < end;)
        if ((*at)->start >= start)
            drop_region(memory, at, 0);
        else
            at = &(*at)->next;
    return error;
}

/* All of it has to be mapped, and nothing is changed if anything is wrong. */
int region_protect(struct memory *memory, u32 start, u32 end, u32 rights)
{
    u32 at = start;
    for (struct region *region; at < end; at = region->end) {
        if (!(region = region_at(memory, at)))
            return -ENOMEM;
        if (rights & WRITABLE && region->shared & NEVER_WRITE)
            return -EACCES;
    }
    int error = split_both(memory, start, end);
    for (struct region *region = memory->regions; region && !error; region = region->next)
        if (region->start >= start && region->end <= end) {
            region->rights = known_rights(rights);
            each_page(memory, region, map_page, 0);
        }
    return error;
}

/* ---- whole memories */

struct memory *memory_create(void)
{
    struct memory *memory = take(sizeof *memory);
    if (!memory)
        return 0;
    memory->users = 1;
    if (!machine_space_create(&memory->space))
        return memory;
    give_back(memory);
    return 0;
}

void memory_release(struct memory *memory)
{
    if (--memory->users)
        return;
    machine_space_destroy(&memory->space);
    while (memory->regions)
        drop_region(memory, &memory->regions, memory);
    give_back(memory);
}

/* One page for the child. Both may only read it from now on, unless it is shared by intent. What a file can give again is
   left to the child's own faults; what was written will be used soon, and is mapped at once. */
struct fork {
    struct memory *memory;
    struct region *region;
};
static int fork_page(struct memory *memory, struct region *region, u32 virtual, u32 *entry, void *context)
{
    struct fork *to = context;
    u32 *other = entry_of(to->region, virtual, 1);
    if (!other)
        return -ENOMEM;
    page_share(*entry & ~(u32)(PAGE - 1));
    if (!region->shared && !(*entry & COPY_ON_WRITE)) {
        *entry |= COPY_ON_WRITE;
        if (*entry & MAPPED && region->rights & WRITABLE)
            map_page(memory, region, virtual, entry, 0);
    }
    *other = *entry & ~(u32)MAPPED;
    if (region->rights & WRITABLE)
        map_page(to->memory, to->region, virtual, other, 0);
    return 0;
}

struct memory *memory_fork(struct memory *from)
{
    struct memory *to = memory_create();
    if (!to)
        return 0;
    to->brk_start = from->brk_start;
    to->brk_end = from->brk_end;
    for (struct region *region = from->regions; region; region = region->next) {
        struct fork fork = {to, region_new(to, region)};
        if (!fork.region || each_page(from, region, fork_page, &fork)) {
            memory_release(to);
            return 0;
        }
    }
    return to;
}
