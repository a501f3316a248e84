/* Memory of the kernel: pages of RAM, each with a count of its users.

   A page is shared by processes (copy on write), by a file and those who map it, or belongs to one of them; it is free again
   when its last user lets go of it. Free pages are a list through the pages themselves. Whatever is smaller than a page stands
   in a table of fixed size: who finds that full gets an error. */
#include "kernel.h"

static struct {
    u32 first;       /* the list of free pages: physical addresses, 0 is its end */
    u32 base, pages; /* what `users` speaks of */
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
    ram.base = ram_base;
    ram.pages = (end - ram_base) / PAGE;
    ram.users = at_physical(start);
    u32 size = rounded(ram.pages * (u32)sizeof *ram.users);
    if (start >= end || (start | end) % PAGE || size >= end - start)
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
}

u32 page_users(u32 page) { return *users_of(page); }
