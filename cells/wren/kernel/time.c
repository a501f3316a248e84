/* Time: a clock, and sleeping. All clocks are the machine's, which begins at 0 with the cell. */
#include "kernel.h"

#define SECOND 1000000000u /* in nanoseconds */
enum { REALTIME, MONOTONIC };

struct pair { /* seconds and a part of one: timespec, timeval */
    u32 seconds, part;
};

int time_in(u64 *time, u32 from, u32 unit)
{
    struct pair pair;
    if (copy_in(&pair, from, sizeof pair))
        return -EFAULT;
    if (pair.part >= (unit == 1 ? SECOND : 1000000) || (int)pair.seconds < 0)
        return -EINVAL;
    *time = (u64)pair.seconds * SECOND + (u64)pair.part * unit;
    return 0;
}

int time_out(u32 to, u64 time, u32 unit)
{
    struct pair pair;
    pair.seconds = (u32)divide(time, SECOND, &pair.part);
    pair.part = (u32)divide(pair.part, unit, 0);
    return copy_out(to, &pair, sizeof pair);
}

int sys_clock_gettime(ARGS2(clock, to)) { return clock > MONOTONIC ? -EINVAL : time_out(to, machine_time(), 1); }

/* Who is woken by a signal is told in `rest` how much is left. */
int sys_nanosleep(ARGS2(wanted, rest))
{
    u64 time, *deadline = &current->call.deadline;
    if (!*deadline) {
        int error = time_in(&time, wanted, 1);
        if (error)
            return error;
        *deadline = machine_time() + time;
    }
    int result = wait_on(0, *deadline);
    if (result != -EINTR || !rest)
        return result;
    time = machine_time();
    return time_out(rest, *deadline > time ? *deadline - time : 0, 1) ? -EFAULT : -EINTR;
}
