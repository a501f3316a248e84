/* Signals: who gets one, what it does, and how a handler is called.

   A signal is a bit in `pending` until its process is about to run; then signal_deliver lets it end the process, or puts a frame
   on its stack, with all its registers, and lets it run the handler. The handler returns to the restorer, which calls sigreturn,
   which takes the registers from the frame. The frame is Linux's for ARM, so that a library finds what it expects. There is no
   job control: nothing stops a process, and SIGSTOP is ignored. */
#include "kernel.h"

enum { SIG_DFL = 0, SIG_IGN = 1 }; /* handlers that are none */
enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000, SA_RESTART = 0x10000000, SA_NODEFER = 0x40000000 };
#define SA_RESETHAND 0x80000000u
enum { PSR_THUMB = 0x20, PSR_USER = 0x10, PSR_MODE = 0x9f /* with I */, FRAME_CALL = 119, INFO_FRAME_CALL = 173, SET_SIZE = 8 };
#define PSR_FREE 0xfe0ffe20u /* what a process may change of its PSR: flags, GE, E, IT and Thumb (DDI 0406C, B1.3.3) */
#define PSR_IT 0x0600fc00u
#define UNBLOCKABLE (1u << (SIGKILL - 1) | 1u << (SIGSTOP - 1))

/* What sigreturn reads: ucontext up to its mask; then 120 unused bytes and 512 for coprocessors, which are not used here. */
struct context {
    u32 flags, link, stack[3];
    u32 trap, error, old_mask;
    struct registers registers;
    u32 fault_address;
    u32 mask[2];
};
enum { CONTEXT_SIZE = sizeof(struct context) + 120 + 512, RETURN_CODE = 8 };
struct info {
    u32 signal, error, code, address, rest[28];
};

/* ---- sending */

/* By itself it does nothing: what tells of a child, of a window, of urgent data, and all of job control. And without a handler
   the first process is spared, as Linux does: nobody could go on without it. */
static int is_ignored(const struct process *process, u32 signal)
{
    u32 handler = process->signals.action[signal].handler;
    int harmless = (signal >= SIGCHLD && signal <= SIGURG) || signal == SIGWINCH || process == processes;
    return handler == SIG_IGN || (handler == SIG_DFL && harmless);
}

static u32 deliverable(const struct process *process)
{
    u32 found = process->signals.pending & ~process->signals.blocked;
    for (u32 signal = 1; found && signal <= SIGNALS; signal++)
        if (found & signal_bit(signal) && is_ignored(process, signal))
            found &= ~signal_bit(signal);
    return found;
}

int signal_pending(const struct process *process) { return process->signals.pending && deliverable(process); }

void signal_send(struct process *process, u32 signal)
{
    struct signals *signals = &process->signals;
    if (process->state == FREE || process->state == ZOMBIE || !signal)
        return;
    if (!is_ignored(process, signal) || signals->blocked & signal_bit(signal))
        signals->pending |= signal_bit(signal);
    if (signal_pending(process))
        process_wake(process);
}

void signal_force(struct process *process, u32 signal, u32 address)
{
    struct signals *signals = &process->signals;
    signals->address = address;
    if (signals->action[signal].handler <= SIG_IGN || signals->blocked & signal_bit(signal))
        process_exit(process, (int)signal);
    else
        signals->pending |= signal_bit(signal);
}

void signal_exec(struct process *process)
{
    for (u32 signal = 1; signal <= SIGNALS; signal++) {
        struct signal_action *action = &process->signals.action[signal];
        *action = (struct signal_action){.handler = action->handler == SIG_IGN ? SIG_IGN : SIG_DFL};
    }
}

/* ---- handlers */

/* Calls that end with the handler, whatever SA_RESTART says: what they wait for is the signal, or a time that is running. */
static void restart_call(struct registers *registers, u32 flags)
{
    enum { SELECT = 142, NANOSLEEP = 162 };
    u32 call = registers->r[7];
    if (!(flags & SA_RESTART) || call == SELECT || call == NANOSLEEP)
        return;
    registers->r[0] = current->argument;
    registers->pc -= registers->psr & PSR_THUMB ? 2 : 4;
}

/* Writes the frame: siginfo if it was asked for, the context, and code that calls sigreturn for who has no restorer. */
static int write_frame(struct process *process, u32 signal, u32 frame, int with_info)
{
    struct signals *signals = &process->signals;
    struct info info = {.signal = signal, .address = signals->address};
    struct context context = {.registers = process->registers, .fault_address = signals->address};
    u32 return_code[] = {0xe3a07000 | (with_info ? INFO_FRAME_CALL : FRAME_CALL), 0xef000000}; /* mov r7, #n; svc #0 */
    context.old_mask = context.mask[0] = signals->blocked;
    context.registers.psr = (context.registers.psr & PSR_FREE) | PSR_USER;
    if (with_info && copy_out(frame, &info, sizeof info))
        return -EFAULT;
    u32 at = with_info ? frame + sizeof info : frame;
    if (copy_out(at, &context, sizeof context))
        return -EFAULT;
    return copy_out(at + CONTEXT_SIZE, return_code, sizeof return_code);
}

