/* The names that our dynamic programs need of the C library, with `libc.map` as a library to link against: no code of it. */
#define NAME(name) void name(void) { }
NAME(__libc_start_main)
NAME(abort)
NAME(fork)
NAME(waitpid)
NAME(execve)
NAME(close)
NAME(exit)
NAME(atoi)
NAME(strcmp)
NAME(printf)
NAME(perror)
NAME(write)
