/* waiting: select, sleep, and the order in which sleepers wake. */
#include "check.h"

static void states(void)
{
    int ends[2];
    char c;
    pipe(ends);
    u32 readable = 1u << ends[0], writable = 1u << ends[1];
    struct timeval time = {0, 30000};
    u64 before = milliseconds();
    say("nothing for 30 ms", select(ends[1] + 1, &readable, 0, 0, &time));
    must(milliseconds() - before >= 29, "30 ms");
    write(ends[1], "x", 1);
    readable = 1u << ends[0];
    say("with a byte", select(ends[1] + 1, &readable, 0, 0, 0));
    must(readable == 1u << ends[0], "to be read");
    read(ends[0], &c, 1);
    say("room", select(ends[1] + 1, 0, &writable, 0, 0));
    close(ends[1]);
    readable = 1u << ends[0];
    say("without a writer", select(ends[0] + 1, &readable, 0, 0, 0));
    close(ends[0]);
}

static void selects(void)
{
    int one[2], other[2];
    pipe(one);
    pipe(other);
    u32 readable = 1u << one[0] | 1u << other[0], writable = 1u << one[1];
    struct timeval time = {0, 0};
    say("select", select(other[1] + 1, &readable, &writable, 0, &time));
    printf("%x %x\n", readable, writable >> one[1]);
    int child = fork();
    if (!child) {
        sleep_ms(30);
        write(other[1], "late", 4);
        exit(0);
    }
    readable = 1u << one[0] | 1u << other[0];
    time = (struct timeval){5, 0};
    say("one wakes us", select(other[1] + 1, &readable, 0, 0, &time));
    must(readable == 1u << other[0], "the other pipe");
    must(time.seconds == 4, "and the time that is left"); /* Linux tells it */
    wait_for(child);
    readable = 1u << 30;
    say("a bad descriptor", select(31, &readable, 0, 0, &time));
    time = (struct timeval){0, 20000};
    say("only time", select(0, 0, 0, 0, &time));
    close(one[0]), close(one[1]), close(other[0]), close(other[1]);
}

static void sleepers(void)
{
    static const u32 naps[] = {90, 30, 120, 60};
    int ends[2];
    char woke;
    pipe(ends);
    for (u32 i = 0; i < COUNT(naps); i++)
        if (!fork()) {
            sleep_ms(naps[i]);
            woke = (char)('a' + i);
            write(ends[1], &woke, 1);
            exit(0);
        }
    close(ends[1]);
    printf("woken:");
    while (read(ends[0], &woke, 1) == 1)
        printf(" %c", woke);
    printf("\n");
    while (wait_for(-1) >= 0)
        continue;
    close(ends[0]);
}

static void clocks(void)
{
    struct timespec before, now, odd = {0, 1000000000};
    u32 backwards = 0;
    clock_gettime(1, &before);
    for (int i = 0; i < 1000; i++, before = now) {
        clock_gettime(1, &now);
        backwards += now.seconds < before.seconds || (now.seconds == before.seconds && now.nanoseconds < before.nanoseconds);
    }
    printf("backwards: %u\n", backwards);
    u64 begin = milliseconds();
    sleep_ms(50);
    u32 took = (u32)(milliseconds() - begin);
    must(took >= 49, "it slept");
    must(took < 500, "and woke");
    struct timeval day;
    say("gettimeofday", gettimeofday(&day));
    must(day.microseconds < 1000000, "a part of a second");
    say("no such time", nanosleep(&odd, 0));
    say("no such clock", clock_gettime(99, &now));
    odd = (struct timespec){0, 0};
    say("no time at all", nanosleep(&odd, 0));
}

/* Two that compute, so that they must share the CPU, and one that sleeps and still gets its turn. */
static void sharing_the_cpu(void)
{
    volatile u32 *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int children[2];
    for (u32 i = 0; i < 2; i++)
        if (!(children[i] = fork()))
            for (;;)
                shared[i]++;
    do
        sleep_ms(10);
    while (!shared[0] || !shared[1]);
    for (u32 i = 0; i < 2; i++) {
        kill(children[i], SIGKILL);
        say_end("computing", wait_for(children[i]));
    }
    munmap((void *)shared, 4096);
}

int waiting_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    states();
    selects();
    sleepers();
    clocks();
    sharing_the_cpu();
    return failures != 0;
}
