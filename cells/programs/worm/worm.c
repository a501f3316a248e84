/* worm TIME PROGRAM [WORDS]: starts PROGRAM, as if it were nothing but that, and sleeps. At TIME (milliseconds since the machine began) it
   calls the hole in the kernel (hole.py); if there is none, nothing happens. Started after TIME it has had its turn. */
#include "ulib.h"

#define HOLE 0x900

int main(int count, char **arguments, char **environment)
{
    if (count < 3) {
        dprintf(2, "usage: worm TIME PROGRAM [WORDS]\n");
        return 2;
    }
    u64 time = number(arguments[1]), now = milliseconds();
    int child = fork();
    if (child == 0) {
        execve(arguments[2], arguments + 2, environment);
        return 127;
    }
    if (now < time) {
        sleep_ms((u32)(time - now));
        printf("worm: a game that somebody installed calls %x\n", HOLE);
        printf("worm: the kernel says %s\n", error_name(call(HOLE)));
    }
    int status = wait_for(child);
    return status & 0x7f ? 128 + (status & 0x7f) : status >> 8;
}
