/* mix TASKS ROUNDS: so many processes at once, each doing rounds of everyday work: sorting, copying, files, pipes, signals, children, memory. A
   mix of jobs as ReAIM (AIM 7) runs them, of our own making. */
#include "ulib.h"

static u32 numbers[512], seen;
static u8 one[8192], other[8192];
static char path[64];

static void sort(void)
{
    u32 state = 1;
    for (u32 i = 0; i < COUNT(numbers); i++)
        numbers[i] = state = state * 1664525 + 1013904223;
    for (u32 gap = COUNT(numbers) / 2; gap; gap /= 2)
        for (u32 i = gap; i < COUNT(numbers); i++) {
            u32 held = numbers[i], at = i;
            for (; at >= gap && numbers[at - gap] > held; at -= gap)
                numbers[at] = numbers[at - gap];
            numbers[at] = held;
        }
    must(numbers[0] <= numbers[1] && numbers[510] <= numbers[511], "sorted");
}

static void copies(void)
{
    for (u32 i = 0; i < 8; i++)
        memcpy(i & 1 ? one : other, i & 1 ? other : one, sizeof one);
}

static void files(void)
{
    struct stat status;
    int file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0644);
    must(write_all(file, one, sizeof one) == sizeof one, "written");
    lseek(file, 0, SEEK_SET);
    must(read(file, other, sizeof other) == sizeof other, "read");
    must(!fstat(file, &status) && status.size == sizeof one, "size");
    close(file);
    must(!unlink(path) && unlink(path) == -ENOENT, "removed");
}

static void pipes(void)
{
    int ends[2];
    pipe(ends);
    for (u32 i = 0; i < 16; i++) {
        must(write(ends[1], one, 512) == 512, "pipe");
        must(read(ends[0], other, 512) == 512, "pipe");
    }
    close(ends[0]);
    close(ends[1]);
}

static void handler_of(int signal) { seen += (u32)signal; }
static void signals(void)
{
    on_signal(SIGUSR1, handler_of, 0);
    for (u32 i = 0; i < 8; i++)
        kill(getpid(), SIGUSR1);
}

static void children(void)
{
    int child = fork();
    if (!child)
        exit(7);
    must(wait_for(child) == 7 << 8, "child");
}

static void memory(void)
{
    volatile u8 *pages = mmap(0, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (u32 i = 0; i < 16; i++)
        pages[i * 4096] = (u8)i;
    munmap((void *)pages, 16 * 4096);
}

static void (*const jobs[])(void) = {sort, copies, files, pipes, signals, children, memory};

/* Tasks begin at different jobs, as a mix does. */
static int task(u32 which, u32 rounds)
{
    snprintf(path, sizeof path, "/tmp/mix%u", which);
    for (u32 i = 0; i < rounds * COUNT(jobs); i++)
        jobs[(i + which) % COUNT(jobs)]();
    must(seen == rounds * 8 * SIGUSR1, "signals");
    return failures != 0;
}

int main(int count, char **arguments)
{
    u32 tasks = count == 3 ? number(arguments[1]) : 0, rounds = count == 3 ? number(arguments[2]) : 0, bad = 0;
    if (!tasks || tasks > 16 || !rounds)
        return printf("mix TASKS ROUNDS: up to 16 tasks\n"), 2;
    for (u32 i = 0; i < tasks; i++) {
        int child = fork();
        if (!child)
            exit(task(i, rounds));
        must(child > 0, "fork");
    }
    for (u32 i = 0; i < tasks; i++)
        bad += wait_for(-1) != 0;
    printf("%u tasks, %u rounds, %u bad\n", tasks, rounds, bad);
    return bad || failures;
}
