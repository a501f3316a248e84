/* Waiting for several files at once. select looks at each; if none is ready, the process waits for anything that wakes
   anybody, and looks again. That is a look too many for each wake-up, and no list of waiting processes for each file. */
#include "files.h"

enum { SETS = 3, MICROSECONDS = 1000 };

/* A bit per descriptor, to read from, to write to, and for what is odd, which nothing is: FILES bits are one word. */
static int look(u32 limit, const u32 wanted[SETS], u32 found[SETS])
{
    static const u32 interesting[SETS] = {POLL_IN, POLL_OUT, 0};
    int count = 0;
    for (u32 descriptor = 0; descriptor < limit; descriptor++) {
        u32 bit = 1u << descriptor;
        if (!((wanted[0] | wanted[1] | wanted[2]) & bit))
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

/* With an error or a signal the sets stay as they are; how much of its time is left is told in any case, but who may not know it
   is not told. */
int sys_select(ARGS5(limit, in, out, odd, time))
{
    u32 at[SETS] = {in, out, odd}, wanted[SETS] = {0}, found[SETS] = {0};
    u64 timeout = NEVER;
    int outcome = (int)limit < 0 ? -EINVAL : time ? time_in(&timeout, time, MICROSECONDS) : 0;
    for (u32 set = 0; set < SETS; set++)
        if (!outcome && at[set])
            outcome = copy_in(&wanted[set], at[set], sizeof wanted[set]);
    if (!outcome)
        outcome = look(smaller(limit, FILES), wanted, found);
    if (!outcome && timeout)
        outcome = wait_for_time(&anything, timeout);
    for (u32 set = 0; set < SETS; set++)
        if (outcome >= 0 && at[set] && copy_out(at[set], &found[set], sizeof found[set]))
            outcome = -EFAULT;
    if (outcome != AGAIN_LATER && timeout != NEVER)
        time_out(time, time_left(timeout), MICROSECONDS);
    return outcome;
}
