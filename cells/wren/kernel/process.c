/* Processes: how they come, end, and are waited for.

   A process that ends is a zombie until its parent has asked for its status; whoever loses his parent gets the first process
   as one. When the first process ends, the machine stops with its status. */
#include "kernel.h"

struct process processes[PROCESSES];
struct process *current = processes;

enum { CLD_EXITED = 1, CLD_KILLED = 2 };

struct process *process_find(int pid)
{
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (process->state != FREE && process->pid == pid)
            return process;
    return 0;
}

/* Numbers go up, and round: one that was just used does not come back soon. */
static int unused_pid(void)
{
    static int last;
    do
        last = last < 32767 ? last + 1 : 2;
    while (process_find(last));
    return last;
}

/* A slot, empty but for its pid; 0: all are taken. */
static struct process *process_new(void)
{
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (process->state == FREE) {
            clear(process, sizeof *process);
            process->pid = unused_pid();
            process->wakes = process->timer = NEVER;
            return process;
        }
    return 0;
}

void process_start(const char *path, const char *const *arguments)
{
    struct process *process = current = process_new();
    process->group = process->session = process->pid;
    process->umask = 022;
    process->state = READY;
    process->directory = root;
    inode_hold(root);
    files_start();
    int error = process_exec_first(path, arguments);
    process->has_registers = 0; /* no call is waiting for an answer */
    if (!error)
        return;
    print("wren: %s: error %d\n", path, -error);
    give_up("no first process");
}

/* ---- fork */

static void inherit(struct process *child)
{
    child->parent = current;
    child->group = current->group;
    child->session = current->session;
    child->registers = current->registers;
    child->registers.r[0] = 0;
    child->signals = current->signals;
    child->signals.pending = 0;
    child->directory = current->directory;
    child->umask = current->umask;
    child->tls = current->tls;
    copy(child->name, current->name, sizeof child->name);
    inode_hold(child->directory);
    files_fork(child);
}

static int make_child(int shares_memory)
{
    struct process *child = process_new();
    if (!child)
        return -EAGAIN;
    child->memory = shares_memory ? current->memory : memory_fork(current->memory);
    if (!child->memory)
        return -ENOMEM;
    child->memory->users += (u32)shares_memory;
    inherit(child);
    child->state = READY;
    return child->pid;
}

static int call_fork(ARGS0()) { return make_child(0); }

/* The child runs in our memory, on our stack: until it has called exec or ended, we must not. Only SIGKILL can reach us. */
static int call_vfork(ARGS0())
{
    if (!current->call.done) {
        int pid = make_child(1);
        if (pid < 0)
            return pid;
        current->call.done = (u32)pid;
    }
    struct process *child = process_find((int)current->call.done);
    int runs = child && child->parent == current && child->state != ZOMBIE && child->memory == current->memory;
    if (!runs || current->signals.pending >> (SIGKILL - 1) & 1)
        return (int)current->call.done;
    u64 blocked = current->signals.blocked;
    current->signals.blocked = ~0ull;
    int result = wait_on(&current->children, NEVER);
    current->signals.blocked = blocked;
    return result;
}

/* The two uses that make a process: fork as newer libraries spell it, and vfork. Threads are not there. */
static int call_clone(u32 flags, u32 stack, u32 c, u32 d, u32 e, u32 f)
{
    enum { CLONE_VM = 0x100, CLONE_VFORK = 0x4000 };
    if ((flags & 0xff) != SIGCHLD || stack)
        return -EINVAL;
    if ((flags & ~0xffu) == (CLONE_VM | CLONE_VFORK))
        return call_vfork(0, 0, c, d, e, f);
    return flags & ~0xffu ? -EINVAL : make_child(0);
}

/* ---- the end */

static void process_free(struct process *process)
{
    process->parent->child_ticks += process->ticks + process->child_ticks;
    process->state = FREE;
}

