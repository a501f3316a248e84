/* bench: one operation, many times, between two reports: `bench null 100`. Who counts events (cellvisor's event table) takes what
   lies between "null.begin" and "null.end"; nothing else happens there but the loop. Without words: all, 10 times each.
   `bench ctx 100 16 4`: arrays of 16 KiB, 4 processes. */
#include "ulib.h"

static char byte;
static int file, ends[2];
static volatile int seen;
static volatile char *pages;

static void handler_of(int signal) { seen += signal; }

static void null(u32 round)
{
    (void)round;
    getppid();
}

static void read_zero(u32 round)
{
    (void)round;
    read(file, &byte, 1);
}

static void write_null(u32 round)
{
    (void)round;
    write(file, &byte, 1);
}

/* A byte there and back, through another process: two switches a round. */
static void pipe_ahead(void)
{
    static int back[2];
    pipe(ends);
    pipe(back);
    if (!fork()) {
        close(ends[1]);
        while (read(ends[0], &byte, 1) == 1)
            write(back[1], &byte, 1);
        exit(0);
    }
    close(ends[0]);
    close(back[1]);
    ends[0] = back[0];
}
static void pipe_round(u32 round)
{
    (void)round;
    write(ends[1], &byte, 1);
    read(ends[0], &byte, 1);
}
static void pipe_after(void)
{
    close(ends[1]);
    wait_for(-1);
    close(ends[0]);
}

/* LMbench's lat_ctx: a byte goes round a ring of processes; who gets it sums an array of its own and hands it on. A round is the
   way round: a switch for each process. With one process nothing is switched, and the rest is the same. */
enum { LARGEST = 64 * 1024 };
static u32 array[LARGEST / 4], array_size, processes = 2;
static void sum_up(void)
{
    u32 sum = 0;
    for (u32 i = 0; i < array_size / 4; i++)
        sum += array[i];
    seen = (int)sum;
}
static void hand_on(int from, int to)
{
    memset(array, 1, array_size); /* pages of our own */
    while (read(from, &byte, 1) == 1) {
        sum_up();
        write(to, &byte, 1);
    }
    exit(0);
}
static void ctx_ahead(void)
{
    int first[2], next[2], from;
    pipe(first);
    from = first[0];
    for (u32 i = 1; i < processes; i++) {
        pipe(next);
        if (!fork()) {
            close(first[1]);
            hand_on(from, next[1]);
        }
        close(from);
        close(next[1]);
        from = next[0];
    }
    memset(array, 1, array_size);
    ends[0] = from;
    ends[1] = first[1];
}
static void ctx_round(u32 round)
{
    pipe_round(round);
    sum_up();
}
static void ctx_after(void)
{
    close(ends[1]);
    for (u32 i = 1; i < processes; i++)
        wait_for(-1);
    close(ends[0]);
}

static void fork_exit(u32 round)
{
    (void)round;
    int child = fork();
    if (!child)
        exit(0);
    wait_for(child);
}

static void fork_exec(u32 round)
{
    static char *const arguments[] = {"bench", "nothing", 0}, *const nothing[] = {0};
    (void)round;
    run("/bin/bench", arguments, nothing);
}

static void map(void) { pages = mmap(0, 4096 * 1024, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void unmap(void) { munmap((void *)pages, 4096 * 1024); }
static void touch(u32 round) { pages[(round & 1023) * 4096] = 1; }

static void arm(void) { on_signal(SIGUSR1, handler_of, 0); }
static void signal_self(u32 round)
{
    (void)round;
    kill(getpid(), SIGUSR1);
}

/* Longer than anything else here takes: the machine sleeps until its timer interrupts. */
static void sleep_once(u32 round)
{
    struct timespec time = {0, 100000};
    (void)round;
    nanosleep(&time, 0);
}

static void open_console(void) { file = open("/bin/bench", O_RDONLY, 0); }
static void open_null(void) { file = open("/dev/null", O_WRONLY, 0); }
static void close_it(void) { close(file); }
static void nothing(void) { }

static const struct {
    const char *name;
    void (*ahead)(void), (*round)(u32 round), (*after)(void);
} benches[] = {
    {"null", nothing, null, nothing},
    {"read", open_console, read_zero, close_it},
    {"write", open_null, write_null, close_it},
    {"pipe", pipe_ahead, pipe_round, pipe_after},
    {"ctx", ctx_ahead, ctx_round, ctx_after},
    {"fork_exit", nothing, fork_exit, nothing},
    {"fork_exec", nothing, fork_exec, nothing},
    {"page_fault", map, touch, unmap},
    {"signal", arm, signal_self, nothing},
    {"sleep", nothing, sleep_once, nothing},
};

static void measure(u32 which, u32 times)
{
    char begin[24], end[24];
    snprintf(begin, sizeof begin, "%s.begin", benches[which].name);
    snprintf(end, sizeof end, "%s.end", benches[which].name);
    benches[which].ahead();
    benches[which].round(1023); /* once ahead: what is made at the first time is not of interest */
    report(begin, times);
    for (u32 round = 0; round < times; round++)
        benches[which].round(round);
    report(end, times);
    benches[which].after();
    printf("%s: %u times\n", benches[which].name, times);
}

static int bench_main(int count, char **arguments, char **environment)
{
    (void)environment;
    int found = count > 1 && !strcmp(arguments[1], "nothing");
    u32 times = count > 2 ? number(arguments[2]) : 10;
    if (count > 3 && number(arguments[3]) <= LARGEST / 1024)
        array_size = number(arguments[3]) * 1024;
    if (count > 4)
        processes = number(arguments[4]);
    for (u32 i = 0; i < COUNT(benches); i++)
        if (count < 2 || !strcmp(arguments[1], benches[i].name)) {
            measure(i, times);
            found = 1;
        }
    return !found;
}

const struct program programs[] = {{"bench", bench_main}, {0, 0}};
