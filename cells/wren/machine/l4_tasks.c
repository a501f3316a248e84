/* Processes as tasks of the microkernel: their address spaces are filled by map items of messages, and emptied by unmap.

   A page that a process lacks goes to it with the message that lets it run again, so that a page fault is two messages and no call
   beside. Pages taken back are collected as one range, since they usually are one. */
#include "l4.h"

#include "../kernel/errno.h"
#include "guest.h"

struct item {
    u32 destination, source; /* with L4_MAP_ITEM, with rights */
};

static u32 signal_page; /* physical: the code of all signal threads */
static struct {
    u32 task, count;
    struct item items[L4_ITEMS_LIMIT];
} wanted;
static struct {
    u32 task, start, pages;
} unwanted;

u32 l4_thread(u32 task, u32 index) { return task << 4 | index; }

u32 tasks_reserve(u32 end) { return links_reserve(end, 1); }

void tasks_start(void)
{
    u32 *page = (u32 *)take_pages(1);
    for (u32 i = 0; l4_signal_begin + i < l4_signal_end; i++)
        page[i] = l4_signal_begin[i];
    signal_page = physical(page);
}

/* ---- changes on their way */

static struct item item(u32 virtual, u32 page, u32 rights)
{
    u32 may = rights & WRITABLE ? L4_READ | L4_WRITE : L4_READ;
    return (struct item){virtual | L4_MAP_ITEM, (u32)at_physical(page) | may};
}

static void put_items(u32 *at)
{
    for (u32 i = 0; i < wanted.count; i++, at += 2)
        at[0] = wanted.items[i].destination, at[1] = wanted.items[i].source;
}

u32 tasks_items(u32 task, u32 *items)
{
    if (wanted.task != task)
        return 0;
    put_items(items);
    u32 count = wanted.count;
    wanted.count = 0;
    return count;
}

static int map_now(void)
{
    if (!wanted.count)
        return 0;
    l4_utcb[0] = 2 * wanted.count << 6 | L4_LABEL_USER << 16;
    put_items(l4_utcb + 1);
    wanted.count = 0;
    return l4_call_map(wanted.task) == STATUS_NO_ROOM ? -ENOMEM : 0;
}

static void unmap_now(void)
{
    if (unwanted.pages)
        l4_call_unmap(unwanted.task, unwanted.start, unwanted.pages, L4_READ);
    unwanted.pages = 0;
}

void tasks_settle(u32 task)
{
    unmap_now();
    if (wanted.task != task)
        map_now(); /* who finds no room for its tables faults later, and is told then */
}

/* ---- address spaces */

/* A task's signal thread begins, and says that it is there. */
static void start_signal_thread(u32 task)
{
    u32 thread = l4_thread(task, L4_INDEX_SIGNAL);
    int status = l4_call_exchange(thread, L4_SIGNAL_PAGE, l4_thread(task, L4_INDEX_MAIN), L4_EXCHANGE_START);
    if (status >= 0)
        status = l4_call_ipc(L4_NIL, thread, L4_FOREVER);
    if (status < 0)
        l4_refused(status, "a signal thread");
}

int machine_space_create(struct space *space)
{
    int task = l4_call_task_new();
    if (task < 0)
        return -ENOMEM;
    space->handle = (u32)task;
    if (machine_map(space, L4_SIGNAL_PAGE, signal_page, READABLE | EXECUTABLE) || map_now()) {
        machine_space_destroy(space);
        return -ENOMEM;
    }
    start_signal_thread(space->handle);
    return 0;
}

void machine_space_destroy(struct space *space)
{
    if (wanted.task == space->handle)
        wanted.count = 0;
    if (unwanted.task == space->handle)
        unwanted.pages = 0;
    l4_call_task_delete(space->handle);
}

int machine_map(struct space *space, u32 virtual, u32 page, u32 rights)
{
    int status = 0;
    if (unwanted.task == space->handle && virtual - unwanted.start < unwanted.pages * PAGE)
        unmap_now();
    if (wanted.task != space->handle || wanted.count == L4_ITEMS_LIMIT)
        status = map_now();
    u32 at = 0;
    while (at < wanted.count && wanted.items[at].destination != (virtual | L4_MAP_ITEM))
        at++;
    wanted.items[at] = item(virtual, page, rights);
    wanted.count += at == wanted.count;
    wanted.task = space->handle;
    machine_counts.table_updates++;
    return status;
}

/* What was not mapped yet need not be; it may have replaced something that was. */
static void forget(u32 virtual)
{
    for (u32 i = 0; i < wanted.count; i++)
        if (wanted.items[i].destination == (virtual | L4_MAP_ITEM))
            wanted.items[i--] = wanted.items[--wanted.count];
}

static int extends(u32 virtual)
{
    if (virtual == unwanted.start + unwanted.pages * PAGE)
        return 1;
    if (virtual + PAGE != unwanted.start)
        return 0;
    unwanted.start = virtual;
    return 1;
}

void machine_unmap(struct space *space, u32 virtual)
{
    if (wanted.task == space->handle)
        forget(virtual);
    machine_counts.table_updates++;
    if (unwanted.pages && unwanted.pages < L4_UNMAP_LIMIT && unwanted.task == space->handle && extends(virtual)) {
        unwanted.pages++;
        return;
    }
    unmap_now();
    unwanted.task = space->handle;
    unwanted.start = virtual;
    unwanted.pages = 1;
}
