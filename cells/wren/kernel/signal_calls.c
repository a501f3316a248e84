/* System calls about signals: what to do with them, which are held back, waiting for them, sending them. */
#include "kernel.h"

static int call_sigreturn(ARGS0()) { return signal_return(0); }

static int call_rt_sigreturn(ARGS0()) { return signal_return(1); }

struct user_action {
    u32 handler, flags, restorer, mask[2];
};

static int call_rt_sigaction(ARGS4(signal, new, old, size))
{
    if (signal < 1 || signal > SIGNALS || size != 8 || (new && signal_bit(signal) & signal_unblockable()))
        return -EINVAL;
    struct signal_action *action = &current->signals.action[signal];
    u32 mask[] = {(u32)action->mask, (u32)(action->mask >> 32)};
    struct user_action wanted, was = {action->handler, action->flags, action->restorer, {mask[0], mask[1]}};
    if ((new && copy_in(&wanted, new, sizeof wanted)) || (old && copy_out(old, &was, sizeof was)))
        return -EFAULT;
    if (!new)
        return 0;
    *action = (struct signal_action){wanted.handler, wanted.flags, wanted.restorer, wanted.mask[0] | (u64)wanted.mask[1] << 32};
    if (signal_ignored(current, (int)signal))
        current->signals.pending &= ~signal_bit(signal);
    return 0;
}

static int call_rt_sigprocmask(ARGS4(how, new, old, size))
{
    u64 was = current->signals.blocked, set, masks[3];
    if (size != 8 || (new && how > 2))
        return -EINVAL;
    if ((new && copy_in(&set, new, sizeof set)) || (old && copy_out(old, &was, sizeof was)))
        return -EFAULT;
    if (!new)
        return 0;
    masks[0] = was | set, masks[1] = was & ~set, masks[2] = set; /* SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK */
    current->signals.blocked = masks[how] & ~signal_unblockable();
    return 0;
}

static int call_rt_sigpending(ARGS2(to, size))
{
    u64 set = current->signals.pending & current->signals.blocked;
    return size != 8 ? -EINVAL : copy_out(to, &set, sizeof set);
}

/* Another mask for as long as the call takes. A handler that ends it is entered with this one; the old one comes back with the
   handler's frame (context_of). */
int signal_suspend(u32 mask, u32 size)
{
    struct signals *signals = &current->signals;
    u64 set;
    if (size != sizeof set)
        return -EINVAL;
    if (signals->suspended)
        return 0;
    if (copy_in(&set, mask, sizeof set))
        return -EFAULT;
    signals->saved = signals->blocked;
    signals->blocked = set & ~signal_unblockable();
    signals->suspended = 1;
    return 0;
}

static int call_rt_sigsuspend(ARGS2(mask, size))
{
    int error = signal_suspend(mask, size);
    return error ? error : wait_on(0, NEVER);
}

static int call_pause(ARGS0()) { return wait_on(0, NEVER); }

static int call_sigaltstack(ARGS2(new, old))
{
    enum { ON_STACK = 1, DISABLE = 2, SMALLEST = 2048 };
    struct signals *signals = &current->signals;
    int used = signal_on_stack(signals, current->registers.sp);
    u32 was[3] = {signals->stack, signals->stack_size ? (u32)used : DISABLE, signals->stack_size}, wanted[3];
    if ((new && copy_in(wanted, new, sizeof wanted)) || (old && copy_out(old, was, sizeof was)))
        return -EFAULT;
    if (!new)
        return 0;
    if (used)
        return -EPERM;
    if (!(wanted[1] & DISABLE) && wanted[2] < SMALLEST)
        return -ENOMEM;
    signals->stack = wanted[0];
    signals->stack_size = wanted[1] & DISABLE ? 0 : wanted[2];
    return 0;
}

static int is_addressed(const struct process *process, int pid)
{
    if (process->state == FREE || pid > 0)
        return process->state != FREE && process->pid == pid;
    if (pid == -1)
        return process->parent && process != current;
    return process->group == (pid ? -pid : current->group);
}

static int call_kill(ARGS2(pid, signal))
{
    int found = 0;
    if (signal > SIGNALS)
        return -EINVAL;
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (is_addressed(process, (int)pid)) {
            found = 1;
            signal_send(process, (int)signal);
        }
    return found ? 0 : -ESRCH;
}

static int call_tkill(u32 pid, u32 signal, u32 c, u32 d, u32 e, u32 f)
{
    return (int)pid <= 0 ? -EINVAL : call_kill(pid, signal, c, d, e, f);
}

static int call_tgkill(u32 group, u32 pid, u32 signal, u32 d, u32 e, u32 f)
{
    return group != pid ? -ESRCH : call_tkill(pid, signal, 0, d, e, f);
}

const struct call signal_calls[] = {
    CALL(29, "pause", call_pause), CALL(37, "kill", call_kill), CALL(119, "sigreturn", call_sigreturn),
    CALL(173, "rt_sigreturn", call_rt_sigreturn), CALL(174, "rt_sigaction", call_rt_sigaction),
    CALL(175, "rt_sigprocmask", call_rt_sigprocmask), CALL(176, "rt_sigpending", call_rt_sigpending),
    CALL(179, "rt_sigsuspend", call_rt_sigsuspend), CALL(186, "sigaltstack", call_sigaltstack),
    CALL(238, "tkill", call_tkill), CALL(268, "tgkill", call_tgkill),
    {0, 0},
};
