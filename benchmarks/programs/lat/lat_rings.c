/* LMbench's lat_ctx: `ctx PROCESSES KIB`: a word goes round a ring of processes through pipes; who gets it sums an array of its
   own and hands it on. The end marks count switches: a way round is one for each process. `ctx_overhead` does the same in one
   process, which writes into each pipe and reads it itself; its end mark counts such turns. A switch costs the difference. */
#include "lat.h"

enum { MOST = 8, LARGEST = 64 * 1024 };
static int ends[MOST][2];
static u32 array[LARGEST / 4], size, processes, at;
static int token;

static void prepare(void)
{
    processes = word(0, 2);
    size = word(1, 0) * 1024;
    if (processes < 2 || processes > MOST || size > LARGEST)
        need(-EINVAL, "2 to 8 processes, up to 64 KiB");
    for (u32 i = 0; i < processes; i++)
        need(pipe(ends[i]), "pipe");
    memset(array, 1, size); /* pages of our own */
}

static void hand_on(int from, int to)
{
    memset(array, 1, size); /* and of each child's */
    while (read(from, &token, 4) == 4) {
        sum_words(array, size);
        write(to, &token, 4);
    }
    exit(0);
}

static void way_round(void)
{
    write(ends[0][1], &token, 4);
    read(ends[processes - 1][0], &token, 4);
    sum_words(array, size);
}
static void ctx(void)
{
    int children[MOST];
    prepare();
    for (u32 i = 1; i < processes; i++) {
        need(children[i] = fork(), "fork");
        if (!children[i])
            hand_on(ends[i - 1][0], ends[i][1]);
    }
    counted = iterations * processes;
    measure(way_round);
    for (u32 i = 1; i < processes; i++)
        dismiss(children[i]);
}

static void alone(void)
{
    write(ends[at][1], &token, 4);
    read(ends[at][0], &token, 4);
    at = at + 1 == processes ? 0 : at + 1;
    sum_words(array, size);
}
static void ctx_overhead(void)
{
    prepare();
    measure(alone);
}

const struct lat rings[] = {{"ctx", ctx}, {"ctx_overhead", ctx_overhead}, {0, 0}};
