/* Why a process stopped running, and what that means for it: a call, a page that has to be made, its own mistake, or nothing
   of its own. */
#include "kernel.h"

enum { PATIENCE = 8 }; /* the same fault more often: the machine has no room left for the table that would end it */

static void fault(u32 address, u32 access)
{
    int signal = page_fault(current->memory, address, access);
    current->faults = current->fault == address ? current->faults + 1 : 0;
    current->fault = address;
    if (!signal && current->faults > PATIENCE)
        signal = SIGKILL;
    if (signal == SIGKILL)
        complain("no memory for process", "", (u32)current->pid);
    if (signal)
        signal_force((u32)signal, address);
}

void trap_handle(const struct trap *trap)
{
    if (trap->kind != TRAP_FAULT)
        current->fault = 0;
    switch (trap->kind) {
    case TRAP_SYSTEM_CALL: call_begin(); break;
    case TRAP_FAULT: fault(trap->address, trap->access); break;
    case TRAP_UNDEFINED: signal_force(SIGILL, current->registers.pc); break;
    case TRAP_ALIGNMENT: signal_force(SIGBUS, trap->address); break;
    default: schedule_interrupt();
    }
}
