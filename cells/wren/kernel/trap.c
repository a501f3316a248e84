/* Why a process stopped running, and what that means for it: a call, a page that has to be made, its own mistake, or nothing
   of its own. */
#include "kernel.h"

enum { PSR_THUMB = 0x20, PATIENCE = 8 };

/* Up to ARMv5 the CPU does not say if an access was a write: the instruction does. Bit 20 of ARM's loads and stores, single,
   multiple or to a coprocessor, is 1 for a load (DDI 0100I, A3.11, A3.12); of the others LDRD has bits 7..4 1101; SWP writes.
   */
static u32 arm_access(u32 instruction)
{
    int extra = (instruction & 0x0e000090) == 0x00000090;
    if (extra && (instruction & 0xf0) == 0xd0 && !(instruction >> 20 & 1))
        return READABLE; /* LDRD */
    return instruction >> 20 & 1 ? READABLE : WRITABLE;
}

/* Thumb: bit 11 is 1 for a load; with a register offset, codes 3 and above of bits 11..9 are; what is relative to pc can only
   be read (A6.5, A7.1). */
static u32 thumb_access(u32 instruction)
{
    if (instruction >> 12 == 5)
        return (instruction >> 9 & 7) >= 3 ? READABLE : WRITABLE;
    return instruction >> 11 & 1 ? READABLE : WRITABLE;
}

static u32 access_of(const struct registers *registers, const struct trap *trap)
{
    u32 instruction = 0, thumb = registers->psr & PSR_THUMB;
    if (trap->access)
        return trap->access;
    if (copy_in(&instruction, registers->pc, thumb ? 2 : 4))
        return READABLE;
    return thumb ? thumb_access(instruction) : arm_access(instruction);
}

/* The same fault again and again: the machine has no room left for the table that would end it. */
static int is_hopeless(u32 address)
{
    current->faults = current->fault == address ? current->faults + 1 : 0;
    current->fault = address;
    return current->faults > PATIENCE;
}

static void page_fault(const struct trap *trap)
{
    int signal = region_fault(current->memory, trap->address, access_of(&current->registers, trap));
    if (!signal && is_hopeless(trap->address))
        signal = SIGKILL;
    if (signal == SIGKILL)
        print("wren: no memory for process %d\n", current->pid);
    if (signal)
        signal_force(current, (u32)signal, trap->address);
}

void trap_handle(const struct trap *trap)
{
    if (trap->kind != TRAP_FAULT)
        current->fault = 0;
    switch (trap->kind) {
    case TRAP_SYSTEM_CALL: call_begin(); break;
    case TRAP_FAULT: page_fault(trap); break;
    case TRAP_UNDEFINED: signal_force(current, SIGILL, current->registers.pc); break;
    case TRAP_ALIGNMENT: signal_force(current, SIGBUS, trap->address); break;
    default: schedule_interrupt();
    }
}
