/* Bad pointers to each system call. Every call gets its place for an address filled with each of the addresses that are not its own;
   all that may happen is -EFAULT (or the error that comes first). One line a call: the answers, in the order of `bad`. */
#include "crash.h"

static u32 edge; /* the last bytes of a page behind which there is nothing */

enum { ADDRESSES = 5 };
static u32 bad[ADDRESSES] = {4, 0xc0008000, 0x70000000, 0xfffffffc, 0};

static u32 room[64];

/* Arguments: A stands for the bad address; R and W for the ends of a pipe with something in it, S for a connected socket, F for a file,
   D for a folder, HERE for the working directory (AT_FDCWD). */
enum { A = 0x5a5a0001, R, W, S, F, D, CHILD };
#define HERE ((u32)-100)
enum { OPEN = D - R + 1 };
static const struct {
    const char *name;
    int number;
    u32 argument[5];
} attempts[] = {
    {"read", CALL_READ, {R, A, 8}},
    {"write", CALL_WRITE, {W, A, 8}},
    {"open", CALL_OPEN, {A, 0, 0}},
    {"link", CALL_LINK, {A, (u32) "/tmp/x"}},
    {"link to", CALL_LINK, {(u32) "/etc/tests", A}},
    {"unlink", CALL_UNLINK, {A}},
    {"execve", CALL_EXECVE, {A, 0, 0}},
    {"execve arguments", CALL_EXECVE, {(u32) "/bin/box", A, 0}},
    {"chdir", CALL_CHDIR, {A}},
    {"access", CALL_ACCESS, {A, 0}},
    {"rename", CALL_RENAME, {A, (u32) "/tmp/x"}},
    {"mkdir", CALL_MKDIR, {A, 0}},
    {"rmdir", CALL_RMDIR, {A}},
    {"pipe", CALL_PIPE, {A}},
    {"pipe2", CALL_PIPE2, {A, 0}},
    {"gettimeofday", CALL_GETTIMEOFDAY, {A, 0}},
    {"symlink", CALL_SYMLINK, {A, (u32) "/tmp/x"}},
    {"readlink", CALL_READLINK, {(u32) "/bin/sh", A, 8}},
    {"setitimer", CALL_SETITIMER, {0, A, 0}},
    {"wait4", CALL_WAIT4, {CHILD, A, 0, 0}},
    {"uname", CALL_UNAME, {A}},
    {"select", CALL_SELECT, {3, A, 0, 0, 0}},
    {"nanosleep", CALL_NANOSLEEP, {A, 0}},
    {"poll", CALL_POLL, {A, 1, 0}},
    {"sigaction", CALL_SIGACTION, {10, A, 0, 8}},
    {"sigaction before", CALL_SIGACTION, {10, 0, A, 8}},
    {"sigprocmask", CALL_SIGPROCMASK, {0, A, 0, 8}},
    {"sigpending", CALL_SIGPENDING, {A, 8}},
    {"sigsuspend", CALL_SIGSUSPEND, {A, 8}},
    {"getcwd", CALL_GETCWD, {A, 8}},
    {"stat64", CALL_STAT64, {A, 0}},
    {"stat64 to", CALL_STAT64, {(u32) "/tmp", A}},
    {"fstat64", CALL_FSTAT64, {R, A}},
    {"clock_gettime", CALL_CLOCK_GETTIME, {1, A}},
    {"bind", CALL_BIND, {S, A, 20}},
    {"connect", CALL_CONNECT, {S, A, 20}},
    {"socketpair", CALL_SOCKETPAIR, {1, 1, 0, A}},
    {"send", CALL_SEND, {S, A, 8, 0}},
    {"recv", CALL_RECV, {S, A, 8, 0}},
    {"getdents64", CALL_GETDENTS64, {D, A, 512}},
    {"lstat64", CALL_LSTAT64, {A, 0}},
    /* what no other program here calls has no name in numbers.h */
    {"creat", 8, {A, 0}},
    {"chmod", 15, {A, 0}},
    {"times", 43, {A}},
    {"ioctl", CALL_IOCTL, {R, 0x541b, A}}, /* FIONREAD */
    {"getrusage", 77, {0, A}},
    {"truncate", 92, {A, 0}},
    {"getitimer", 105, {0, A}},
    {"_llseek", 140, {F, 0, 0, A, 0}},
    {"readv", 145, {R, A, 1}},
    {"writev", 146, {W, A, 1}},
    {"sigaltstack", 186, {A, 0}},
    {"sigaltstack before", 186, {0, A}},
    {"clock_getres", 264, {1, A}},
    {"clock_nanosleep", 265, {1, 0, A, 0}},
    {"getsockname", CALL_GETSOCKNAME, {S, (u32)room, A}},
    {"sendmsg", 296, {S, A, 0}},
    {"recvmsg", 297, {S, A, 0}},
    {"openat", 322, {HERE, A, 0}},
    {"mkdirat", 323, {HERE, A, 0}},
    {"fstatat64", 327, {HERE, A, (u32)room, 0}},
    {"unlinkat", 328, {HERE, A, 0}},
    {"renameat", 329, {HERE, A, HERE, (u32) "/tmp/x"}},
    {"linkat", 330, {HERE, A, HERE, (u32) "/tmp/x", 0}},
    {"symlinkat", 331, {A, HERE, (u32) "/tmp/x"}},
    {"readlinkat", 332, {HERE, (u32) "/bin/sh", A, 8}},
    {"fchmodat", 333, {HERE, A, 0}},
    {"faccessat", 334, {HERE, A, 0}},
    {"pselect6", 335, {3, A, 0, 0, 0}},
    {"ppoll", 336, {A, 1, 0, 0}},
};

