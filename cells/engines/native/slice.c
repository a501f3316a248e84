/* Run a vCPU: start the emulator, take what is pending at block borders, come back at the limit or when the guest waits. */
#include "internal.h"

/* Unicorn came back of itself. WFI does that; make sure that it was one [A8.8.425, and c7,c0,4 before ARMv7]. */
static int is_wait(struct engine *e, uint32_t pc, uint32_t cpsr) {
    uint16_t half[2];
    uint32_t word;
    if (read_code(e, pc - 4, (uint8_t *)half, 4))
        return cpsr & CPSR_T && read_code(e, pc - 2, (uint8_t *)&half[1], 2) == 0 && half[1] == 0xbf30;
    word = cpsr & CPSR_T ? (uint32_t)half[0] << 16 | half[1] : (uint32_t)half[1] << 16 | half[0];
    if ((word & 0x0fff0fff) == 0x0e070f90)
        return 1;
    if (cpsr & CPSR_T)
        return half[1] == 0xbf30 || word == 0xf3af8003;
    return (word & 0x0fffffff) == 0x0320f003;
}

static int stop(struct engine *e, int reason) {
    return e->v.stop = reason;
}

static int fault(struct engine *e, uint32_t code) {
    e->v.fault_code = code;
    e->v.fault_pc = reg_read(e, REG_PC);
    return stop(e, STOP_FAULT);
}

/* One stretch of translated code. 0: look again; otherwise the reason to come back. */
static int stretch(struct engine *e) {
    uint32_t pc = reg_read(e, REG_PC), cpsr = reg_read(e, REG_CPSR);
    int error;
    reg_write(e, REG_ESR, 0);
    e->v.stop = STOP_NONE;
    vtlb_settle(e);
    e->running = 1;
    error = unicorn.emu_start(e->uc, pc | (cpsr & CPSR_T ? 1 : 0), 0, 0, 0);
    e->running = 0;
    if (error)
        vtlb_fault(e, reg_read(e, REG_PC));
    vtlb_settle(e);
    if (error)
        return !external_abort(e, error) ? fault(e, (uint32_t)error) : e->v.stop == STOP_EXCEPTION ? STOP_EXCEPTION : 0;
    if (e->v.stop != STOP_NONE)
        return e->v.stop == STOP_LIMIT ? 0 : e->v.stop;
    if (!is_wait(e, reg_read(e, REG_PC), reg_read(e, REG_CPSR)))
        return fault(e, FAULT_NO_REASON);
    e->v.waits++;
    return e->v.lines & (LINE_IRQ | LINE_FIQ | LINE_ABORT) ? 0 : STOP_WFI;
}

int vcpu_run(struct vcpu *v) {
    struct engine *e = (struct engine *)v;
    int error = vcpu_warm_up(v);
    if (error)
        return fault(e, (uint32_t)error);
    for (;;) {
        uint32_t line;
        int reason = v->cycles >= v->limit ? STOP_LIMIT : STOP_NONE;
        if (!reason) {
            line = deliverable(e);
            e->v.stop = STOP_NONE;
            if (line)
                take_line(e, line);
            reason = e->v.stop == STOP_EXCEPTION ? STOP_EXCEPTION : stretch(e);
        }
        if (v->lines & LINE_FLUSH)
            flush_code(e);
        if (reason)
            return stop(e, reason);
    }
}

int vcpu_run_calls(struct vcpu *v, uint32_t *core, int64_t answer, uint32_t charge) {
    struct engine *e = (struct engine *)v;
    int reason;
    if (answer >= 0)
        reg_write(e, REG_R0, (uint32_t)answer);
    reason = vcpu_run(v);
    for (int i = 0; i < 8; i++)
        core[i] = reg_read(e, REG_R0 + i);
    if (reason == STOP_EXCEPTION && v->trap == TRAP_SWI)
        v->cycles += charge;
    return reason;
}
