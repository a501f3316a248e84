/* Signals: who gets one, what it does, and how a handler is called.

   A signal is a bit in `pending` until its process is about to run; then signal_deliver lets it end or stop the process, or
   puts a frame on its stack, with all its registers, and lets it run the handler. The handler returns to the restorer, which
   calls sigreturn, which takes the registers from the frame. The frame is Linux's for ARM, so that a library finds what it
   expects. */
#include "kernel.h"

enum { PSR_THUMB = 0x20, PSR_USER = 0x10, PSR_MODE = 0x9f /* with I */, FRAME_CALL = 119, INFO_FRAME_CALL = 173 };
#define PSR_FREE 0xfe0ffe20u /* what a process may change of its PSR: flags, GE, E, IT and Thumb (DDI 0406C, B1.3.3) */
#define PSR_IT 0x0600fc00u

/* What sigreturn reads: ucontext up to its mask; then 120 unused bytes and 512 for coprocessors, which are not used here. */
struct context {
    u32 flags, link, stack, stack_flags, stack_size;
    u32 trap, error, old_mask;
    struct registers registers;
    u32 fault_address;
    u32 mask[2];
};
enum { CONTEXT_SIZE = sizeof(struct context) + 120 + 512, RETURN_CODE = 16 };
struct info {
    u32 signal, error;
    int code;
    u32 value, user, status, rest[26]; /* value: a pid, or an address */
};

/* ---- sending */

enum effect { END, IGNORE, STOP };
static enum effect default_effect(u32 signal)
{
    switch (signal) {
    case SIGCHLD: case SIGURG: case SIGWINCH: case SIGCONT: return IGNORE;
    case SIGSTOP: case SIGTSTP: case SIGTTIN: case SIGTTOU: return STOP;
    default: return END;
    }
}

int signal_ignored(const struct process *process, int signal)
{
    u32 handler = process->signals.action[signal].handler;
    return handler == SIG_IGN || (handler == SIG_DFL && default_effect((u32)signal) == IGNORE);
}

static u64 deliverable(const struct process *process)
{
    u64 found = process->signals.pending & ~(process->signals.blocked & ~signal_unblockable());
    for (int signal = 1; found && signal <= SIGNALS; signal++)
        if (found & signal_bit((u32)signal) && signal_ignored(process, signal))
            found &= ~signal_bit((u32)signal);
    return found;
}

int signal_pending(const struct process *process) { return process->signals.pending && deliverable(process); }

static void continue_stopped(struct process *process)
{
    if (process->state != STOPPED)
        return;
    enum { CLD_CONTINUED = 6 };
    process->state = READY;
    process->change = 0xffff;
    process_tell_parent(process, CLD_CONTINUED, SIGCONT);
}

void signal_send_with(struct process *process, int signal, struct signal_cause cause)
{
    struct signals *signals = &process->signals;
    u64 stops = signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU);
    if (process->state == FREE || process->state == ZOMBIE || signal < 1 || signal > SIGNALS)
        return;
    if (signal == SIGCONT || signal == SIGKILL)
        continue_stopped(process);
    if (signal == SIGCONT)
        signals->pending &= ~stops;
    if (signal_bit((u32)signal) & stops)
        signals->pending &= ~signal_bit(SIGCONT);
    int blocked = (signals->blocked & ~signal_unblockable() & signal_bit((u32)signal)) != 0;
    if (!blocked && signal_ignored(process, signal))
        return;
    if (!(signals->pending & signal_bit((u32)signal)))
        signals->cause[signal] = cause;
    signals->pending |= signal_bit((u32)signal);
    if (!blocked)
        process_ended_waiting(process);
}

void signal_send(struct process *process, int signal)
{
    signal_send_with(process, signal, (struct signal_cause){0, (u32)current->pid, 0});
}

void signal_force(struct process *process, int signal, struct signal_cause cause)
{
    struct signals *signals = &process->signals;
    struct signal_action *action = &signals->action[signal];
    if (action->handler == SIG_IGN || signals->blocked & signal_bit((u32)signal))
        action->handler = SIG_DFL;
    signals->blocked &= ~signal_bit((u32)signal);
    signals->pending |= signal_bit((u32)signal);
    signals->cause[signal] = cause;
}

void signal_exec(struct process *process)
{
    for (u32 signal = 1; signal <= SIGNALS; signal++) {
        struct signal_action *action = &process->signals.action[signal];
        *action = (struct signal_action){.handler = action->handler == SIG_IGN ? SIG_IGN : SIG_DFL};
    }
    process->signals.stack_size = 0;
}

/* ---- handlers */

/* Calls that end with the handler, whatever SA_RESTART says: what they wait for is the signal, or a time that is running. */
static int may_restart(u32 call)
{
    /* pause, select, nanosleep, poll, rt_sigsuspend, clock_nanosleep, pselect6, ppoll */
    static const u16 never[] = {29, 142, 162, 168, 179, 265, 335, 336};
    for (u32 i = 0; i < sizeof never / sizeof *never; i++)
        if (never[i] == call)
            return 0;
    return 1;
}

static void restart_call(struct registers *registers, u32 flags)
{
    if (!(flags & SA_RESTART) || !may_restart(registers->r[7]))
        return;
    registers->r[0] = current->argument;
    registers->pc -= registers->psr & PSR_THUMB ? 2 : 4;
}

int signal_on_stack(const struct signals *signals, u32 sp) { return sp - signals->stack - 1 < signals->stack_size; }