/* Something to read is in all of them. */
static void open_all(int files[OPEN])
{
    int pair[2];
    pipe(files);
    write(files[W - R], "12345678", 8);
    socketpair(AF_UNIX, SOCK_STREAM, pair);
    write(pair[1], "12345678", 8);
    files[S - R] = pair[0];
    files[F - R] = open("/etc/tests", O_RDONLY, 0);
    files[D - R] = open("/bin", O_RDONLY, 0);
}

static u32 filled(u32 argument, u32 address, const int files[OPEN])
{
    if (argument == A)
        return address;
    if (argument == CHILD)
        return (u32)-1;
    return argument >= R && argument <= D ? (u32)files[argument - R] : argument;
}

static int try(u32 which, u32 address, const int files[OPEN])
{
    u32 argument[5];
    if (attempts[which].number == CALL_WAIT4 && !fork())
        exit(0); /* for wait4 there must be somebody */
    for (u32 i = 0; i < 5; i++)
        argument[i] = filled(attempts[which].argument[i], address, files);
    return call(attempts[which].number, argument[0], argument[1], argument[2], argument[3], argument[4], 0);
}

/* In a child: what a call that succeeds in spite of all leaves behind goes with it. */
static void attempt(u32 which)
{
    char line[128], told_as[12];
    int files[OPEN], length = snprintf(line, sizeof line, "%s:", attempts[which].name);
    for (u32 i = 0; i < ADDRESSES; i++) {
        open_all(files);
        length += snprintf(line + length, sizeof line - (u32)length, " %s", told(try(which, bad[i], files), told_as));
        for (int file = 3; file < 16; file++)
            close(file);
    }
    printf("%s\n", line);
}

void bad_pointers(void)
{
    char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 'x', 4096);
    munmap(page + 4096, 4096);
    edge = (u32)page + 4096 - 3; /* begins well, and ends where there is nothing */
    bad[ADDRESSES - 1] = edge;
    for (u32 i = 0; i < COUNT(attempts); i++)
        contained(attempts[i].name, attempt, i);
}
