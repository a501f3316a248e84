/* Signals: who gets one, what it does, and how a handler is called.

   A signal is a bit in `pending` until its process is about to run; then signal_deliver lets it end the process, or puts a frame
   on its stack, with all its registers, and lets it run the handler. The handler returns to the restorer, which calls sigreturn,
   which takes the registers from the frame. The frame is the one that Linux has for SA_SIGINFO, for all handlers. There is no
   job control: nothing stops a process, and SIGSTOP is ignored. */
#include "kernel.h"

enum { SIG_DFL = 0, SIG_IGN = 1 }; /* handlers that are none */
enum { SA_RESTART = 0x10000000, SA_NODEFER = 0x40000000 };
#define SA_RESETHAND 0x80000000u
enum { PSR_MODE = 0x9f /* with I */, SET_SIZE = 8 };
#define PSR_FREE 0xfe0ffe20u /* what a process may change of its PSR: flags, GE, E, IT and Thumb (DDI 0406C, B1.3.3) */
#define PSR_IT 0x0600fc00u
#define UNBLOCKABLE (1u << (SIGKILL - 1) | 1u << (SIGSTOP - 1))

/* siginfo, then ucontext, which ends with 120 unused bytes and 512 for coprocessors, which are not used here. */
struct frame {
    u32 signal, error, code, address, rest[28];
    struct context {
        u32 flags, link, stack[3];
        u32 trap, error, old_mask;
        struct registers registers;
        u32 fault_address;
        u32 mask[2];
    } context;
};
enum { FRAME_SIZE = sizeof(struct frame) + 120 + 512 };

/* ---- sending */

/* By itself it does nothing: what tells of a child, of a window, of urgent data, and all of job control. And without a handler
   the first process is spared, as Linux does: nobody could go on without it. */
static int is_ignored(const struct process *process, u32 signal)
{
    u32 handler = process->signals.action[signal].handler;
    int harmless = (signal >= SIGCHLD && signal <= SIGURG) || signal == SIGWINCH || process == processes;
    return handler == SIG_IGN || (handler == SIG_DFL && harmless);
}

u32 signal_pending(const struct process *process) { return process->signals.pending & ~process->signals.blocked; }

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

void signal_force(u32 signal, u32 address)
{
    struct signals *signals = &current->signals;
    signals->address = address;
    if (signals->action[signal].handler <= SIG_IGN || signals->blocked & signal_bit(signal))
        process_exit((int)signal);
    else
        signals->pending |= signal_bit(signal);
}

void signal_exec(void)
{
    struct signal_action *action = current->signals.action;
    for (u32 signal = 1; signal <= SIGNALS; signal++)
        if (action[signal].handler != SIG_IGN)
            clear(&action[signal], sizeof *action);
}

/* ---- handlers */

/* Calls that end with the handler, whatever SA_RESTART says: what they wait for is the signal, or a time that is running. */
static void restart_call(struct registers *registers, u32 flags)
{
    enum { PAUSE = 29, SELECT = 142, NANOSLEEP = 162 };
    u32 call = registers->r[7];
    if (!(flags & SA_RESTART) || call == PAUSE || call == SELECT || call == NANOSLEEP)
        return;
    registers->r[0] = current->argument;
    registers->pc -= registers->psr & PSR_THUMB ? 2 : 4;
}

static int enter_handler(u32 signal)
{
    struct signals *signals = &current->signals;
    struct signal_action *action = &signals->action[signal];
    struct registers *registers = &current->registers;
    u32 at = (registers->sp - FRAME_SIZE) & ~7u, handler = action->handler;
    if (current->interrupted)
        restart_call(registers, action->flags);
    current->interrupted = 0; /* once, if there are several */
    struct frame frame = {.signal = signal, .address = signals->address, .context = {.registers = *registers}};
    frame.context.registers.psr = (registers->psr & PSR_FREE) | PSR_USER;
    frame.context.fault_address = signals->address;
    frame.context.old_mask = frame.context.mask[0] = signals->blocked;
    if (copy_out(at, &frame, sizeof frame))
        return -EFAULT;
    registers->r[0] = signal;
    registers->r[1] = at;
    registers->r[2] = at + (u32)((u8 *)&frame.context - (u8 *)&frame);
    registers->sp = at;
    registers->lr = action->restorer;
    registers->pc = handler & (handler & 1 ? ~1u : ~3u);
    registers->psr = (registers->psr & ~(PSR_THUMB | PSR_IT)) | (handler & 1 ? PSR_THUMB : 0);
    signals->blocked |= (action->mask[0] | (action->flags & SA_NODEFER ? 0 : signal_bit(signal))) & ~UNBLOCKABLE;
    if (action->flags & SA_RESETHAND)
        action->handler = SIG_DFL;
    return 0;
}

/* ---- delivery. What was blocked and ignored until now is only forgotten. */

void signal_deliver(void)
{
    u32 found;
    while (current->state == READY && (found = signal_pending(current))) {
        u32 signal = 1;
        while (!(found & signal_bit(signal)))
            signal++;
        current->signals.pending &= ~signal_bit(signal);
        if (is_ignored(current, signal))
            continue;
        if (current->signals.action[signal].handler == SIG_DFL)
            process_exit((int)signal);
        else if (enter_handler(signal))
            process_exit(SIGSEGV); /* no stack to put the frame on */
    }
}

/* ---- system calls */

/* Both calls of this name: there is one kind of frame. */
int sys_sigreturn(ARGS0())
{
    struct frame frame;
    struct registers *registers = &frame.context.registers;
    u32 at = current->registers.sp;
    if (at & 3 || copy_in(&frame, at, sizeof frame) || (registers->psr & PSR_MODE) != PSR_USER) {
        process_exit(SIGSEGV); /* a forged one, perhaps */
        return 0;
    }
    registers->psr = (registers->psr & PSR_FREE) | PSR_USER;
    registers->pc &= registers->psr & PSR_THUMB ? ~1u : ~3u;
    current->registers = *registers;
    current->signals.blocked = frame.context.mask[0] & ~UNBLOCKABLE;
    return (int)registers->r[0];
}

int sys_rt_sigaction(ARGS4(signal, new, old, size))
{
    if (signal < 1 || signal > SIGNALS || size != SET_SIZE || (new && signal_bit(signal) & UNBLOCKABLE))
        return -EINVAL;
    struct signal_action *action = &current->signals.action[signal], was = *action, wanted = was;
    if ((new && copy_in(&wanted, new, sizeof wanted)) || (old && copy_out(old, &was, sizeof was)))
        return -EFAULT;
    *action = wanted;
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

/* 0: one's own group, in which is everybody but the first process; -1: all others. */
int sys_kill(ARGS2(pid, signal))
{
    int found = 0, to = (int)pid;
    if (signal > SIGNALS)
        return -EINVAL;
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (process->state != FREE && (to > 0 ? process->pid == to : to >= -1 && process != processes && (!to || process != current))) {
            signal_send(process, signal);
            found = 1;
        }
    return found ? 0 : -ESRCH;
}
