/* ticker: a periodic real-time task that measures how late it is woken.

   period_us=1000  from one interrupt to the next      ticks=0      ends after so many (0: never)
   work=200        turns of a small loop in each tick  print=1000   a line each so many ticks (0: only at the end)
   heartbeat=10    a heartbeat each so many ticks (0: none)

   Each new maximum, and every 100th tick whatever it is, is reported as metric LATENCY in CPU cycles. The resolution
   is one tick of the timer. */
#include "guest.h"

enum { BUCKETS = 8 };

static volatile u32 interrupts; /* written by the handler */
static volatile u32 latest;

static struct {
    u32 count, least, most;
    u64 sum;
    u32 histogram[BUCKETS]; /* bucket b: below 4^b timer ticks; the last: everything above */
} seen;

static void on_tick(u32 late)
{
    latest = late;
    interrupts++;
}

static void record(u32 late)
{
    u32 bucket = 0;
    while (bucket < BUCKETS - 1 && late >> 2 * bucket)
        bucket++;
    seen.histogram[bucket]++;
    if (!seen.count++ || late < seen.least)
        seen.least = late;
    if (late > seen.most)
        seen.most = late;
    seen.sum += late;
}

/* Something to do, so that a tick costs time: a linear congruential generator. The empty assembly makes its result
   needed. */
static void work(u32 turns)
{
    u32 value = seen.count;
    while (turns--)
        value = value * 1664525 + 1013904223;
    __asm__ volatile("" : : "r"(value));
}

static void summary(void)
{
    u32 mean = seen.count ? (u32)divide(seen.sum, seen.count, 0) : 0;
    print("ticker: %u ticks, latency min %u mean %u max %u", seen.count, seen.least, mean, seen.most);
    print(" of 1/%u s, skipped %u, histogram", info.timer_hz, timer_skipped);
    for (u32 bucket = 0; bucket < BUCKETS; bucket++)
        print(" %u", seen.histogram[bucket]);
    print("\n");
}

static u32 each(u32 count, u32 interval) { return interval && scale(count, 1, interval) * interval == count; }

static void wait_for_tick(u32 served)
{
    while (interrupts == served) { /* IRQs are masked here, so none slips in between the question and the sleep */
        wait_for_interrupt();
        unmask_interrupts(); /* it is taken here */
        mask_interrupts();
    }
}

void program(void)
{
    u32 ticks = argument("ticks", 0), turns = argument("work", 200);
    u32 line = argument("print", 1000), beat = argument("heartbeat", 10);
    u32 most_reported = 0;
    timer_handler = on_tick;
    interrupts_start();
    timer_start(scale(argument("period_us", 1000), info.timer_hz, 1000000));
    print("ticker: started, a tick is 1/%u s\n", info.timer_hz);
    for (u32 served = 0; !ticks || seen.count < ticks;) {
        wait_for_tick(served);
        served = interrupts;
        u32 late = latest;
        record(late);
        unmask_interrupts();
        work(turns);
        if (seen.count == 1 || late > most_reported || each(seen.count, 100))
            report(METRIC_LATENCY, scale(late, info.hz_low, info.timer_hz));
        if (late > most_reported)
            most_reported = late;
        if (each(seen.count, beat))
            heartbeat();
        if (each(seen.count, line) && seen.count != ticks)
            summary();
        mask_interrupts();
    }
    summary();
    shutdown(0);
}
