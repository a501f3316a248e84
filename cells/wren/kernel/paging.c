/* The memory of a process, page by page.

   For each page that it may touch there is an entry in a tree of two levels, as in the CPU's own tables: what it may do with it,
   and which page of RAM it is. Empty pages are made by the first access (demand paging), be it the process's own, which faults,
   or the kernel's on its behalf; pages of files are the files' own until somebody writes. The machine learns of each by the first
   access, too. After fork both sides have the same pages without the right to write; who writes first gets a copy. */
#include "kernel.h"

enum { COPY_ON_WRITE = 16, MAPPED = 32, OURS = 64 }; /* beside rights and SHARED. OURS: so that no entry in use is 0 */

_Static_assert(sizeof(struct memory) <= PAGE, "a process's memory is described by one page");

static u32 page_of(u32 entry) { return entry & ~(u32)(PAGE - 1); }

/* The entry for an address below USER_END; 0: there is no leaf for it (and none could be made). */
static u32 *entry_of(struct memory *memory, u32 virtual, int make)
{
    u32 **leaf = &memory->leaves[virtual / LEAF_SPAN];
    u32 page = *leaf || !make ? 0 : page_take();
    if (page)
        *leaf = at_physical(page);
    return *leaf ? &(*leaf)[virtual / PAGE % LEAF] : 0;
}

u32 *range_next(struct memory *memory, u32 *at, u32 end)
{
    for (; *at < end; *at += PAGE) {
        u32 *leaf = memory->leaves[*at / LEAF_SPAN], i = *at / PAGE % LEAF;
        if (!leaf)
            *at |= LEAF_SPAN - PAGE; /* on to the next one */
        else if (leaf[i])
            return &leaf[i];
    }
    return 0;
}

/* Tells the machine what the process may do with a page. */
static void map_page(struct memory *memory, u32 virtual, u32 *entry)
{
    u32 rights = *entry & RIGHTS & ~(u32)(*entry & COPY_ON_WRITE ? WRITABLE : 0);
    machine_map(&memory->space, page_of(virtual), page_of(*entry), rights);
    *entry |= MAPPED;
}

/* ---- an access */

/* Before the first write: the last user keeps the page, any other gets a copy. 0: there is no room for it. */
static int make_own(u32 *entry)
{
    u32 page = page_of(*entry), own = page_users(page) > 1 ? page_take() : page;
    if (own && own != page) {
        copy(at_physical(own), at_physical(page), PAGE);
        page_release(page);
    }
    if (own)
        *entry = own | (*entry & (RIGHTS | OURS));
    return own != 0;
}

int page_reach(struct memory *memory, u32 virtual, u32 access, u32 *page)
{
    u32 *entry = virtual < USER_END ? entry_of(memory, virtual, 0) : 0;
    if (!entry || access & ~*entry)
        return SIGSEGV;
    if (!page_of(*entry))
        *entry |= page_take();
    if (!page_of(*entry) || (access & WRITABLE && *entry & COPY_ON_WRITE && !make_own(entry)))
        return SIGKILL;
    if (!(*entry & MAPPED))
        map_page(memory, virtual, entry);
    *page = page_of(*entry);
    return 0;
}

/* What we believe to be mapped is mapped anew. Up to ARMv5 the CPU does not say if the access was a write; but what is mapped
   can be read, so that then it was one. */
int page_fault(struct memory *memory, u32 virtual, u32 access)
{
    u32 page, *entry = virtual < USER_END ? entry_of(memory, virtual, 0) : 0;
    if (!access)
        access = entry && *entry & MAPPED ? WRITABLE : READABLE;
    if (entry && !(access & ~*entry)) /* forbidden: as it was */
        *entry &= ~(u32)MAPPED;
    return page_reach(memory, virtual, access, &page);
}

/* ---- ranges of whole pages */

/* What may be written or executed can be read: no ARM before v6 can tell these apart. Shared pages have to be there before a
   fork. */
