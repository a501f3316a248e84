/* System calls: from the number in r7 to a function, and what becomes of its answer.

   A call that has to wait answers AGAIN_LATER: the registers stay as the process left them, and when it is woken the kernel
   makes the call again with the same arguments, until it has an answer. */
#include "kernel.h"

enum { REPORT = 0xf0100 }; /* our own, among the numbers that only ARM has */

system_call sys_exit, sys_fork, sys_read, sys_write, sys_open, sys_close, sys_unlink, sys_execve, sys_lseek, sys_getpid,
    sys_pause, sys_kill, sys_mkdir, sys_dup, sys_pipe, sys_brk, sys_dup2, sys_getppid, sys_gettimeofday, sys_munmap, sys_wait4,
    sys_sigreturn, sys_uname, sys_select, sys_sched_yield, sys_nanosleep, sys_rt_sigaction, sys_rt_sigprocmask, sys_mmap2,
    sys_stat, sys_fstat, sys_getdents, sys_clock_gettime, sys_socket, sys_bind, sys_connect, sys_listen, sys_accept, sys_report;

/* Linux's numbers (arch/arm/tools/syscall.tbl). What is not here is ENOSYS. */
static system_call *const calls[] = {
    [1] = sys_exit, [2] = sys_fork, [3] = sys_read, [4] = sys_write, [5] = sys_open, [6] = sys_close, [10] = sys_unlink,
    [11] = sys_execve, [19] = sys_lseek, [20] = sys_getpid, [29] = sys_pause, [37] = sys_kill, [39] = sys_mkdir,
    [41] = sys_dup, [42] = sys_pipe, [45] = sys_brk, [63] = sys_dup2, [64] = sys_getppid, [78] = sys_gettimeofday,
    [91] = sys_munmap, [114] = sys_wait4, [119] = sys_sigreturn, [122] = sys_uname, [142] = sys_select,
    [158] = sys_sched_yield, [162] = sys_nanosleep,
    [173] = sys_sigreturn, /* rt_sigreturn */
    [174] = sys_rt_sigaction, [175] = sys_rt_sigprocmask, [192] = sys_mmap2, [195] = sys_stat, [197] = sys_fstat,
    [217] = sys_getdents, [248] = sys_exit, /* exit_group */
    [263] = sys_clock_gettime, [281] = sys_socket, [282] = sys_bind, [283] = sys_connect, [284] = sys_listen,
    [285] = sys_accept,
};

static int sys_none(ARGS0()) { return -ENOSYS; }

void call_again(void)
{
    u32 *r = current->registers.r, is_known = r[7] < sizeof calls / sizeof *calls && calls[r[7]];
    system_call *call = is_known ? calls[r[7]] : r[7] == REPORT ? sys_report : sys_none;
    current->interrupted = 0;
    int result = call(r[0], r[1], r[2], r[3], r[4], r[5]);
    current->again = current->state == WAITING && result == AGAIN_LATER;
    current->interrupted &= result == -EINTR; /* not if half of it was done */
    if (!current->again)
        r[0] = (u32)result;
}

void call_begin(void)
{
    clear(&current->call, sizeof current->call);
    current->argument = current->registers.r[0];
    call_again();
}
