/* Exceptions: what the CPU does when it leaves the program, in the guest's registers and nowhere else.
 *
 * Unicorn stops and tells; it never enters a vector. PC is exact, at the instruction for aborts and undefined ones and
 * behind it for SVC. Entry follows DDI 0406C B1.8.3 and B1.9 (ARMv7, ARMv6) and DDI 0100I A2.6 (ARMv5).
 */
#include <string.h>

#include "internal.h"

enum { EXCEPTION_SVC = 2, EXCEPTION_PREFETCH = 3, EXCEPTION_DATA = 4, EXCEPTION_BKPT = 7, EXCEPTION_SMC = 13 };
enum { SCTLR_V = 1 << 13, SCTLR_EE = 1 << 25, SCTLR_TE = 1 << 30 };

struct vector {
    uint32_t mode, offset, masks;
};
static const struct vector to_undefined = {0x1b, 0x04, CPSR_I}, to_supervisor = {0x13, 0x08, CPSR_I},
                           to_prefetch = {0x17, 0x0c, CPSR_I | CPSR_A}, to_data = {0x17, 0x10, CPSR_I | CPSR_A},
                           to_irq = {0x12, 0x18, CPSR_I | CPSR_A}, to_fiq = {0x11, 0x1c, CPSR_I | CPSR_F | CPSR_A};

/* Enter `to`: CPSR first, for it switches the bank that SPSR and LR go to. Clear ESR: invalid_hook tells hints by it. */
static void enter(struct engine *e, const struct vector *to, uint32_t link, uint32_t old) {
    uint32_t control, base = 0, masks = to->masks, cpsr;
    int modern = (e->v.features & FEATURE_V6) != 0;
    cp15_read(e, 1, 0, 0, 0, &control);
    if (control & SCTLR_V)
        base = 0xffff0000u;
    else if (e->v.features & FEATURE_VBAR)
        cp15_read(e, 12, 0, 0, 0, &base);
    if (!modern)
        masks &= ~CPSR_A;
    cpsr = (old & CPSR_KEPT & ~CPSR_MODE) | to->mode | masks;
    if (e->v.features & FEATURE_V7 && control & SCTLR_TE)
        cpsr |= CPSR_T;
    if (modern && control & SCTLR_EE)
        cpsr |= CPSR_E;
    reg_write(e, REG_CPSR, cpsr);
    reg_write(e, REG_SPSR, old);
    reg_write(e, REG_LR, link);
    reg_write(e, REG_PC, (base + to->offset) | (cpsr & CPSR_T ? 1 : 0));
    reg_write(e, REG_ESR, 0);
    e->v.cycles += e->v.cost[COST_EXCEPTION];
    /* A vector that cannot be fetched aborts again and again without a block between. */
    if (e->running && (e->v.cycles >= e->v.limit || e->v.lines)) {
        e->v.stop = STOP_LIMIT;
        unicorn.emu_stop(e->uc);
    }
}

/* A de-privileged CPU has no vectors: who runs it takes the exception. 1 if so, and the run ends with PC at `pc`. */
static int leaves(struct engine *e, uint32_t trap, uint32_t pc, uint32_t old, uint32_t status, uint32_t address) {
    if (!e->v.deprivileged)
        return 0;
    e->v.trap = trap;
    e->v.trap_status = status;
    e->v.trap_address = address;
    e->v.cycles += e->v.cost[COST_EXCEPTION];
    reg_write(e, REG_PC, pc | (old & CPSR_T ? 1 : 0));
    reg_write(e, REG_ESR, 0);
    e->v.stop = STOP_EXCEPTION;
    if (e->running)
        unicorn.emu_stop(e->uc);
    return 1;
}

static void undefined(struct engine *e, uint32_t pc, uint32_t old) {
    e->v.undef++;
    if (leaves(e, TRAP_UNDEFINED, pc, old, 0, 0))
        return;
    enter(e, &to_undefined, pc + (old & CPSR_T ? 2 : 4), old);
}

void prefetch_abort(struct engine *e, uint32_t pc, uint32_t old, uint32_t status, uint32_t address) {
    e->v.prefetch_aborts++;
    count_abort(e, 0, old);
    if (leaves(e, TRAP_PREFETCH_ABORT, pc, old, status, address))
        return;
    cp15_write(e, 5, 0, 0, 1, status);
    if (e->v.features & FEATURE_IFAR)
        cp15_write(e, 6, 0, 0, 2, address);
    enter(e, &to_prefetch, pc + 4, old);
}

void data_abort(struct engine *e, uint32_t pc, uint32_t old, uint32_t status, uint32_t address) {
    e->v.data_aborts++;
    count_abort(e, 1, old);
    if (leaves(e, TRAP_DATA_ABORT, pc, old, status, address))
        return;
    cp15_write(e, 5, 0, 0, 0, status);
    cp15_write(e, 6, 0, 0, 0, address);
    enter(e, &to_data, pc + 8, old);
}