void process_tell_parent(struct process *process, int code, u32 status)
{
    struct process *parent = process->parent;
    if (!parent)
        return;
    signal_send_with(parent, SIGCHLD, (struct signal_cause){code, (u32)process->pid, status});
    wake(&parent->children);
}

/* A parent that has said that it does not care is not expected to wait. */
static void announce_end(struct process *process)
{
    const struct signal_action *action = &process->parent->signals.action[SIGCHLD];
    u32 killed_by = (u32)process->status & 0x7f, code = (u32)process->status >> 8 & 0xff;
    process_tell_parent(process, killed_by ? CLD_KILLED : CLD_EXITED, killed_by ? killed_by : code);
    if (action->flags & SA_NOCLDWAIT || action->handler == SIG_IGN)
        process_free(process);
}

static void leave_children(struct process *process)
{
    for (struct process *child = processes; child < processes + PROCESSES; child++) {
        if (child->state == FREE || child->parent != process)
            continue;
        child->parent = &processes[0];
        if (child->state == ZOMBIE)
            announce_end(child);
    }
}

void process_exit(struct process *process, int status)
{
    u32 killed_by = (u32)status & 0x7f;
    if (process == &processes[0])
        machine_stop(killed_by ? 128 + killed_by : (u32)status >> 8 & 0xff);
    process_ended_waiting(process);
    files_close_all(process);
    inode_release(process->directory);
    memory_release(process->memory);
    process->memory = 0;
    process->status = status;
    process->state = ZOMBIE;
    leave_children(process);
    announce_end(process);
}

static int call_exit(ARGS1(status))
{
    process_exit(current, (int)(status & 0xff) << 8);
    return 0;
}

/* ---- wait4 */

enum { WNOHANG = 1, WUNTRACED = 2, WCONTINUED = 8 };

static int is_meant(const struct process *child, int pid)
{
    return pid > 0 ? child->pid == pid : pid == -1 || child->group == (pid ? -pid : current->group);
}

static int has_news(const struct process *child, u32 options)
{
    if (child->state == ZOMBIE)
        return 1;
    return child->change && options & (child->change == 0xffff ? WCONTINUED : WUNTRACED);
}

/* Figures of use: user time only, of whole quanta. */
int process_tell_usage(u32 to, u32 ticks)
{
    u32 usage[18] = {0}, rest;
    usage[0] = (u32)divide(ticks, 100, &rest);
    usage[1] = rest * 10000;
    return to ? copy_out(to, usage, sizeof usage) : 0;
}

static int tell_news(struct process *child, u32 status, u32 usage)
{
    int news = child->state == ZOMBIE ? child->status : (int)child->change, pid = child->pid;
    if ((status && copy_out(status, &news, sizeof news)) || process_tell_usage(usage, child->ticks + child->child_ticks))
        return -EFAULT;
    child->change = 0;
    if (child->state == ZOMBIE)
        process_free(child);
    return pid;
}

static int call_wait4(ARGS4(pid, status, options, usage))
{
    int found = 0;
    if (options & ~(u32)(WNOHANG | WUNTRACED | WCONTINUED))
        return -EINVAL;
    for (struct process *child = processes; child < processes + PROCESSES; child++) {
        if (child->state == FREE || child->parent != current || !is_meant(child, (int)pid))
            continue;
        found = 1;
        if (has_news(child, options))
            return tell_news(child, status, usage);
    }
    if (!found)
        return -ECHILD;
    return options & WNOHANG ? 0 : wait_on(&current->children, NEVER);
}

/* ---- exec */

static int call_execve(ARGS3(path, arguments, environment))
{
    char name[PATH];
    int size = copy_string(name, path, sizeof name);
    return size < 0 ? size : process_exec(name, arguments, environment);
}

const struct call process_calls[] = {
    CALL(1, "exit", call_exit), CALL(2, "fork", call_fork), CALL(11, "execve", call_execve),
    CALL(114, "wait4", call_wait4), CALL(120, "clone", call_clone), CALL(190, "vfork", call_vfork),
    CALL(248, "exit_group", call_exit),
    {0, 0},
};
