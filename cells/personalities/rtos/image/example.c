/* Three tasks: a sampler with a period and a deadline, a filter that computes, and a logger; a queue between them, and a mutex that the
   least and the most urgent share, so that the one in the middle could delay both if it were not for inheritance. */
#include "rtos.h"

#define SAMPLES 50
#define LAST 0xFFFFFFFFu

static int samples, shared;
static volatile u32 sum;

static void work(u32 rounds)
{
    while (rounds--)
        __asm__ volatile("" ::: "memory");
}

static void sampler(void *unused)
{
    (void)unused;
    for (u32 i = 0; i < SAMPLES; i++) {
        rtos_lock(shared, RTOS_FOREVER);
        sum += i;
        rtos_unlock(shared);
        rtos_send(samples, &i, sizeof i, 0);
        rtos_next_period();
    }
    u32 last = LAST;
    rtos_send(samples, &last, sizeof last, RTOS_FOREVER);
}

static void filter(void *unused)
{
    (void)unused;
    for (;;) {
        work(20000);
        rtos_sleep(3000);
    }
}

static void logger(void *task)
{
    for (;;) {
        u32 sample;
        if (rtos_receive(samples, &sample, sizeof sample, RTOS_FOREVER) != sizeof sample || sample == LAST)
            break;
        rtos_lock(shared, RTOS_FOREVER);
        work(5000);
        if (sample == SAMPLES - 1)
            print_number("sum ", sum);
        rtos_unlock(shared);
    }
    rtos_end((int)task);
    print("done\n");
}

int main(void)
{
    samples = rtos_queue("samples", 8);
    shared = rtos_mutex("shared");
    const struct rtos_task high = {sampler, 0, 30, 1024, 5000, 1000, "sampler"};
    const struct rtos_task middle = {filter, 0, 20, 1024, 0, 0, "filter"};
    int computing = rtos_task(&middle);
    const struct rtos_task low = {logger, (void *)computing, 10, 1024, 0, 0, "logger"};
    return rtos_task(&high) < 0 || rtos_task(&low) < 0;
}
