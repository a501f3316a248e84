/* The system calls as C functions, and the structures that go through them, in Linux's ARM EABI. Nothing stands between: what a
   function gives back is the kernel's answer, a value or a negative error number (there is no errno). */
#ifndef WREN_CALLS_H
#define WREN_CALLS_H

#include "numbers.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned u32;
typedef unsigned long long u64;

int call(int number, ...); /* start.S */

/* ---- error numbers: ulib's `error_name` knows them all */
enum {
    EPERM = 1, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, ECHILD, EAGAIN, ENOMEM, EACCES, EFAULT, ENOTBLK, EBUSY,
    EEXIST, EXDEV, ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, ETXTBSY, EFBIG, ENOSPC, ESPIPE, EROFS, EMLINK, EPIPE,
    ERANGE = 34, ENAMETOOLONG = 36, ENOSYS = 38, ENOTEMPTY, ELOOP, ENOTSOCK = 88, EAFNOSUPPORT = 97, EADDRINUSE, ENOTCONN = 107,
    ECONNREFUSED = 111,
};

/* ---- files */
enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_EXCL = 0200, O_TRUNC = 01000, O_APPEND = 02000 };
enum { O_NONBLOCK = 04000, O_DIRECTORY = 040000, O_CLOEXEC = 02000000 };
enum { SEEK_SET, SEEK_CUR, SEEK_END };
enum { F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL };
enum { S_IFMT = 0170000, S_IFREG = 0100000, S_IFDIR = 0040000, S_IFCHR = 0020000, S_IFLNK = 0120000, S_IFSOCK = 0140000 };
struct stat {
    u64 device;
    u32 pad0, short_inode, mode, links, user, group;
    u64 represents;
    u32 pad1, pad2;
    u64 size;
    u32 block_size, pad3;
    u64 blocks;
    u32 times[6];
    u64 inode;
};
struct dirent {
    u64 inode, next;
    u16 length;
    u8 type;
    char name[];
};

static inline int open(const char *path, int flags, int mode) { return call(CALL_OPEN, path, flags, mode); }
static inline int close(int file) { return call(CALL_CLOSE, file); }
static inline int read(int file, void *to, u32 size) { return call(CALL_READ, file, to, size); }
static inline int write(int file, const void *from, u32 size) { return call(CALL_WRITE, file, from, size); }
static inline int lseek(int file, int offset, int whence) { return call(CALL_LSEEK, file, offset, whence); }
static inline int ftruncate(int file, u32 size) { return call(CALL_FTRUNCATE, file, size); }
static inline int dup(int file) { return call(CALL_DUP, file); }
static inline int dup2(int file, int as) { return call(CALL_DUP2, file, as); }
static inline int fcntl(int file, int what, int value) { return call(CALL_FCNTL64, file, what, value); }
static inline int stat(const char *path, struct stat *to) { return call(CALL_STAT64, path, to); }
static inline int lstat(const char *path, struct stat *to) { return call(CALL_LSTAT64, path, to); }
static inline int fstat(int file, struct stat *to) { return call(CALL_FSTAT64, file, to); }
static inline int access(const char *path, int rights) { return call(CALL_ACCESS, path, rights); }
static inline int unlink(const char *path) { return call(CALL_UNLINK, path); }
static inline int link(const char *path, const char *as) { return call(CALL_LINK, path, as); }
static inline int symlink(const char *target, const char *path) { return call(CALL_SYMLINK, target, path); }
static inline int readlink(const char *path, char *to, u32 size) { return call(CALL_READLINK, path, to, size); }
static inline int rename(const char *path, const char *to) { return call(CALL_RENAME, path, to); }
static inline int mkdir(const char *path, int mode) { return call(CALL_MKDIR, path, mode); }
static inline int rmdir(const char *path) { return call(CALL_RMDIR, path); }
static inline int chdir(const char *path) { return call(CALL_CHDIR, path); }
static inline int getcwd(char *to, u32 size) { return call(CALL_GETCWD, to, size); }
static inline int getdents(int file, void *to, u32 size) { return call(CALL_GETDENTS64, file, to, size); }
static inline int pipe(int ends[2]) { return call(CALL_PIPE, ends); }
static inline int pipe2(int ends[2], int flags) { return call(CALL_PIPE2, ends, flags); }

/* ---- processes */
enum { WNOHANG = 1 };
static inline __attribute__((noreturn)) void exit(int status)
{
    call(CALL_EXIT_GROUP, status);
    __builtin_unreachable();
}
static inline int fork(void) { return call(CALL_FORK); }
static inline int execve(const char *path, char *const *arguments, char *const *environment)
{
    return call(CALL_EXECVE, path, arguments, environment);
}
static inline int waitpid(int pid, int *status, int options) { return call(CALL_WAIT4, pid, status, options, 0); }
static inline int getpid(void) { return call(CALL_GETPID); }
static inline int getppid(void) { return call(CALL_GETPPID); }
static inline int setpgid(int pid, int group) { return call(CALL_SETPGID, pid, group); }
static inline int setsid(void) { return call(CALL_SETSID); }
static inline int pause(void) { return call(CALL_PAUSE); }
static inline int yield(void) { return call(CALL_YIELD); }

