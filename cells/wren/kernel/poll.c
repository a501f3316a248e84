/* Waiting for several files at once. select and poll look at each file; if none is ready, the process waits on one queue that all
   files wake, and looks again. That is a look too many for each wake-up, and no list of waiting processes for each file. */
#include "files.h"

enum { BITS = 32, SETS = 3, POLLED = 256, POLL_INVALID = 32, SECOND = 1000000000 };
enum unit { NANOSECONDS = 1, MICROSECONDS = 1000 };

struct queue poll_queue;

static u32 state_of(struct file *file) { return file->operations->poll ? file->operations->poll(file) : POLL_IN | POLL_OUT; }

/* Nothing is ready: wait until something is, or the deadline comes. */
static int wait_for_any(u64 timeout)
{
    if (!timeout)
        return 0;
    if (!current->call.deadline)
        current->call.deadline = timeout == NEVER ? NEVER : machine_time() + timeout;
    return wait_on(&poll_queue, current->call.deadline);
}

/* A struct timeval or timespec as nanoseconds. */
static int read_timeout(u32 at, enum unit unit, u64 *timeout)
{
    int pair[2];
    *timeout = NEVER;
    if (!at)
        return 0;
    if (copy_in(pair, at, sizeof pair))
        return -EFAULT;
    if (pair[0] < 0 || pair[1] < 0 || (u64)(u32)pair[1] * unit >= SECOND)
        return -EINVAL;
    *timeout = (u64)(u32)pair[0] * SECOND + (u64)(u32)pair[1] * unit;
    return 0;
}

/* select tells how much of its time is left, however it ends. Who may not know it is not told. */
static int tell_left(int outcome, u32 at, enum unit unit, u64 timeout)
{
    u32 pair[2], rest;
    u64 now = machine_time(), deadline = current->call.deadline;
    u64 left = !deadline ? timeout : deadline > now ? deadline - now : 0;
    if (outcome == AGAIN_LATER || !at || timeout == NEVER)
        return outcome;
    pair[0] = (u32)divide(left, SECOND, &rest);
    pair[1] = (u32)divide(rest, unit, 0);
    copy_out(at, pair, sizeof pair);
    return outcome;
}

/* ---- select: a bit per descriptor, for reading, writing, and what else there may be. FILES bits are one word. */

static const u32 interesting[SETS] = {POLL_IN | POLL_HANGUP | POLL_ERROR, POLL_OUT | POLL_ERROR, 0};

static int look(const u32 wanted[SETS], u32 found[SETS])
{
    int count = 0;
    for (u32 descriptor = 0; descriptor < FILES; descriptor++) {
        u32 bit = 1u << descriptor;
        if (!((wanted[0] | wanted[1] | wanted[2]) & bit))
            continue;
        struct file *file = file_of((int)descriptor);
        if (!file)
            return -EBADF;
        u32 state = state_of(file);
        for (u32 set = 0; set < SETS; set++)
            if (wanted[set] & bit && state & interesting[set])
                found[set] |= bit, count++;
    }
    return count;
}

/* The sets have as many words as `limit` bits need; beyond FILES there is nothing that could be open. */
static int read_sets(u32 limit, const u32 at[SETS], u32 wanted[SETS])
{
    for (u32 set = 0; set < SETS; set++) {
        wanted[set] = 0;
        for (u32 word = 0; at[set] && word * BITS < limit; word++) {
            u32 bits, used = limit - word * BITS;
            if (copy_in(&bits, at[set] + word * 4, 4))
                return -EFAULT;
            if (used < BITS)
                bits &= (1u << used) - 1;
            if (word && bits)
                return -EBADF;
            wanted[set] |= bits;
        }
    }
    return 0;
}

static int write_sets(u32 limit, const u32 at[SETS], const u32 found[SETS])
{
    for (u32 set = 0; set < SETS; set++)
        for (u32 word = 0; at[set] && word * BITS < limit; word++)
            if (copy_out(at[set] + word * 4, word ? &(u32){0} : &found[set], 4))
                return -EFAULT;
    return 0;
}