static int enter_handler(struct process *process, u32 signal)
{
    struct signals *signals = &process->signals;
    struct signal_action *action = &signals->action[signal];
    struct registers *registers = &process->registers;
    u32 with_info = action->flags & SA_SIGINFO ? sizeof(struct info) : 0, handler = action->handler;
    if (process->interrupted)
        restart_call(registers, action->flags);
    process->interrupted = 0; /* once, if there are several */
    u32 frame = (registers->sp - with_info - CONTEXT_SIZE - RETURN_CODE) & ~7u;
    if (write_frame(process, signal, frame, with_info != 0))
        return -EFAULT;
    registers->r[0] = signal;
    registers->r[1] = frame;
    registers->r[2] = frame + with_info;
    registers->sp = frame;
    registers->lr = action->flags & SA_RESTORER ? action->restorer : frame + with_info + CONTEXT_SIZE;
    registers->pc = handler & (handler & 1 ? ~1u : ~3u);
    registers->psr = (registers->psr & ~(PSR_THUMB | PSR_IT)) | (handler & 1 ? PSR_THUMB : 0);
    signals->blocked |= (action->mask | (action->flags & SA_NODEFER ? 0 : signal_bit(signal))) & ~UNBLOCKABLE;
    if (action->flags & SA_RESETHAND)
        action->handler = SIG_DFL;
    return 0;
}

/* ---- delivery */

void signal_deliver(struct process *process)
{
    u32 found;
    while (process->state == READY && process->signals.pending && (found = deliverable(process))) {
        u32 signal = 1;
        while (!(found & signal_bit(signal)))
            signal++;
        process->signals.pending &= ~signal_bit(signal);
        if (process->signals.action[signal].handler == SIG_DFL)
            process_exit(process, (int)signal);
        else if (enter_handler(process, signal))
            process_exit(process, SIGSEGV); /* no stack to put the frame on */
    }
}

/* ---- system calls */

static int take_frame(u32 frame)
{
    struct context context;
    struct registers *registers = &context.registers;
    if (frame & 3 || copy_in(&context, frame, sizeof context) || (registers->psr & PSR_MODE) != PSR_USER) {
        process_exit(current, SIGSEGV); /* a forged one, perhaps */
        return 0;
    }
    registers->psr = (registers->psr & PSR_FREE) | PSR_USER;
    registers->pc &= registers->psr & PSR_THUMB ? ~1u : ~3u;
    current->registers = *registers;
    current->signals.blocked = context.mask[0] & ~UNBLOCKABLE;
    return (int)registers->r[0];
}

int sys_sigreturn(ARGS0()) { return take_frame(current->registers.sp); }

int sys_rt_sigreturn(ARGS0()) { return take_frame(current->registers.sp + sizeof(struct info)); }

int sys_rt_sigaction(ARGS4(signal, new, old, size))
{
    struct user_action {
        u32 handler, flags, restorer, mask[2];
    } wanted;
    if (signal < 1 || signal > SIGNALS || size != SET_SIZE || (new && signal_bit(signal) & UNBLOCKABLE))
        return -EINVAL;
    struct signal_action *action = &current->signals.action[signal];
    struct user_action was = {action->handler, action->flags, action->restorer, {action->mask, 0}};
    if ((new && copy_in(&wanted, new, sizeof wanted)) || (old && copy_out(old, &was, sizeof was)))
        return -EFAULT;
    if (!new)
        return 0;
    *action = (struct signal_action){wanted.handler, wanted.flags, wanted.restorer, wanted.mask[0]};
    if (is_ignored(current, signal))
        current->signals.pending &= ~signal_bit(signal);
    return 0;
}

int sys_rt_sigprocmask(ARGS4(how, new, old, size))
{
    u32 was[2] = {current->signals.blocked, 0}, set[2] = {0, 0};
    if (size != SET_SIZE || (new && how > 2))
        return -EINVAL;
    if ((new && copy_in(set, new, sizeof set)) || (old && copy_out(old, was, sizeof was)))
        return -EFAULT;
    u32 masks[] = {was[0] | set[0], was[0] & ~set[0], set[0]}; /* SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK */
    if (new)
        current->signals.blocked = masks[how] & ~UNBLOCKABLE;
    return 0;
}

/* -1, or 0 for one's own group: everybody is in one group, and the first process in none. */
int sys_kill(ARGS2(pid, signal))
{
    int found = 0;
    if (signal > SIGNALS)
        return -EINVAL;
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (process->state != FREE && ((int)pid > 0 ? process->pid == (int)pid : process != processes)) {
            signal_send(process, signal);
            found = 1;
        }
    return found ? 0 : -ESRCH;
}
