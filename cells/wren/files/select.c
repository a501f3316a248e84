/* Waiting for several files at once. select looks at each; if none is ready, the process waits for anything that wakes
   anybody, and looks again. That is a look too many for each wake-up, and no list of waiting processes for each file. */
#include "files.h"

enum { SETS = 2, MICROSECONDS = 1000 };

/* A bit per descriptor, to read from and to write to: FILES bits are one word. */
static int look(const u32 wanted[SETS], u32 found[SETS])
{
    static const u32 interesting[SETS] = {POLL_IN, POLL_OUT};
    int count = 0;
    for (u32 descriptor = 0; descriptor < FILES; descriptor++) {
        u32 bit = 1u << descriptor;
        if (!((wanted[0] | wanted[1]) & bit))
            continue;
        struct file *file = file_of(descriptor);
        if (!file)
            return -EBADF;
        u32 state = file->operations->poll ? file->operations->poll(file) : POLL_IN | POLL_OUT;
        for (u32 set = 0; set < SETS; set++)
            if (wanted[set] & bit && state & interesting[set])
                found[set] |= bit, count++;
    }
    return count;
}

static int wait_for_any(u64 timeout)
{
    u64 *deadline = &current->call.deadline;
    if (!timeout)
        return 0;
    if (!*deadline)
        *deadline = timeout == NEVER ? NEVER : machine_time() + timeout;
    return wait_on(&anything, *deadline);
}

/* Nothing is ever odd about a file here: the third set is not looked at. */
static int select(u32 limit, const u32 at[SETS], u64 timeout)
{
    u32 wanted[SETS] = {0}, found[SETS] = {0}, mask = limit < FILES ? (1u << limit) - 1 : ~0u;
    for (u32 set = 0; set < SETS; set++) {
        if (at[set] && copy_in(&wanted[set], at[set], sizeof wanted[set]))
            return -EFAULT;
        wanted[set] &= mask;
    }
    int count = look(wanted, found);
    if (!count)
        count = wait_for_any(timeout);
    if (count < 0) /* an error, a signal, or AGAIN_LATER: the sets stay as they are */
        return count;
    for (u32 set = 0; set < SETS; set++)
        if (at[set] && copy_out(at[set], &found[set], sizeof found[set]))
            return -EFAULT;
    return count;
}

/* It tells how much of its time is left, however it ends. Who may not know it is not told. */
int sys_select(ARGS5(limit, in, out, odd, time))
{
    u64 timeout = NEVER;
    int outcome = limit > FILES ? -EINVAL : time ? time_in(&timeout, time, MICROSECONDS) : 0;
    (void)odd;
    if (!outcome)
        outcome = select(limit, (u32[SETS]){in, out}, timeout);
    if (outcome == AGAIN_LATER || !time || timeout == NEVER)
        return outcome;
    u64 now = machine_time(), deadline = current->call.deadline;
    time_out(time, !deadline ? timeout : deadline > now ? deadline - now : 0, MICROSECONDS);
    return outcome;
}
