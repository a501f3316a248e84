/* Interrupt controllers, as far as one line needs them: let the timer's line through, ask whether it is pending, say
   when it was served. GICv2: ARM IHI 0048B. BCM2835: "ARM Peripherals" chapter 7. Orion: Linux's marvell,orion-intc
   and bridge-intc bindings. PL190: ARM DDI 0181. PXA255: Developer's Manual 4.2. */
#include "guest.h"

enum { GICD_CTLR = 0x000, GICD_ISENABLER = 0x100, GICD_ITARGETSR = 0x800 };
enum { GICC_CTLR = 0x00, GICC_PMR = 0x04, GICC_IAR = 0x0c, GICC_EOIR = 0x10 };
enum { ORION_CAUSE = 0x0, ORION_MASK = 0x4, BRIDGE_CAUSE = 0x10, BRIDGE_MASK = 0x14 };
enum { VIC_STATUS = 0x00, VIC_SELECT = 0x0c, VIC_ENABLE = 0x10 };
enum { PXA_PENDING = 0x00, PXA_MASK = 0x04, PXA_LEVEL = 0x08 };

struct controller {
    void (*start)(u32 line);
    void (*allow)(u32 line); /* one more, at the same controller */
    u32 (*claim)(u32 line);
    void (*done)(u32 line);
};

void (*timer_handler)(u32 late);
static u32 claimed; /* GIC: what the acknowledge register gave, to be handed back */

static void done_nothing(u32 line) { (void)line; }

static void start_nothing(u32 line) { (void)line; }

static u32 claim_nothing(u32 line) { return line & 0; }

static void allow_gic(u32 line)
{
    store(info.ic_base + GICD_ITARGETSR + (line & ~3u), 0x01010101); /* to the first CPU */
    store(info.ic_base + GICD_ISENABLER + (line / 32) * 4, 1u << line % 32);
}

static void start_gic(u32 line)
{
    allow_gic(line);
    store(info.ic_base + GICD_CTLR, 1);
    store(info.ic_base2 + GICC_PMR, 0xf0);
    store(info.ic_base2 + GICC_CTLR, 1);
}

static u32 claim_gic(u32 line)
{
    claimed = load(info.ic_base2 + GICC_IAR);
    return (claimed & 0x3ff) == line;
}

static void done_gic(u32 line)
{
    (void)line;
    if ((claimed & 0x3ff) < 1020) /* 1020 and above: nothing was pending, nothing is to be ended */
        store(info.ic_base2 + GICC_EOIR, claimed);
}

/* Lines 0-31 are the "basic" bank, 32-63 and 64-95 the two of the graphics processor; registers in that order from
   0x00 (pending), but with the basic bank last from 0x10 (enable). */
static u32 bcm_enable(u32 line) { return line < 32 ? 0x18 : 0x10 + (line / 32 - 1) * 4; }

static void start_bcm(u32 line) { store(info.ic_base + bcm_enable(line), 1u << line % 32); }

static u32 claim_bcm(u32 line) { return load(info.ic_base + (line / 32) * 4) >> line % 32 & 1; }

/* A bank of 32 lines has its registers 16 bytes behind those of the one before. */
static void allow_orion(u32 line)
{
    u32 mask = info.ic_base + ORION_MASK + (line / 32) * 0x10;
    store(mask, load(mask) | 1u << line % 32);
    if (line >= 32)
        store(info.ic_base + ORION_MASK, load(info.ic_base + ORION_MASK) | 1); /* the sum of the second bank */
}

static void start_orion(u32 line)
{
    u32 first = line;
    if (info.cascade_base) {
        store(info.cascade_base + BRIDGE_CAUSE, 0); /* a zero clears a latched cause */
        store(info.cascade_base + BRIDGE_MASK, 1u << line);
        first = info.cascade_irq;
    }
    store(info.ic_base + ORION_MASK, 1u << first);
}

static u32 claim_orion(u32 line)
{
    u32 cause = info.cascade_base ? info.cascade_base + BRIDGE_CAUSE : info.ic_base + ORION_CAUSE;
    return load(cause) >> line & 1;
}

static void allow_pl190(u32 line) { store(info.ic_base + VIC_ENABLE, 1u << line); }

static void start_pl190(u32 line)
{
    store(info.ic_base + VIC_SELECT, 0); /* IRQ, not FIQ */
    allow_pl190(line);
}

static u32 claim_pl190(u32 line) { return load(info.ic_base + VIC_STATUS) >> line & 1; }

static void start_pxa(u32 line)
{
    store(info.ic_base + PXA_LEVEL, 0); /* IRQ, not FIQ */
    store(info.ic_base + PXA_MASK, 1u << line);
}

static void allow_pxa(u32 line) { store(info.ic_base + PXA_MASK, load(info.ic_base + PXA_MASK) | 1u << line); }

static u32 claim_pxa(u32 line) { return load(info.ic_base + PXA_PENDING) >> line & 1; }

static const struct controller *controller(void)
{
    static const struct controller table[] = {
        [INTERRUPT_CONTROLLER_NONE] = {start_nothing, start_nothing, claim_nothing, done_nothing},
        [INTERRUPT_CONTROLLER_GIC] = {start_gic, allow_gic, claim_gic, done_gic},
        [INTERRUPT_CONTROLLER_BCM2835] = {start_bcm, start_bcm, claim_bcm, done_nothing},
        [INTERRUPT_CONTROLLER_ORION] = {start_orion, allow_orion, claim_orion, done_nothing},
        [INTERRUPT_CONTROLLER_PL190] = {start_pl190, allow_pl190, claim_pl190, done_nothing},
        [INTERRUPT_CONTROLLER_PXA] = {start_pxa, allow_pxa, claim_pxa, done_nothing},
    };
    return &table[info.ic_kind <= INTERRUPT_CONTROLLER_PXA ? info.ic_kind : INTERRUPT_CONTROLLER_NONE];
}

void interrupts_start(void) { controller()->start(info.timer_irq); }

void interrupts_allow(u32 line) { controller()->allow(line); }

u32 interrupts_claim(void) { return controller()->claim(info.timer_irq); }

void interrupts_done(void) { controller()->done(info.timer_irq); }

/* From the IRQ vector, in IRQ mode. A line that has gone again meanwhile is nothing to worry about. */
void on_interrupt(void)
{
    if (interrupts_claim())
        timer_handler(timer_acknowledge());
    interrupts_done();
}
