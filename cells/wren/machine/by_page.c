/* Time, characters, figures and the end, by calls that every architecture has in its hypercall page. */
#include "by_page.h"

#include "../kernel/kernel.h"
#include "guest.h"

enum { DATA_MOST = 1024 }; /* bytes that go with a call */
#define BILLION 1000000000u

u32 machine_memory_start(void)
{
    u32 start = info.initrd_size ? info.initrd_base + info.initrd_size : physical(image_end);
    return (start + PAGE - 1) & ~(u32)(PAGE - 1);
}

void machine_stop(u32 status)
{
    for (;;)
        hypercall(HYPERCALL_SHUTDOWN, status, 0, 0);
}

/* ---- time */

u64 machine_time(void)
{
    u32 rest;
    u64 seconds = divide(hypercall(HYPERCALL_TIME, 0, 0, 0), info.hz_low, &rest);
    return seconds * BILLION + divide((u64)rest * BILLION, info.hz_low, 0);
}

u64 cycles_at(u64 time)
{
    u32 rest;
    if (time == NEVER)
        return NEVER;
    u64 seconds = divide(time, BILLION, &rest);
    return seconds * info.hz_low + divide((u64)rest * info.hz_low, BILLION, 0) + 1;
}

/* ---- characters and figures */

void machine_console_write(const char *text, u32 size)
{
    for (u32 part; size; size -= part, text += part) {
        part = size < DATA_MOST ? size : DATA_MOST;
        hypercall_with(HYPERCALL_CONSOLE_WRITE, 0, 0, 0, text, part);
    }
}

int machine_console_read(void)
{
    static u8 typed[64];
    static u32 next, count;
    if (next == count) {
        next = 0;
        count = (u32)hypercall(HYPERCALL_CONSOLE_READ, sizeof typed, 0, 0);
        answer(typed, count);
    }
    return next < count ? typed[next++] : -1;
}

void machine_report(const char *name, u32 value) { hypercall_with(HYPERCALL_REPORT, 0, value, 0, name, length(name)); }
