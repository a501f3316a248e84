/* A clock and one alarm on the board's timer, for a kernel that wants to be woken when there is something to do.

   The same three devices as in timer.c, where their manuals are named. SP804 and Orion count down: the first counter is the
   alarm, the second one runs free and is the clock. The PXA's counts up and interrupts at a match. */
#include "guest.h"

enum { SP804_LOAD = 0x00, SP804_VALUE = 0x04, SP804_CONTROL = 0x08, SP804_CLEAR = 0x0c, SP804_SECOND = 0x20 };
enum { SP804_ON = 0x80, SP804_INTERRUPT = 0x20, SP804_32_BITS = 0x02, SP804_ONCE = 0x01 };
enum { ORION_CONTROL = 0x00, ORION_VALUE = 0x14, ORION_SECOND = 0x08, ORION_RELOAD = 0x10, ORION_CAUSE = 0x10 };
enum { ORION_ALARM = 1, ORION_CLOCK = 4 | 8 /* on, and reloaded */ };
enum { PXA_MATCH = 0x00, PXA_COUNTER = 0x10, PXA_STATUS = 0x14, PXA_ENABLE = 0x1c };

struct timer {
    void (*start)(u32 base);
    u32 (*now)(u32 base);
    void (*set)(u32 base, u32 ticks);
    void (*quiet)(u32 base);
};

static void start_nothing(u32 base) { (void)base; }

static u32 now_nothing(u32 base) { return base & 0; }

static void set_nothing(u32 base, u32 ticks) { (void)base, (void)ticks; }

static void start_sp804(u32 base)
{
    store(base + SP804_CONTROL, 0);
    store(base + SP804_SECOND + SP804_LOAD, 0xffffffff);
    store(base + SP804_SECOND + SP804_CONTROL, SP804_ON | SP804_32_BITS);
}

static u32 now_sp804(u32 base) { return ~load(base + SP804_SECOND + SP804_VALUE); }

static void set_sp804(u32 base, u32 ticks)
{
    store(base + SP804_CONTROL, 0);
    store(base + SP804_CLEAR, 0);
    store(base + SP804_LOAD, ticks);
    store(base + SP804_CONTROL, SP804_ON | SP804_INTERRUPT | SP804_32_BITS | SP804_ONCE);
}

static void quiet_sp804(u32 base) { store(base + SP804_CLEAR, 0); }

static void start_orion(u32 base)
{
    store(base + ORION_SECOND + ORION_RELOAD, 0xffffffff);
    store(base + ORION_SECOND + ORION_VALUE, 0xffffffff);
    store(base + ORION_CONTROL, ORION_CLOCK);
}

static u32 now_orion(u32 base) { return ~load(base + ORION_SECOND + ORION_VALUE); }

static void set_orion(u32 base, u32 ticks)
{
    store(base + ORION_VALUE, ticks);
    store(base + ORION_CONTROL, ORION_ALARM | ORION_CLOCK);
}

static void quiet_orion(u32 base)
{
    (void)base;
    store(info.cascade_base + ORION_CAUSE, ~(1u << info.timer_irq)); /* a zero clears the cause */
}

static void start_pxa(u32 base) { store(base + PXA_ENABLE, 0); }

static u32 now_pxa(u32 base) { return load(base + PXA_COUNTER); }

/* A match that is already past would come after a turn of the whole counter: one that is so near is put a little off. */
static void set_pxa(u32 base, u32 ticks)
{
    store(base + PXA_STATUS, 1);
    store(base + PXA_ENABLE, 1);
    do {
        store(base + PXA_MATCH, load(base + PXA_COUNTER) + ticks);
        ticks += 16;
    } while ((int)(load(base + PXA_MATCH) - load(base + PXA_COUNTER)) <= 0);
}

static void quiet_pxa(u32 base) { store(base + PXA_STATUS, 1); }

static const struct timer *timer(void)
{
    static const struct timer table[] = {
        [TIMER_NONE] = {start_nothing, now_nothing, set_nothing, start_nothing},
        [TIMER_SP804] = {start_sp804, now_sp804, set_sp804, quiet_sp804},
        [TIMER_ORION] = {start_orion, now_orion, set_orion, quiet_orion},
        [TIMER_PXA] = {start_pxa, now_pxa, set_pxa, quiet_pxa},
    };
    return &table[info.timer_kind <= TIMER_PXA ? info.timer_kind : TIMER_NONE];
}

void alarm_start(void) { timer()->start(info.timer_base); }

u32 alarm_now(void) { return timer()->now(info.timer_base); }

void alarm_set(u32 ticks) { timer()->set(info.timer_base, ticks ? ticks : 1); }

void alarm_quiet(void) { timer()->quiet(info.timer_base); }