static struct context context_of(struct process *process, u32 signal)
{
    struct signals *signals = &process->signals;
    u64 mask = signals->suspended ? signals->saved : signals->blocked;
    struct context context = {.registers = process->registers};
    context.registers.psr = (context.registers.psr & PSR_FREE) | PSR_USER;
    context.stack = signals->stack;
    context.stack_size = signals->stack_size;
    context.stack_flags = signals->stack_size ? (u32)signal_on_stack(signals, process->registers.sp) : 2; /* SS_DISABLE */
    context.fault_address = signals->cause[signal].value;
    context.old_mask = context.mask[0] = (u32)mask;
    context.mask[1] = (u32)(mask >> 32);
    return context;
}

/* Writes the frame: siginfo if it was asked for, the context, and code that calls sigreturn for who has no restorer. */
static int write_frame(struct process *process, u32 signal, u32 frame, int with_info)
{
    const struct signal_cause *cause = &process->signals.cause[signal];
    struct context context = context_of(process, signal);
    struct info info = {.signal = signal, .code = cause->code, .value = cause->value, .status = cause->status};
    u32 return_code[] = {0xe3a07000 | (with_info ? INFO_FRAME_CALL : FRAME_CALL), 0xef000000}; /* mov r7, #n; svc #0 */
    u32 at = with_info ? frame + sizeof info : frame;
    if (with_info && copy_out(frame, &info, sizeof info))
        return -EFAULT;
    if (copy_out(at, &context, sizeof context))
        return -EFAULT;
    return copy_out(at + CONTEXT_SIZE, return_code, sizeof return_code);
}

static int enter_handler(struct process *process, u32 signal)
{
    struct signals *signals = &process->signals;
    struct signal_action *action = &signals->action[signal];
    struct registers *registers = &process->registers;
    u32 with_info = action->flags & SA_SIGINFO ? sizeof(struct info) : 0, sp = registers->sp, handler = action->handler;
    if (process->interrupted)
        restart_call(registers, action->flags);
    process->interrupted = 0;
    if (action->flags & SA_ONSTACK && signals->stack_size && !signal_on_stack(signals, sp))
        sp = signals->stack + signals->stack_size;
    u32 frame = (sp - with_info - CONTEXT_SIZE - RETURN_CODE) & ~7u;
    if (write_frame(process, signal, frame, with_info != 0))
        return -EFAULT;
    registers->r[0] = signal;
    registers->r[1] = frame;
    registers->r[2] = frame + with_info;
    registers->sp = frame;
    registers->lr = action->flags & SA_RESTORER ? action->restorer : frame + with_info + CONTEXT_SIZE;
    registers->pc = handler & (handler & 1 ? ~1u : ~3u);
    registers->psr = (registers->psr & ~(PSR_THUMB | PSR_IT)) | (handler & 1 ? PSR_THUMB : 0);
    signals->suspended = 0;
    signals->blocked |= (action->mask | (action->flags & SA_NODEFER ? 0 : signal_bit(signal))) & ~signal_unblockable();
    if (action->flags & SA_RESETHAND)
        action->handler = SIG_DFL;
    return 0;
}

/* ---- delivery */

static void stop(struct process *process, u32 signal)
{
    enum { CLD_STOPPED = 5 };
    if (!process->parent)
        return; /* nobody could ever continue the first one */
    process->state = STOPPED;
    process->change = signal << 8 | 0x7f;
    if (!(process->parent->signals.action[SIGCHLD].flags & SA_NOCLDSTOP))
        process_tell_parent(process, CLD_STOPPED, signal);
    wake(&process->parent->children);
}

static void act(struct process *process, u32 signal)
{
    u32 handler = process->signals.action[signal].handler;
    process->signals.pending &= ~signal_bit(signal);
    if (handler == SIG_DFL && default_effect(signal) == STOP)
        stop(process, signal);
    else if (handler == SIG_DFL)
        process_exit(process, (int)signal);
    else if (enter_handler(process, signal))
        process_exit(process, SIGSEGV); /* no stack to put the frame on */
}

/* A call that was interrupted, but by nothing that has a handler, goes on as if nothing had been. */
void signal_deliver(struct process *process)
{
    u64 found;
    while (process->state == READY && process->signals.pending && (found = deliverable(process))) {
        u32 signal = 1;
        while (!(found & signal_bit(signal)))
            signal++;
        act(process, signal);
    }
    if (process->interrupted && process->state != ZOMBIE && process->state != FREE) {
        process->registers.r[0] = process->argument;
        process->again = 1;
    }
    process->interrupted = 0;
}

static int fail_return(void)
{
    signal_force(current, SIGSEGV, (struct signal_cause){1, current->registers.sp, 0});
    return 0;
}

int signal_return(int with_info)
{
    u32 frame = current->registers.sp + (with_info ? sizeof(struct info) : 0);
    struct context context;
    struct registers *registers = &context.registers;
    current->has_registers = 1;
    if (frame & 3 || copy_in(&context, frame, sizeof context) || (registers->psr & PSR_MODE) != PSR_USER)
        return fail_return(); /* a forged one, perhaps */
    registers->psr = (registers->psr & PSR_FREE) | PSR_USER;
    registers->pc &= registers->psr & PSR_THUMB ? ~1u : ~3u;
    current->registers = *registers;
    current->signals.blocked = (context.mask[0] | (u64)context.mask[1] << 32) & ~signal_unblockable();
    return 0;
}
