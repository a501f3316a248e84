/* System calls about time: clocks, sleeping, interval timers. All clocks are the machine's, which begins at 0 with the cell. */
#include "../kernel/kernel.h"

#define SECOND 1000000000u /* in nanoseconds */

struct pair { /* seconds and a part of one: timespec, timeval */
    u32 seconds, part;
};

static struct pair pair_of(u64 time, u32 unit)
{
    struct pair pair;
    pair.seconds = (u32)divide(time, SECOND, &pair.part);
    pair.part = (u32)divide(pair.part, unit, 0);
    return pair;
}

/* Nanoseconds of a timespec (unit 1) or timeval (unit 1000) of the process; -EINVAL if it is none. */
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
    struct pair pair = pair_of(time, unit);
    return copy_out(to, &pair, sizeof pair);
}

/* ---- clocks */

enum { REALTIME, MONOTONIC, PROCESS_CPU, THREAD_CPU, MONOTONIC_RAW, REALTIME_COARSE, MONOTONIC_COARSE, BOOTTIME, CLOCKS };
enum { TICK = 10000000 };

static int clock_time(u32 clock, u64 *time)
{
    if (clock >= CLOCKS)
        return -EINVAL;
    *time = clock == PROCESS_CPU || clock == THREAD_CPU ? (u64)current->ticks * TICK : machine_time();
    return 0;
}

static int call_clock_gettime(ARGS2(clock, to))
{
    u64 time;
    return clock_time(clock, &time) ? -EINVAL : time_out(to, time, 1);
}

static int call_clock_gettime64(ARGS2(clock, to))
{
    u64 time;
    if (clock_time(clock, &time))
        return -EINVAL;
    struct pair pair = pair_of(time, 1);
    u32 words[4] = {pair.seconds, 0, pair.part, 0};
    return copy_out(to, words, sizeof words);
}

static int call_clock_getres(ARGS2(clock, to))
{
    if (clock >= CLOCKS)
        return -EINVAL;
    return to ? time_out(to, clock == PROCESS_CPU || clock == THREAD_CPU ? TICK : 1, 1) : 0;
}

static int call_gettimeofday(ARGS2(to, zone))
{
    u32 nowhere[2] = {0, 0};
    if (to && time_out(to, machine_time(), 1000))
        return -EFAULT;
    return zone ? copy_out(zone, nowhere, sizeof nowhere) : 0;
}

/* In hundredths of a second: our user time, none of the kernel's, our children's; the answer is the machine's. */
static int call_times(ARGS1(to))
{
    u32 times[4] = {current->ticks, 0, current->child_ticks, 0};
    if (to && copy_out(to, times, sizeof times))
        return -EFAULT;
    return (int)((u32)divide(machine_time(), TICK, 0) & 0x7fffffff);
}

/* ---- sleeping */

/* Sleeps until call.deadline; who is woken by a signal is told in `rest` how much is left. */
static int sleep(u32 rest)
{
    u64 deadline = current->call.deadline;
    int result = wait_on(0, deadline);
    if (result != -EINTR || !rest)
        return result;
    u64 now = machine_time();
    return time_out(rest, deadline > now ? deadline - now : 0, 1) ? -EFAULT : -EINTR;
}

static int call_nanosleep(ARGS2(wanted, rest))
{
    u64 time;
    if (!current->call.deadline) {
        int error = time_in(&time, wanted, 1);
        if (error)
            return error;
        current->call.deadline = machine_time() + time;
    }
    return sleep(rest);
}

static int call_clock_nanosleep(u32 clock, u32 absolute, u32 wanted, u32 rest, u32 e, u32 f)
{
    u64 time;
    if (clock >= CLOCKS || clock == PROCESS_CPU || clock == THREAD_CPU)
        return -EINVAL;
    if (!(absolute & 1))
        return call_nanosleep(wanted, rest, 0, 0, e, f);
    int error = time_in(&time, wanted, 1);
    if (error)
        return error;
    current->call.deadline = time;
    return sleep(0);
}

static int call_sched_yield(ARGS0())
{
    schedule_yield();
    return 0;
}

/* ---- interval timers: only the one in real time, which sends SIGALRM */

enum { SHORTEST = 1000000 }; /* 1 ms (assumed): shorter, and signals would be all that there is time for */

static int tell_timer(u32 to)
{
    u64 now = machine_time(), left = current->timer == NEVER ? 0 : current->timer > now ? current->timer - now : 1000;
    if (time_out(to, current->timer_period, 1000))
        return -EFAULT;
    return time_out(to + sizeof(struct pair), left, 1000);
}

static int call_getitimer(ARGS2(which, to)) { return which ? -EINVAL : tell_timer(to); }

static int call_setitimer(ARGS3(which, new, old))
{
    u64 period = 0, first = 0;
    int error = which ? -EINVAL : 0;
    if (!error && new)
        error = time_in(&period, new, 1000);
    if (!error && new)
        error = time_in(&first, new + sizeof(struct pair), 1000);
    if (!error && old)
        error = tell_timer(old);
    if (error)
        return error;
    current->timer = first ? machine_time() + first : NEVER;
    current->timer_period = period && period < SHORTEST ? SHORTEST : period;
    schedule_changed();
    return 0;
}

const struct call time_calls[] = {
    CALL(43, "times", call_times), CALL(78, "gettimeofday", call_gettimeofday), CALL(104, "setitimer", call_setitimer),
    CALL(105, "getitimer", call_getitimer), CALL(158, "sched_yield", call_sched_yield),
    CALL(162, "nanosleep", call_nanosleep), CALL(263, "clock_gettime", call_clock_gettime),
    CALL(264, "clock_getres", call_clock_getres), CALL(265, "clock_nanosleep", call_clock_nanosleep),
    CALL(403, "clock_gettime64", call_clock_gettime64),
    {0, 0},
};
