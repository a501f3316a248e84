/* Bad pointers to each system call. Every call gets its place for an address filled with each of the addresses that are not its own;
   all that may happen is -EFAULT (or the error that comes first). One line a call: the answers, in the order of `bad`. */
#include "crash.h"

static u32 edge; /* the last bytes of a page behind which there is nothing */

enum { ADDRESSES = 5 };
static u32 bad[ADDRESSES] = {4, 0xc0008000, 0x70000000, 0xfffffffc, 0};

/* Arguments: A stands for the bad address; R and W for the ends of a pipe with something in it, S for a socket, D for a folder. */
enum { A = 0x5a5a0001, R, W, S, D, CHILD };
enum { OPEN = D - R + 1 };
static const struct {
    const char *name;
    int number;
    u32 argument[5];
} attempts[] = {
    {"read", CALL_READ, {R, A, 8}},
    {"write", CALL_WRITE, {W, A, 8}},
    {"open", CALL_OPEN, {A, 0, 0}},
    {"unlink", CALL_UNLINK, {A}},
    {"execve", CALL_EXECVE, {A, 0, 0}},
    {"execve arguments", CALL_EXECVE, {(u32) "/bin/box", A, 0}},
    {"execve environment", CALL_EXECVE, {(u32) "/bin/box", 0, A}},
    {"mkdir", CALL_MKDIR, {A, 0}},
    {"pipe", CALL_PIPE, {A}},
    {"wait4", CALL_WAIT4, {CHILD, A, 0, 0}},
    {"uname", CALL_UNAME, {A}},
    {"select", CALL_SELECT, {3, A, 0, 0, 0}},
    {"select to write", CALL_SELECT, {3, 0, A, 0, 0}},
    {"select time", CALL_SELECT, {0, 0, 0, 0, A}},
    {"nanosleep", CALL_NANOSLEEP, {A, 0}},
    {"sigaction", CALL_SIGACTION, {10, A, 0, 8}},
    {"sigaction before", CALL_SIGACTION, {10, 0, A, 8}},
    {"sigprocmask", CALL_SIGPROCMASK, {0, A, 0, 8}},
    {"sigprocmask before", CALL_SIGPROCMASK, {0, 0, A, 8}},
    {"stat64", CALL_STAT64, {A, 0}},
    {"stat64 to", CALL_STAT64, {(u32) "/tmp", A}},
    {"fstat64", CALL_FSTAT64, {R, A}},
    {"clock_gettime", CALL_CLOCK_GETTIME, {1, A}},
    {"gettimeofday", CALL_GETTIMEOFDAY, {A, 0}},
    {"bind", CALL_BIND, {S, A, 20}},
    {"connect", CALL_CONNECT, {S, A, 20}},
    {"getdents64", CALL_GETDENTS64, {D, A, 512}},
};

/* Something to read is in all of them. */
static void open_all(int files[OPEN])
{
    pipe(files);
    write(files[W - R], "12345678", 8);
    files[S - R] = socket(AF_UNIX, SOCK_STREAM, 0);
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
