/* System calls that say who a process is, and where: numbers, groups and sessions, names, and the few that only ARM has. */
#include "../kernel/kernel.h"

static int call_getpid(ARGS0()) { return current->pid; }

static int call_getppid(ARGS0()) { return current->parent ? current->parent->pid : 0; }

static int call_getuid(ARGS0()) /* everybody is root */ { return 0; }

static struct process *living(u32 pid)
{
    struct process *process = pid ? process_find((int)pid) : current;
    return process && process->state != ZOMBIE ? process : 0;
}

/* Oneself and one's children may be put into a group of the same session; a session's first process stays in its own. */
static int call_setpgid(ARGS2(pid, group))
{
    struct process *process = living(pid);
    if (!process || (process != current && process->parent != current))
        return -ESRCH;
    int wanted = group ? (int)group : process->pid, known = wanted == process->pid;
    if (wanted < 0)
        return -EINVAL;
    if (process->session != current->session || process->session == process->pid)
        return -EPERM;
    for (struct process *other = processes; other < processes + PROCESSES; other++)
        known |= other->state != FREE && other->group == wanted && other->session == process->session;
    if (!known)
        return -EPERM;
    process->group = wanted;
    return 0;
}

static int call_getpgid(ARGS1(pid))
{
    struct process *process = living(pid);
    return process ? process->group : -ESRCH;
}

static int call_getpgrp(ARGS0()) { return current->group; }

static int call_getsid(ARGS1(pid))
{
    struct process *process = living(pid);
    return process ? process->session : -ESRCH;
}

static int call_setsid(ARGS0())
{
    for (struct process *other = processes; other < processes + PROCESSES; other++)
        if (other->state != FREE && other->group == current->pid)
            return -EPERM;
    return current->session = current->group = current->pid;
}

/* As Linux's, so that programs that ask find what they know; its own name is the node's. */
static int call_uname(ARGS1(to))
{
    static const char names[6][65] = {"Linux", "wren", "6.1.0-wren", "#1", "armv5tejl", "(none)"};
    return copy_out(to, names, sizeof names);
}

static int call_getrusage(ARGS2(who, to))
{
    if (who && who != ~0u)
        return -EINVAL;
    return to ? process_tell_usage(to, who ? current->child_ticks : current->ticks) : -EFAULT;
}

/* No way to stop the machine but to end its first process: the cell's status is that process's. */
static int call_reboot(ARGS0()) { return -EPERM; }

/* Threads of one process each: the thread pointer is remembered for who asks by get_tls. */
static int call_set_tls(ARGS1(value))
{
    current->tls = value;
    return 0;
}

static int call_get_tls(ARGS0()) { return (int)current->tls; }

/* The engine sees to it that written code is executed as written. */
static int call_cacheflush(ARGS2(start, end)) { return end < start ? -EINVAL : 0; }

static void report_counts(void)
{
    machine_report("counts.runs", machine_counts.runs);
    machine_report("counts.switches", machine_counts.switches);
    machine_report("counts.table_updates", machine_counts.table_updates);
    machine_report("counts.system_calls", machine_counts.system_calls);
    machine_report("counts.faults", machine_counts.faults);
    machine_report("counts.interrupts", machine_counts.interrupts);
}

static int ends_with(const char *text, u32 size, const char *end)
{
    return size >= length(end) && same(text + size - length(end), end);
}

/* Our own: a figure for the monitor's account. A benchmark marks its loop by NAME.begin and NAME.end: our counts go with
   these, outside of the marks. */
static int call_report(ARGS2(name, value))
{
    char text[32];
    int size = copy_string(text, name, sizeof text);
    if (size < 0)
        return size;
    if (ends_with(text, (u32)size, ".begin"))
        report_counts();
    machine_report(text, value);
    if (ends_with(text, (u32)size, ".end"))
        report_counts();
    return 0;
}

const struct call identity_calls[] = {
    CALL(20, "getpid", call_getpid), CALL(24, "getuid", call_getuid), CALL(47, "getgid", call_getuid),
    CALL(49, "geteuid", call_getuid), CALL(50, "getegid", call_getuid), CALL(57, "setpgid", call_setpgid),
    CALL(64, "getppid", call_getppid), CALL(65, "getpgrp", call_getpgrp), CALL(66, "setsid", call_setsid),
    CALL(77, "getrusage", call_getrusage), CALL(88, "reboot", call_reboot), CALL(122, "uname", call_uname),
    CALL(132, "getpgid", call_getpgid), CALL(147, "getsid", call_getsid), CALL(199, "getuid32", call_getuid),
    CALL(200, "getgid32", call_getuid), CALL(201, "geteuid32", call_getuid), CALL(202, "getegid32", call_getuid),
    CALL(224, "gettid", call_getpid), CALL(256, "set_tid_address", call_getpid),
    CALL(0xf0002, "cacheflush", call_cacheflush), CALL(0xf0005, "set_tls", call_set_tls),
    CALL(0xf0006, "get_tls", call_get_tls), CALL(0xf0100, "report", call_report),
    {0, 0},
};
