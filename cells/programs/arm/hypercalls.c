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

void heartbeat(void) { hypercall(HYPERCALL_HEARTBEAT, 0, 0, 0); }

void report(u32 metric, u32 value) { hypercall(HYPERCALL_REPORT, metric, value, 0); }

void shutdown(u32 status)
{
    mask_interrupts();
    for (;;)
        hypercall(HYPERCALL_SHUTDOWN, status, 0, 0);
}
