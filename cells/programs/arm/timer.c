/* One periodic timer that also tells how late its interrupt is served.

   SP804 (ARM DDI 0271) and Orion (Linux's marvell,orion-timer binding) have two counters that count down: the first
   one is loaded with the period and interrupts, the second runs free and shows when whole periods were missed. The
   PXA's operating system timer (PXA255 Developer's Manual 4.4) counts up freely and interrupts at a match. */
#include "guest.h"

enum { SP804_LOAD = 0x00, SP804_VALUE = 0x04, SP804_CONTROL = 0x08, SP804_CLEAR = 0x0c, SP804_SECOND = 0x20 };
enum { SP804_ON = 0x80, SP804_PERIODIC = 0x40, SP804_INTERRUPT = 0x20, SP804_32_BITS = 0x02 };
enum { ORION_CONTROL = 0x00, ORION_RELOAD = 0x10, ORION_VALUE = 0x14, ORION_SECOND = 0x08 };
enum { ORION_BRIDGE_CAUSE = 0x10 };
enum { PXA_MATCH = 0x00, PXA_COUNTER = 0x10, PXA_STATUS = 0x14, PXA_ENABLE = 0x1c };

volatile u32 timer_skipped;
static u32 timer_period; /* ticks from one due time to the next */
static u32 last_due;     /* the due time served last, on the clock that runs free */

struct timer {
    void (*start)(void);
    u32 (*acknowledge)(void);
};

static void start_sp804(void)
{
    u32 base = info.timer_base;
    store(base + SP804_CONTROL, 0);
    store(base + SP804_SECOND + SP804_LOAD, 0xffffffff);
    store(base + SP804_SECOND + SP804_CONTROL, SP804_ON | SP804_32_BITS);
    store(base + SP804_LOAD, timer_period);
    store(base + SP804_CONTROL, SP804_ON | SP804_PERIODIC | SP804_INTERRUPT | SP804_32_BITS);
    last_due = ~load(base + SP804_SECOND + SP804_VALUE);
}

static void start_orion(void)
{
    u32 base = info.timer_base;
    store(base + ORION_CONTROL, 0);
    store(base + ORION_SECOND + ORION_RELOAD, 0xffffffff);
    store(base + ORION_SECOND + ORION_VALUE, 0xffffffff);
    store(base + ORION_RELOAD, timer_period - 1); /* it counts through zero */
    store(base + ORION_VALUE, timer_period - 1);
    store(base + ORION_CONTROL, 0xf); /* both on, both reloaded */
    last_due = ~load(base + ORION_SECOND + ORION_VALUE);
}

/* Both are due when the counter is at zero. From there it goes to its highest value, by which the two differ: the SP804 is
   loaded with the period in the same tick, Orion's counter with one less in the next. */
static u32 ticks_since_zero(u32 value) { return value ? timer_period - value : 0; }

/* `since` ticks have passed since the latest due time, which was at `due`. Counts the due times before it that nobody
   served; the half period absorbs that the two counters cannot be read at one instant. */
static u32 lateness(u32 due, u32 since)
{
    u32 skipped = 0;
    while (due - last_due > timer_period + timer_period / 2) {
        last_due += timer_period;
        skipped++;
    }
    last_due = due;
    timer_skipped += skipped;
    return since + skipped * timer_period;
}

static u32 acknowledge_sp804(void)
{
    u32 base = info.timer_base;
    u32 now = ~load(base + SP804_SECOND + SP804_VALUE);
    u32 since = ticks_since_zero(load(base + SP804_VALUE));
    store(base + SP804_CLEAR, 0); /* last: what falls due before it is found at the next tick */
    return lateness(now - since, since);
}

static u32 acknowledge_orion(void)
{
    u32 base = info.timer_base;
    u32 now = ~load(base + ORION_SECOND + ORION_VALUE);
    u32 since = ticks_since_zero(load(base + ORION_VALUE));
    store(info.cascade_base + ORION_BRIDGE_CAUSE, ~(1u << info.timer_irq)); /* a zero clears the cause */
    return lateness(now - since, since);
}

/* Sets the next match. One that lies in the past would come after a turn of the whole counter, so it is moved until it is
   seen to lie ahead. */
static void set_next_match(void)
{
    u32 base = info.timer_base;
    for (;; last_due += timer_period, timer_skipped++) {
        store(base + PXA_MATCH, last_due + timer_period);
        if ((int)(last_due + timer_period - load(base + PXA_COUNTER)) > 0)
            return;
    }
}

static void start_pxa(void)
{
    u32 base = info.timer_base;
    last_due = load(base + PXA_COUNTER);
    store(base + PXA_STATUS, 1);
    store(base + PXA_ENABLE, 1);
    set_next_match();
}

static u32 acknowledge_pxa(void)
{
    u32 base = info.timer_base;
    last_due += timer_period; /* what this interrupt was for */
    u32 late = load(base + PXA_COUNTER) - last_due;
    store(base + PXA_STATUS, 1);
    set_next_match();
    return late;
}

static void start_nothing(void) {}

static u32 acknowledge_nothing(void) { return 0; }

static const struct timer *timer(void)
{
    static const struct timer table[] = {
        [TIMER_NONE] = {start_nothing, acknowledge_nothing},
        [TIMER_SP804] = {start_sp804, acknowledge_sp804},
        [TIMER_ORION] = {start_orion, acknowledge_orion},
        [TIMER_PXA] = {start_pxa, acknowledge_pxa},
    };
    return &table[info.timer_kind <= TIMER_PXA ? info.timer_kind : TIMER_NONE];
}

void timer_start(u32 period)
{
    timer_period = period < 2 ? 2 : period;
    timer()->start();
}

u32 timer_acknowledge(void) { return timer()->acknowledge(); }
