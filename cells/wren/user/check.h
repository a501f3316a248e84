/* The tests of `check`: each prints lines that are the same on every kernel that keeps Linux's rules, and no others: no process
   numbers, times, addresses, inode numbers. */
#ifndef WREN_CHECK_H
#define WREN_CHECK_H

#include "ulib.h"

typedef int program_main(int count, char **arguments, char **environment);
program_main files_main, folders_main, pipes_main, processes_main, memory_main, signals_main, restart_main, waiting_main, sockets_main,
    thumb_main, echo_arguments_main;

int child_of(void (*act)(void)); /* run `act` in a child, wait for it, print how it ended; its status */
void say_end(const char *what, int status);
u32 checksum(const void *data, u32 size, u32 start);
void pattern(void *data, u32 size, u32 seed);

#endif
