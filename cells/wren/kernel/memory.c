/* Memory of the kernel: pages of RAM, each with a count of its users, and small pieces of pages.

   A page is shared by processes (copy on write), by a file and those who map it, or belongs to one of them; it is free again
   when its last user lets go of it. Free pages are a list through the pages themselves. A small piece comes from a page that
   is cut into pieces of one size; such a page begins with a header, so that no piece ever lies on a page border and
   `give_back` can tell the two apart. */
#include "kernel.h"

static struct {
    u32 first, count; /* the list of free pages: physical addresses, 0 is its end */
    u32 base, pages;  /* what `users` speaks of */
    u32 *users;
} ram;

static u32 *users_of(u32 page)
{
    u32 index = (page - ram.base) / PAGE;
    if (index >= ram.pages || page % PAGE)
        give_up("a page that is none");
    return &ram.users[index];
}

void memory_add(u32 start, u32 end)
{
    for (u32 page = start; page < end; page += PAGE) {
        *users_of(page) = 1;
        page_release(page);
    }
}

/* The counts come first; all RAM has one, so that what lies before our pages (the initramfs) can be added when it is done
   with. */
void memory_start(void)
{
    u32 start = machine_memory_start(), end = machine_memory_end();
    if (start >= end || (start | end) % PAGE)
        give_up("no memory");
    ram.base = ram_base;
    ram.pages = (end - ram_base) / PAGE;
    ram.users = at_physical(start);
    u32 size = (ram.pages * (u32)sizeof *ram.users + PAGE - 1) & ~(u32)(PAGE - 1);
    if (size >= end - start)
        give_up("no memory");
    clear(ram.users, size);
    memory_add(start + size, end);
}

u32 page_take(void)
{
    u32 page = ram.first;
    if (!page)
        return 0;
    u32 *at = at_physical(page);
    ram.first = *at;
    ram.count--;
    clear(at, PAGE);
    *users_of(page) = 1;
    return page;
}

void page_share(u32 page) { ++*users_of(page); }

void page_release(u32 page)
{
    u32 *users = users_of(page);
    if (!*users)
        give_up("a page was given back twice");
    if (--*users)
        return;
    *(u32 *)at_physical(page) = ram.first;
    ram.first = page;
    ram.count++;
}

u32 page_users(u32 page) { return *users_of(page); }
u32 pages_free(void) { return ram.count; }

/* ---- pieces */

struct header {
    struct header *next, *previous; /* pages of this size that have a free piece */
    struct piece *free;
    u16 used, kind;
};
struct piece {
    struct piece *next;
};
static const u16 sizes[] = {32, 64, 128, 256, 496, 1008, 2032, PAGE - sizeof(struct header)};
enum { KINDS = sizeof sizes / sizeof *sizes };
static struct header *partial[KINDS];

static void link_page(struct header *page)
{
    struct header **list = &partial[page->kind];
    page->previous = 0;
    page->next = *list;
    if (*list)
        (*list)->previous = page;
    *list = page;
}

static void unlink_page(struct header *page)
{
    if (page->next)
        page->next->previous = page->previous;
    if (page->previous)
        page->previous->next = page->next;
    else
        partial[page->kind] = page->next;
}

/* A new page, cut up; the first piece is the first to be taken. */
static struct header *cut_page(u32 kind)
{
    u32 physical_page = page_take();
    if (!physical_page)
        return 0;
    struct header *page = at_physical(physical_page);
    page->kind = (u16)kind;
    struct piece **last = &page->free;
    for (u32 at = sizeof *page; at + sizes[kind] <= PAGE; at += sizes[kind]) {
        *last = (void *)((char *)page + at);
        last = &(*last)->next;
    }
    link_page(page);
    return page;
}

void *take(u32 size)
{
    u32 kind = 0;
    while (kind < KINDS && sizes[kind] < size)
        kind++;
    if (kind == KINDS)
        return 0;
    struct header *page = partial[kind] ? partial[kind] : cut_page(kind);
    if (!page)
        return 0;
    struct piece *piece = page->free;
    page->free = piece->next;
    page->used++;
    if (!page->free)
        unlink_page(page);
    clear(piece, sizes[kind]);
    return piece;
}

void give_back(void *given)
{
    if (!given)
        return;
    struct header *page = (void *)((u32)given & ~(u32)(PAGE - 1));
    struct piece *piece = given;
    if (!page->free)
        link_page(page);
    piece->next = page->free;
    page->free = piece;
    if (--page->used)
        return;
    unlink_page(page);
    page_release(physical(page));
}
