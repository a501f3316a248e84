/* The kernel begins here, and stays here: an event loop that lets one process run at a time.

   Each turn: who is next (schedule.c); if it waited, its call is made again (calls.c); signals it has got (signal.c); then it
   runs until the machine says why it stopped (machine.h), and trap.c deals with that. When nobody can run, the machine
   sleeps. */
#include "kernel.h"

#include "info_page.h"

enum { WORDS = 32 };

struct info_page info;

void give_up(const char *why)
{
    print("wren: %s: the end\n", why);
    machine_stop(255);
}

/* What the cell's arguments say: "init=/bin/sh -c ls" is a path and its arguments; without it, /init with whatever words
   there are. */
static const char *find_first_process(const char *words[WORDS + 2])
{
    static char text[sizeof info.args];
    const char *path = "/init";
    u32 count = 1;
    copy(text, info.args, sizeof text - 1);
    for (char *at = text; *at && count <= WORDS;) {
        char *word = at;
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            *at++ = 0;
        if (word[0] == 'i' && word[1] == 'n' && word[2] == 'i' && word[3] == 't' && word[4] == '=' && word[5])
            path = word + 5, count = 1; /* what came before it was not meant for it */
        else if (*word)
            words[count++] = word;
    }
    words[0] = path;
    words[count] = 0;
    return path;
}

/* The archive lies in RAM behind the image; once unpacked, its pages are as good as any. */
static void unpack_files(void)
{
    if (!info.initrd_size)
        return;
    initramfs_unpack(at_physical(info.initrd_base), info.initrd_size);
    u32 end = info.initrd_base + info.initrd_size;
    memory_add((info.initrd_base + PAGE - 1) & ~(u32)(PAGE - 1), end & ~(u32)(PAGE - 1));
}

/* One turn of the loop. */
static void run_one(struct process *process)
{
    struct trap trap;
    current = process;
    if (process->again)
        call_again();
    if (process->state == READY)
        signal_deliver(process);
    if (process->state != READY || process->again)
        return;
    schedule_alarm(1);
    machine_run(&process->memory->space, &process->registers, &trap);
    trap_handle(&trap);
}

void kernel_main(void)
{
    const char *words[WORDS + 2];
    machine_start();
    memory_start();
    calls_start();
    inode_start();
    console_start();
    unpack_files();
    schedule_start();
    process_start(find_first_process(words), words);
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
