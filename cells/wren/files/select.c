/* Waiting for several files at once. select looks at each; if none is ready, the process waits for anything that wakes
   anybody, and looks again. That is a look too many for each wake-up, and no list of waiting processes for each file. */
#include "files.h"

enum { SETS = 2, MICROSECONDS = 1000 };

/* A bit per descriptor, to read from and to write to: FILES bits are one word. */
static int look(u32 limit, const u32 wanted[SETS], u32 found[SETS])
{
    static const u32 interesting[SETS] = {POLL_IN, POLL_OUT};
    int count = 0;
    for (u32 descriptor = 0; descriptor < limit; descriptor++) {
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

/* Nothing is ever odd about a file here: the third set is not looked at. With an error or a signal the sets stay as they are; how
   much of its time is left is told in any case, but who may not know it is not told. */
int sys_select(ARGS5(limit, in, out, odd, time))
{
    u32 at[SETS] = {in, out}, wanted[SETS] = {0}, found[SETS] = {0};
    u64 timeout = NEVER;
    int outcome = limit > FILES ? -EINVAL : time ? time_in(&timeout, time, MICROSECONDS) : 0;
    (void)odd;
    for (u32 set = 0; set < SETS; set++)
        if (!outcome && at[set])
            outcome = copy_in(&wanted[set], at[set], sizeof wanted[set]);
    if (!outcome)
        outcome = look(limit, wanted, found);
    if (!outcome && timeout)
        outcome = wait_for_time(&anything, timeout);
    for (u32 set = 0; set < SETS; set++)
        if (outcome >= 0 && at[set] && copy_out(at[set], &found[set], sizeof found[set]))
            outcome = -EFAULT;
    if (outcome != AGAIN_LATER && timeout != NEVER)
        time_out(time, time_left(timeout), MICROSECONDS);
    return outcome;
}
