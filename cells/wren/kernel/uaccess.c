/* The one way to a process's memory: its addresses are looked up as the CPU would, page by page, and the page is reached
   where all RAM lies for the kernel. A pointer of a process is only a number here: a bad one, one into the kernel too, ends
   in -EFAULT. */
#include "kernel.h"

/* What can be reached without a break from this address on; 0: nothing. Without memory there is no use in going on: as if the
   process itself had touched the page. */
static u8 *reach(u32 address, u32 access, u32 *size)
{
    u32 page, offset = address % PAGE;
    int signal = page_reach(current->memory, address, access, &page);
    if (signal == SIGKILL)
        signal_send(current, SIGKILL);
    *size = smaller(*size, PAGE - offset);
    return signal ? 0 : (u8 *)at_physical(page) + offset;
}

static int transfer(u8 *kernel, u32 user, u32 size, u32 access)
{
    for (u32 part; size; kernel += part, user += part, size -= part) {
        part = size;
        u8 *at = reach(user, access, &part);
        if (!at)
            return -EFAULT;
        if (access == WRITABLE)
            copy(at, kernel, part);
        else
            copy(kernel, at, part);
    }
    return 0;
}

int copy_in(void *to, u32 from, u32 size) { return transfer(to, from, size, READABLE); }

/* The kernel's side is only read: the cast takes away a promise that `transfer` keeps. */
int copy_out(u32 to, const void *from, u32 size) { return transfer((u8 *)(u32)from, to, size, WRITABLE); }

int copy_string(char *to, u32 from, u32 limit)
{
    for (u32 done = 0; done < limit; done++) {
        if (copy_in(to + done, from + done, 1))
            return -EFAULT;
        if (!to[done])
            return (int)done;
    }
    return -ENAMETOOLONG;
}
