/* The kernel begins here, and stays here: an event loop that lets one process run at a time.

   Each turn: who is next (schedule.c); if it waited, its call is made again (calls.c); signals it has got (signal.c); then it
   runs until the machine says why it stopped (machine.h), and trap.c deals with that. When nobody can run, the machine
   sleeps. */
#include "kernel.h"

#include "info_page.h"

struct info_page info;

void give_up(const char *why)
{
    complain("cannot go on:", why, 0);
    machine_stop(255);
}

/* One turn of the loop. */
static void run_one(struct process *process)
{
    struct trap trap;
    current = process;
    if (process->again)
        call_again();
    if (process->state == READY)
        signal_deliver();
    if (process->state != READY || process->again)
        return;
    schedule_alarm(1);
    machine_run(&process->memory->space, &process->registers, &trap);
    trap_handle(&trap);
}

void kernel_main(void)
{
    machine_start();
    memory_start();
    files_start();
    if (info.initrd_size) { /* it lies in RAM behind the image; once unpacked, its pages are as good as any */
        initramfs_unpack(at_physical(info.initrd_base), info.initrd_size);
        memory_add(rounded(info.initrd_base), (info.initrd_base + info.initrd_size) & ~(u32)(PAGE - 1));
    }
    schedule_start();
    process_start(info.args);
    for (;;) {
        struct process *next = schedule();
        if (next) {
            run_one(next);
            continue;
        }
        schedule_alarm(0);
        machine_idle();
        schedule_interrupt();
    }
}