/* Unicorn keeps status and address of a fault beside the syndrome, and lets us see them in a saved context only. */
static void fault_registers(struct engine *e, uint32_t *status, uint32_t *address) {
    const char *at = (const char *)e->context + e->exception_at;
    unicorn.context_save(e->uc, e->context);
    memcpy(status, at + 4, sizeof *status);
    memcpy(address, at + 8, sizeof *address);
}

/* What c13,c0,0 makes of an address in the lowest 32 MiB: fault registers hold the modified one [DDI 0198E 2.3.14]. */
static uint32_t modified(struct engine *e, uint32_t address) {
    uint32_t process = 0;
    if (address < 0x02000000)
        cp15_read(e, 13, 0, 0, 0, &process);
    return address + (process & 0xfe000000u);
}

static void give_up(struct engine *e, uint32_t code, uint32_t pc) {
    e->v.fault_code = code;
    e->v.fault_pc = pc;
    e->v.stop = STOP_FAULT;
    unicorn.emu_stop(e->uc);
}

void interrupt_hook(void *uc, uint32_t number, void *user) {
    struct engine *e = user;
    uint32_t pc = reg_read(e, REG_PC), old = reg_read(e, REG_CPSR), status, address;
    (void)uc;
    vtlb_fault(e, pc);
    switch (number) {
    case EXCEPTION_SVC:
        if (count_mark(e, pc, old))
            break;
        e->v.svc++;
        if (leaves(e, TRAP_SWI, pc, old, 0, 0))
            break;
        enter(e, &to_supervisor, pc, old);
        break;
    case EXCEPTION_PREFETCH: /* found before the block's hook is called: nothing was counted */
        fault_registers(e, &status, &address);
        vtlb_fetch_fault(e, address);
        prefetch_abort(e, pc, old, status, modified(e, address));
        break;
    case EXCEPTION_DATA:
        fault_registers(e, &status, &address);
        take_back(e, pc);
        data_abort(e, pc, old, status, modified(e, address));
        break;
    case EXCEPTION_BKPT:
        prefetch_abort(e, pc, old, FSR_DEBUG, pc);
        break;
    case EXCEPTION_SMC: /* there is no monitor to call; PC is behind the instruction */
        undefined(e, pc - 4, old);
        break;
    default:
        give_up(e, 0x100 + number, pc);
    }
}

/* HVC [B9.3.4]: 1 with its immediate if that is what lies at `pc`. */
static int is_hypercall(struct engine *e, uint32_t pc, uint32_t cpsr, uint32_t *immediate) {
    uint16_t half[2];
    uint32_t word;
    if (!(e->v.features & FEATURE_V7) || (cpsr & CPSR_MODE) == MODE_USER || read_code(e, pc, (uint8_t *)half, 4))
        return 0;
    if (cpsr & CPSR_T) {
        *immediate = (half[0] & 0xfu) << 12 | (half[1] & 0xfffu);
        return (half[0] & 0xfff0) == 0xf7e0 && (half[1] & 0xf000) == 0x8000;
    }
    memcpy(&word, half, sizeof word);
    *immediate = (word >> 4 & 0xfff0) | (word & 0xf);
    return (word & 0xfff000f0) == 0xe1400070;
}

/* Undefined instructions arrive here with a syndrome; WFE and YIELD with none, and PC behind them. A memory hook leaves that of a
 * data abort without its class there (Unicorn, restore_state_to_opc): ISV, bit 24, is set, as it is in no other. */
_Bool invalid_hook(void *uc, void *user) {
    struct engine *e = user;
    uint32_t pc, old, immediate, syndrome = reg_read(e, REG_ESR);
    (void)uc;
    if (syndrome == 0 || syndrome >> 24 == 1 || syndrome >> 24 == 3) {
        e->v.yields++;
        return 1;
    }
    pc = reg_read(e, REG_PC);
    old = reg_read(e, REG_CPSR);
    vtlb_fault(e, pc);
    take_back(e, pc);
    if (!is_hypercall(e, pc, old, &immediate)) {
        undefined(e, pc, old);
        return 1;
    }
    e->v.hvcs++;
    e->v.hvc = immediate;
    reg_write(e, REG_PC, (pc + 4) | (old & CPSR_T ? 1 : 0));
    e->v.stop = STOP_HVC;
    unicorn.emu_stop(e->uc);
    return 1;
}

/* Take a pending line, at a block's border. LR is the next instruction plus 4, plus 8 for an abort. */
void take_line(struct engine *e, uint32_t line) {
    uint32_t pc = reg_read(e, REG_PC), old = reg_read(e, REG_CPSR);
    switch (line) {
    case LINE_IRQ:
        e->v.irqs++;
        if (leaves(e, TRAP_IRQ, pc, old, 0, 0))
            break;
        enter(e, &to_irq, pc + 4, old);
        break;
    case LINE_FIQ:
        e->v.fiqs++;
        enter(e, &to_fiq, pc + 4, old);
        break;
    default: /* a write that nobody took; before ARMv6 the status has no code for a late one, and no address either way */
        e->v.lines &= ~(uint32_t)LINE_ABORT;
        data_abort(e, pc, old, e->v.features & FEATURE_V6 ? FSR_EXTERNAL_LATE : FSR_EXTERNAL, 0);
    }
}