int range_add(struct memory *memory, u32 start, u32 end, u32 flags)
{
    int error = 0;
    for (u32 at = start; at < end && !error; at += PAGE) {
        u32 *entry = entry_of(memory, at, 1), page = entry && flags & SHARED ? page_take() : 0;
        if (entry)
            *entry = page | flags | OURS | (flags & RIGHTS ? READABLE : 0);
        error = entry && (page || !(flags & SHARED)) ? 0 : -ENOMEM;
    }
    if (error)
        range_remove(memory, start, end);
    return error;
}

/* The file's own page, until somebody writes; of its last bytes there is a copy, with nothing behind them. */
int range_add_file(struct memory *memory, u32 start, u32 end, u32 rights, struct inode *inode, u32 offset, u32 size)
{
    int error = range_add(memory, start, end, rights);
    for (u32 at = 0; at < size && start + at < end && !error; at += PAGE) {
        u32 page = inode_page(inode, offset + at), own = page && size - at < PAGE ? page_take() : 0;
        if (own)
            copy(at_physical(own), at_physical(page), size - at);
        else if (page && size - at >= PAGE)
            page_share(page), own = page | COPY_ON_WRITE;
        else
            error = -ENOMEM;
        *entry_of(memory, start + at, 0) |= own;
    }
    if (error)
        range_remove(memory, start, end);
    return error;
}

void range_remove(struct memory *memory, u32 start, u32 end)
{
    u32 *entry;
    for (u32 at = start; (entry = range_next(memory, &at, end)); at += PAGE) {
        if (*entry & MAPPED)
            machine_unmap(&memory->space, at);
        if (page_of(*entry))
            page_release(page_of(*entry));
        *entry = 0;
    }
}

/* ---- whole memories */

struct memory *memory_create(void)
{
    u32 page = page_take();
    struct memory *memory = page ? at_physical(page) : 0;
    if (!memory || !machine_space_create(&memory->space))
        return memory;
    page_release(page);
    return 0;
}

/* With its space the machine has dropped all mappings, which need not be taken back one by one. */
void memory_release(struct memory *memory)
{
    machine_space_destroy(&memory->space);
    for (u32 number = 0; number < LEAVES; number++) {
        u32 *leaf = memory->leaves[number];
        for (u32 i = 0; leaf && i < LEAF; i++)
            if (page_of(leaf[i]))
                page_release(page_of(leaf[i]));
        if (leaf)
            page_release(physical(leaf));
    }
    page_release(physical(memory));
}

/* One page for the child. Both may only read it from now on, unless it is shared by intent. What its parent uses and may write,
   the child will use soon: it is mapped at once. */
static void fork_page(struct memory *from, u32 virtual, u32 *entry, struct memory *to, u32 *other)
{
    u32 in_use = *entry & MAPPED && *entry & WRITABLE;
    page_share(page_of(*entry));
    if (!(*entry & (SHARED | COPY_ON_WRITE))) {
        *entry |= COPY_ON_WRITE;
        if (in_use)
            map_page(from, virtual, entry);
    }
    *other = *entry & ~(u32)MAPPED;
    if (in_use)
        map_page(to, virtual, other);
}

struct memory *memory_fork(struct memory *from)
{
    struct memory *to = memory_create();
    for (u32 number = 0; to && number < LEAVES; number++) {
        u32 *leaf = from->leaves[number], page = leaf ? page_take() : 0, *other = page ? at_physical(page) : 0;
        if (leaf && !page) {
            memory_release(to);
            return 0;
        }
        to->leaves[number] = other;
        for (u32 i = 0; leaf && i < LEAF; i++)
            if (page_of(leaf[i]))
                fork_page(from, number * LEAF_SPAN + i * PAGE, &leaf[i], to, &other[i]);
            else
                other[i] = leaf[i];
    }
    if (to)
        to->brk_start = from->brk_start, to->brk_end = from->brk_end;
    return to;
}
