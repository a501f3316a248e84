/* Numbers of the system calls that the programs make: Linux's ARM EABI (arch/arm/tools/syscall.tbl). For C and assembly. */
#ifndef WREN_NUMBERS_H
#define WREN_NUMBERS_H

#define CALL_EXIT 1
#define CALL_FORK 2
#define CALL_READ 3
#define CALL_WRITE 4
#define CALL_OPEN 5
#define CALL_CLOSE 6
#define CALL_LINK 9
#define CALL_UNLINK 10
#define CALL_EXECVE 11
#define CALL_CHDIR 12
#define CALL_LSEEK 19
#define CALL_GETPID 20
#define CALL_PAUSE 29
#define CALL_ACCESS 33
#define CALL_KILL 37
#define CALL_RENAME 38
#define CALL_MKDIR 39
#define CALL_RMDIR 40
#define CALL_DUP 41
#define CALL_PIPE 42
#define CALL_BRK 45
#define CALL_IOCTL 54
#define CALL_SETPGID 57
#define CALL_UMASK 60
#define CALL_DUP2 63
#define CALL_GETPPID 64
#define CALL_SETSID 66
#define CALL_GETTIMEOFDAY 78
#define CALL_SYMLINK 83
#define CALL_READLINK 85
#define CALL_REBOOT 88
#define CALL_MUNMAP 91
#define CALL_FTRUNCATE 93
#define CALL_SETITIMER 104
#define CALL_WAIT4 114
#define CALL_SIGRETURN 119
#define CALL_UNAME 122
#define CALL_MPROTECT 125
#define CALL_SELECT 142
#define CALL_YIELD 158
#define CALL_NANOSLEEP 162
#define CALL_POLL 168
#define CALL_RT_SIGRETURN 173
#define CALL_SIGACTION 174
#define CALL_SIGPROCMASK 175
#define CALL_SIGPENDING 176
#define CALL_SIGSUSPEND 179
#define CALL_GETCWD 183
#define CALL_VFORK 190
#define CALL_MMAP2 192
#define CALL_STAT64 195
#define CALL_LSTAT64 196
#define CALL_FSTAT64 197
#define CALL_GETUID 199
#define CALL_GETDENTS64 217
#define CALL_FCNTL64 221
#define CALL_EXIT_GROUP 248
#define CALL_CLOCK_GETTIME 263
#define CALL_SOCKET 281
#define CALL_BIND 282
#define CALL_CONNECT 283
#define CALL_LISTEN 284
#define CALL_ACCEPT 285
#define CALL_GETSOCKNAME 286
#define CALL_SOCKETPAIR 288
#define CALL_SEND 289
#define CALL_RECV 291
#define CALL_SHUTDOWN 293
#define CALL_PIPE2 359
#define CALL_REPORT 0xf0100 /* wren's own: a figure for the account; Linux knows none in this range and says so */

#endif
