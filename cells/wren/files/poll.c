/* Waiting for several files at once. select and poll look at each file; if none is ready, the process waits on one queue that all
   files wake, and looks again. That is a look too many for each wake-up, and no list of waiting processes for each file. */
#include "files.h"

enum { BITS = 32, SETS = 3, POLLED = 256, POLL_INVALID = 32 };
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

/* How long at most; no time is for ever. */
static int read_timeout(u32 at, enum unit unit, u64 *timeout)
{
    *timeout = NEVER;
    return at ? time_in(timeout, at, unit) : 0;
}

/* select tells how much of its time is left, however it ends. Who may not know it is not told. */
static int tell_left(int outcome, u32 at, enum unit unit, u64 timeout)
{
    u64 now = machine_time(), deadline = current->call.deadline;
    if (outcome != AGAIN_LATER && at && timeout != NEVER)
        time_out(at, !deadline ? timeout : deadline > now ? deadline - now : 0, unit);
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
    if (!error && argument[0])
        error = signal_suspend(argument[0], argument[1]);
    if (!error)
        error = select(limit, (u32[SETS]){in, out, other}, nanoseconds);
    return tell_left(end_masked(error), timeout, NANOSECONDS, nanoseconds);
}

static int sys_ppoll(ARGS5(at, count, timeout, mask, size))
{
    u64 nanoseconds;
    int error = read_timeout(timeout, NANOSECONDS, &nanoseconds);
    if (!error && mask)
        error = signal_suspend(mask, size);
    return end_masked(error ? error : poll(at, count, nanoseconds));
}

const struct call poll_calls[] = {
    CALL(142, "_newselect", sys_select), CALL(168, "poll", sys_poll), CALL(335, "pselect6", sys_pselect),
    CALL(336, "ppoll", sys_ppoll),
    {0, 0},
};
