/* Calls to the monitor: three stores for the arguments, one for the number, which is when the call happens. */
#include "guest.h"

u64 hypercall(u32 number, u32 a1, u32 a2, u32 a3)
{
    u32 page = info.hypercall_base;
    store(page + HYPERCALL_PAGE_ARG1, a1);
    store(page + HYPERCALL_PAGE_ARG2, a2);
    store(page + HYPERCALL_PAGE_ARG3, a3);
    store(page + HYPERCALL_PAGE_NUMBER, number);
    u32 low = load(page + HYPERCALL_PAGE_RESULT);
    return (u64)load(page + HYPERCALL_PAGE_RESULT_HIGH) << 32 | low;
}

u64 hypercall_with(u32 number, u32 a1, u64 a2, u32 a3, const void *data, u32 length)
{
    const unsigned char *bytes = data;
    u32 page = info.hypercall_base, at = page + HYPERCALL_PAGE_DATA;
    for (u32 i = 0; i < length && i < HYPERCALL_DATA_LIMIT; i++)
        *(volatile unsigned char *)(at + i) = bytes[i];
    store(page + HYPERCALL_PAGE_LENGTH, length);
    store(page + HYPERCALL_PAGE_ARG2_HIGH, (u32)(a2 >> 32));
    return hypercall(number, a1, (u32)a2, a3);
}

u32 answer(void *to, u32 limit)
{
    unsigned char *bytes = to;
    u32 page = info.hypercall_base, length = load(page + HYPERCALL_PAGE_LENGTH);
    for (u32 i = 0; i < length && i < limit; i++)
        bytes[i] = *(volatile unsigned char *)(page + HYPERCALL_PAGE_DATA + i);
    return length;
}

void heartbeat(void) { hypercall(HYPERCALL_HEARTBEAT, 0, 0, 0); }

void report(u32 metric, u32 value) { hypercall(HYPERCALL_REPORT, metric, value, 0); }

void shutdown(u32 status)
{
    mask_interrupts();
    for (;;)
        hypercall(HYPERCALL_SHUTDOWN, status, 0, 0);
}