/* ---- memory */
enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 16, MAP_ANONYMOUS = 32 };
static inline void *mmap(void *at, u32 size, int rights, int flags, int file, u32 page)
{
    return (void *)call(CALL_MMAP2, at, size, rights, flags, file, page);
}
static inline int munmap(void *at, u32 size) { return call(CALL_MUNMAP, at, size); }
static inline int mprotect(void *at, u32 size, int rights) { return call(CALL_MPROTECT, at, size, rights); }
static inline u32 brk(u32 end) { return (u32)call(CALL_BRK, end); }

/* ---- signals */
enum {
    SIGHUP = 1, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM,
    SIGCHLD = 17, SIGCONT, SIGSTOP,
};
enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_RESTART = 0x10000000, SA_NODEFER = 0x40000000 };
#define SA_RESETHAND 0x80000000u
enum { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };
typedef void (*handler)(int signal);
#define SIG_DFL ((handler)0)
#define SIG_IGN ((handler)1)
struct sigaction {
    handler handler;
    u32 flags;
    void (*restorer)(void);
    u32 mask[2]; /* no u64: that would begin at a multiple of 8 */
};
struct siginfo {
    int signal, error, code;
    u32 value[29]; /* value[0]: the sender's pid, or the address of a fault */
};
struct context {
    u32 flags, link, stack[3];
    u32 trap, error, mask, r[13], sp, lr, pc, psr, address;
};
static inline u64 bit(int signal) { return 1ull << (signal - 1); }
static inline int kill(int pid, int signal) { return call(CALL_KILL, pid, signal); }
static inline int sigaction(int signal, const struct sigaction *now, struct sigaction *before)
{
    return call(CALL_SIGACTION, signal, now, before, 8);
}
static inline int sigprocmask(int how, const u64 *now, u64 *before) { return call(CALL_SIGPROCMASK, how, now, before, 8); }
static inline int sigpending(u64 *to) { return call(CALL_SIGPENDING, to, 8); }
static inline int sigsuspend(const u64 *mask) { return call(CALL_SIGSUSPEND, mask, 8); }

/* ---- time */
struct timespec {
    u32 seconds, nanoseconds;
};
struct timeval {
    u32 seconds, microseconds;
};
struct itimer {
    struct timeval period, first;
};
static inline int clock_gettime(int clock, struct timespec *to) { return call(CALL_CLOCK_GETTIME, clock, to); }
static inline int gettimeofday(struct timeval *to) { return call(CALL_GETTIMEOFDAY, to, 0); }
static inline int nanosleep(const struct timespec *time, struct timespec *rest) { return call(CALL_NANOSLEEP, time, rest); }
static inline int setitimer(int which, const struct itimer *now, struct itimer *before)
{
    return call(CALL_SETITIMER, which, now, before);
}

/* ---- waiting for several files */
enum { POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16, POLLNVAL = 32 };
struct pollfd {
    int file;
    u16 events, found;
};
static inline int poll(struct pollfd *files, u32 count, int milliseconds) { return call(CALL_POLL, files, count, milliseconds); }
static inline int select(int files, u32 *readable, u32 *writable, u32 *odd, struct timeval *time)
{
    return call(CALL_SELECT, files, readable, writable, odd, time);
}

/* ---- sockets */
enum { AF_UNIX = 1, AF_INET = 2, SOCK_STREAM = 1 };
struct address {
    u16 family;
    char path[30];
};
static inline int socket(int family, int type, int protocol) { return call(CALL_SOCKET, family, type, protocol); }
static inline int socketpair(int family, int type, int ends[2]) { return call(CALL_SOCKETPAIR, family, type, 0, ends); }
static inline int bind(int socket, const struct address *at) { return call(CALL_BIND, socket, at, sizeof *at); }
static inline int listen(int socket, int backlog) { return call(CALL_LISTEN, socket, backlog); }
static inline int accept(int socket) { return call(CALL_ACCEPT, socket, 0, 0); }
static inline int connect(int socket, const struct address *to) { return call(CALL_CONNECT, socket, to, sizeof *to); }
static inline int shutdown(int socket, int how) { return call(CALL_SHUTDOWN, socket, how); }
static inline int send(int socket, const void *from, u32 size, int flags) { return call(CALL_SEND, socket, from, size, flags); }
static inline int recv(int socket, void *to, u32 size, int flags) { return call(CALL_RECV, socket, to, size, flags); }

/* ---- the machine */
static inline int reboot(u32 what) { return call(CALL_REBOOT, 0xfee1dead, 0x28121969, what, 0); } /* the two marks of reboot(2) */
static inline int report(const char *name, u32 value) { return call(CALL_REPORT, name, value); }

#endif
