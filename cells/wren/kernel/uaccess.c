/* The one way to a process's memory: its addresses are looked up as the CPU would, page by page, and the page is reached
   where all RAM lies for the kernel. A pointer of a process is only a number here: a bad one, one into the kernel too, ends
   in -EFAULT. */
#include "kernel.h"

enum direction { FROM_USER, TO_USER };

/* Without memory there is no use in going on: as if the process itself had touched the page. */
static int failed(void)
{
    if (region_error.status == SIGKILL && current)
        signal_send(current, SIGKILL);
    return -EFAULT;
}

/* What can be reached without a break from this address on; 0: nothing. */
static u8 *reach(struct memory *memory, u32 address, enum direction direction, u32 *size)
{
    u32 page = region_page(memory, address, direction == TO_USER ? WRITABLE : READABLE);
    if (!page)
        return 0;
    u32 offset = address % PAGE;
    if (*size > PAGE - offset)
        *size = PAGE - offset;
    return (u8 *)at_physical(page) + offset;
}

/* How many bytes went: fewer than `size` if the process has nothing there. */
static u32 transfer(struct memory *memory, u8 *kernel, u32 user, u32 size, enum direction direction)
{
    u32 done = 0;
    while (done < size && user + done >= user) {
        u32 part = size - done;
        u8 *at = reach(memory, user + done, direction, &part);
        if (!at) {
            failed();
            break;
        }
        if (direction == TO_USER)
            copy(at, kernel + done, part);
        else
            copy(kernel + done, at, part);
        done += part;
    }
    return done;
}

u32 copy_in_part(void *to, u32 from, u32 size) { return transfer(current->memory, to, from, size, FROM_USER); }

/* The kernel's side is only read: the cast takes away a promise that `transfer` keeps. */
u32 copy_out_part(u32 to, const void *from, u32 size) { return transfer(current->memory, (u8 *)(u32)from, to, size, TO_USER); }

int copy_in(void *to, u32 from, u32 size) { return copy_in_part(to, from, size) == size ? 0 : -EFAULT; }
int copy_out(u32 to, const void *from, u32 size) { return copy_out_part(to, from, size) == size ? 0 : -EFAULT; }

int memory_write(struct memory *memory, u32 to, const void *from, u32 size)
{
    return transfer(memory, (u8 *)(u32)from, to, size, TO_USER) == size ? 0 : -EFAULT;
}

int copy_string(char *to, u32 from, u32 limit)
{
    for (u32 done = 0; done < limit;) {
        u32 part = limit - done;
        const u8 *at = reach(current->memory, from + done, FROM_USER, &part);
        if (!at)
            return failed();
        for (; part--; done++)
            if (!(to[done] = (char)*at++))
                return (int)done;
    }
    return -ENAMETOOLONG;
}