static int select(u32 limit, const u32 at[SETS], u64 timeout)
{
    u32 wanted[SETS], found[SETS] = {0};
    if (limit > 1024)
        return -EINVAL;
    int count = read_sets(limit, at, wanted);
    if (!count)
        count = look(wanted, found);
    if (!count) {
        count = wait_for_any(timeout);
        if (count) /* AGAIN_LATER, or a signal: the sets stay as they are */
            return count;
    }
    int error = count < 0 ? count : write_sets(limit, at, found);
    return error ? error : count;
}

static int sys_select(ARGS5(limit, in, out, other, timeout))
{
    u64 nanoseconds;
    int error = read_timeout(timeout, MICROSECONDS, &nanoseconds);
    if (!error)
        error = select(limit, (u32[SETS]){in, out, other}, nanoseconds);
    return tell_left(error, timeout, MICROSECONDS, nanoseconds);
}

/* ---- poll */

struct polled { /* struct pollfd */
    int descriptor;
    u16 wanted, found;
};

static int look_at(struct polled *polled)
{
    struct file *file = file_of(polled->descriptor);
    u32 state = polled->descriptor < 0 ? 0 : file ? state_of(file) : POLL_INVALID;
    polled->found = (u16)(state & (polled->wanted | POLL_ERROR | POLL_HANGUP | POLL_INVALID));
    return polled->found != 0;
}

static int poll(u32 at, u32 count, u64 timeout)
{
    int found = 0;
    if (count > POLLED)
        return -EINVAL;
    for (u32 i = 0; i < count; i++) {
        struct polled polled;
        if (copy_in(&polled, at + i * sizeof polled, sizeof polled))
            return -EFAULT;
        found += look_at(&polled);
        if (copy_out(at + i * sizeof polled, &polled, sizeof polled))
            return -EFAULT;
    }
    return found ? found : wait_for_any(timeout);
}

static int sys_poll(ARGS3(at, count, milliseconds))
{
    return poll(at, count, (int)milliseconds < 0 ? NEVER : (u64)milliseconds * 1000000);
}

/* ---- pselect6 and ppoll: the same, with other signals blocked while they wait */

/* Put the mask on when the call begins. A signal that ends it is delivered with the old one, as after sigsuspend. */
static int begin_masked(u32 mask, u32 size)
{
    u64 blocked;
    if (!mask || current->signals.suspended)
        return 0;
    if (size != sizeof blocked)
        return -EINVAL;
    if (copy_in(&blocked, mask, sizeof blocked))
        return -EFAULT;
    current->signals.saved = current->signals.blocked;
    current->signals.blocked = blocked & ~(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1));
    current->signals.suspended = 1;
    return 0;
}

static int end_masked(int outcome)
{
    struct signals *signals = &current->signals;
    if (signals->suspended && outcome != AGAIN_LATER && outcome != -EINTR)
        signals->blocked = signals->saved, signals->suspended = 0;
    return outcome;
}

static int sys_pselect(ARGS6(limit, in, out, other, timeout, mask))
{
    u64 nanoseconds;
    u32 argument[2] = {0, 0}; /* address and size of the mask */
    int error = read_timeout(timeout, NANOSECONDS, &nanoseconds);
    if (!error && mask)
        error = copy_in(argument, mask, sizeof argument);
    if (!error)
        error = begin_masked(argument[0], argument[1]);
    if (!error)
        error = select(limit, (u32[SETS]){in, out, other}, nanoseconds);
    return tell_left(end_masked(error), timeout, NANOSECONDS, nanoseconds);
}

static int sys_ppoll(ARGS5(at, count, timeout, mask, size))
{
    u64 nanoseconds;
    int error = read_timeout(timeout, NANOSECONDS, &nanoseconds);
    if (!error)
        error = begin_masked(mask, size);
    return end_masked(error ? error : poll(at, count, nanoseconds));
}

const struct call poll_calls[] = {
    CALL(142, "_newselect", sys_select),
    CALL(168, "poll", sys_poll),
    CALL(335, "pselect6", sys_pselect),
    CALL(336, "ppoll", sys_ppoll),
    {0, 0},
};
