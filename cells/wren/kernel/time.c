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
    if (pair.part >= (unit == 1 ? SECOND : 1u << 31) || (int)pair.seconds < 0)
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

int sys_gettimeofday(ARGS1(to)) { return time_out(to, machine_time(), 1000); }

int sys_clock_gettime(ARGS2(clock, to)) { return clock > MONOTONIC ? -EINVAL : time_out(to, machine_time(), 1); }

int wait_for_time(const void *what, u64 time)
{
    u64 *deadline = &current->call.deadline;
    if (!*deadline)
        *deadline = time == NEVER ? NEVER : machine_time() + time;
    return wait_on(what, *deadline);
}

u64 time_left(u64 time)
{
    u64 now = machine_time(), deadline = current->call.deadline;
    return !deadline ? time : deadline > now ? deadline - now : 0;
}

/* Who is woken by a signal is told in `rest` how much is left. */
int sys_nanosleep(ARGS2(wanted, rest))
{
    u64 time;
    int result = time_in(&time, wanted, 1);
    if (!result)
        result = wait_for_time(0, time);
    return result == -EINTR && rest && time_out(rest, time_left(time), 1) ? -EFAULT : result;
}
