/* check: the tests, in one ELF, and what they share. */
#include "check.h"

int child_of(void (*act)(void))
{
    int child = fork();
    if (!child) {
        act();
        exit(0);
    }
    return wait_for(child);
}

void say_end(const char *what, int status)
{
    char told[24];
    printf("%s: %s\n", what, ending(status, told));
}

/* Fletcher's idea: the order of the bytes matters. */
u32 checksum(const void *data, u32 size, u32 start)
{
    u32 low = start & 0xffff, high = start >> 16;
    for (const u8 *at = data; size; size--) {
        low = (low + *at++) & 0xffff;
        high = (high + low) & 0xffff;
    }
    return high << 16 | low;
}

void pattern(void *data, u32 size, u32 seed)
{
    for (u8 *at = data; size; size--) {
        seed = seed * 1664525 + 1013904223; /* Numerical Recipes' generator */
        *at++ = (u8)(seed >> 24);
    }
}

/* What `processes` runs by exec. */
int echo_arguments_main(int count, char **arguments, char **environment)
{
    for (int i = 0; i < count; i++)
        printf("argument %d: %s\n", i, arguments[i]);
    for (; *environment; environment++)
        printf("environment: %s\n", *environment);
    return 42;
}

const struct program programs[] = {
    {"files", files_main}, {"folders", folders_main}, {"pipes", pipes_main}, {"processes", processes_main},
    {"memory", memory_main}, {"signals", signals_main}, {"restart", restart_main}, {"waiting", waiting_main},
    {"sockets", sockets_main}, {"thumb", thumb_main}, {"echo_arguments", echo_arguments_main}, {0, 0},
};
