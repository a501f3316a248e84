/* Processes: how they come, end, and are waited for.

   A process that ends is a zombie until its parent has asked for its status; whoever loses his parent gets the first process
   as one. When the first process ends, the machine stops with its status. */
#include "kernel.h"

enum { WNOHANG = 1, WUNTRACED = 2, WCONTINUED = 8 }; /* nobody is stopped */

struct process processes[PROCESSES];
struct process *current = processes;

/* A slot, empty but for its pid; 0: all are taken. */
static struct process *process_new(void)
{
    static int last_pid; /* numbers never come back: there are enough */
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (process->state == FREE) {
            clear(process, sizeof *process);
            process->pid = ++last_pid;
            return process;
        }
    return 0;
}

void process_start(const char *words)
{
    current = process_new();
    current->state = READY;
    files_first();
    if (process_exec_first(words))
        give_up("no first process");
}

int sys_getpid(ARGS0()) { return current->pid; }

int sys_getppid(ARGS0()) { return current->parent ? current->parent->pid : 0; }

int sys_fork(ARGS0())
{
    struct process *child = process_new();
    if (!child)
        return -EAGAIN;
    child->memory = memory_fork(current->memory);
    if (!child->memory)
        return -ENOMEM;
    child->parent = current;
    child->registers = current->registers;
    child->registers.r[0] = 0;
    child->signals = current->signals;
    child->signals.pending = 0;
    files_fork(child);
    child->state = READY;
    return child->pid;
}

/* ---- the end */

static void tell_parent(struct process *process)
{
    if (process->parent->signals.action[SIGCHLD].handler == 1) /* SIG_IGN: nobody wants to know */
        process->state = FREE;
    signal_send(process->parent, SIGCHLD);
    wake(process->parent);
}

void process_exit(int status)
{
    u32 killed_by = (u32)status & 0x7f;
    if (current == processes)
        machine_stop(killed_by ? 128 + killed_by : (u32)status >> 8 & 0xff);
    files_exit();
    memory_release(current->memory);
    current->status = status;
    current->state = ZOMBIE;
    for (struct process *child = processes; child < processes + PROCESSES; child++) {
        if (child->state == FREE || child->parent != current)
            continue;
        child->parent = processes;
        if (child->state == ZOMBIE)
            tell_parent(child);
    }
    tell_parent(current);
}

int sys_exit(ARGS1(status))
{
    process_exit((int)(status & 0xff) << 8);
    return 0;
}

/* The structure of resource usage is not filled: nobody counts it. */
int sys_wait4(ARGS4(pid, status, options, usage))
{
    int found = 0;
    if (options & ~(u32)(WNOHANG | WUNTRACED | WCONTINUED) || usage)
        return -EINVAL;
    for (struct process *child = processes; child < processes + PROCESSES; child++) {
        if (child->state == FREE || child->parent != current || ((int)pid > 0 && child->pid != (int)pid))
            continue;
        found = 1;
        if (child->state != ZOMBIE)
            continue;
        if (status && copy_out(status, &child->status, sizeof child->status))
            return -EFAULT;
        child->state = FREE;
        return child->pid;
    }
    if (!found)
        return -ECHILD;
    return options & WNOHANG ? 0 : wait_on(current, NEVER);
}

/* ---- what it can ask of the machine */

/* As Linux's, so that programs that ask find what they know; its own name is the node's. */
int sys_uname(ARGS1(to))
{
    static const char names[6][65] = {"Linux", "wren", "6.1.0-wren", "#1", "armv5tejl", "(none)"};
    return copy_out(to, names, sizeof names);
}

static void report_counts(void)
{
    machine_report("counts.runs", machine_counts.runs);
    machine_report("counts.switches", machine_counts.switches);
    machine_report("counts.table_updates", machine_counts.table_updates);
    machine_report("counts.system_calls", machine_counts.system_calls);
    machine_report("counts.faults", machine_counts.faults);
    machine_report("counts.interrupts", machine_counts.interrupts);
}

/* Our own: a figure for the monitor's account. A benchmark marks its loop by NAME.begin and NAME.end: our counts go with
   these, outside of the marks. */
int sys_report(ARGS2(name, value))
{
    char text[32];
    int size = copy_string(text, name, sizeof text);
    if (size < 0)
        return size;
    int begins = size > 6 && equal(text + size - 6, ".begin", 6), ends = size > 4 && equal(text + size - 4, ".end", 4);
    if (begins)
        report_counts();
    machine_report(text, value);
    if (ends)
        report_counts();
    return 0;
}
