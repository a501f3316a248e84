/* Who runs, who waits, and what time it is for them.

   Round robin: a process runs until it waits, or until a tick finds that others want to run too. A waiting process names what it
   waits for by an address, a pipe's or its own; whoever changes that wakes all who named it, and each looks for itself. The alarm
   is set only when it changes: under a hypervisor that has its price. */
#include "kernel.h"

#define QUANTUM 10000000ull /* 10 ms, in nanoseconds */

const char anything;
static struct {
    u32 turn;        /* index of who ran last */
    int over;        /* its turn is over */
    int changed;     /* the alarm has to be worked out again */
    int running;     /* somebody ran when it was worked out */
    u64 alarm, tick; /* when the machine will interrupt; when the quantum ends */
} state;

void schedule_start(void)
{
    state.tick = machine_time() + QUANTUM;
    state.changed = 1;
}

struct process *schedule(void)
{
    for (u32 i = state.over ? 1 : 0; i <= PROCESSES; i++) {
        struct process *process = &processes[(state.turn + i) % PROCESSES];
        if (process->state != READY)
            continue;
        state.turn = (u32)(process - processes);
        state.over = 0;
        return process;
    }
    return 0;
}

/* ---- waiting */

int wait_on(const void *what, u64 until)
{
    if (signal_pending(current)) {
        current->interrupted = 1;
        return -EINTR;
    }
    if (until != NEVER && machine_time() >= until)
        return 0;
    current->waits_for = what;
    current->wakes = until;
    current->state = WAITING;
    state.changed |= until != NEVER;
    return AGAIN_LATER;
}

void process_wake(struct process *process)
{
    if (process->state != WAITING)
        return;
    state.changed |= process->wakes != NEVER;
    process->state = READY;
}

void wake(const void *what)
{
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (process->state == WAITING && (process->waits_for == what || process->waits_for == &anything))
            process_wake(process);
}

int sys_pause(ARGS0()) { return wait_on(0, NEVER); }

int sys_sched_yield(ARGS0())
{
    state.over = 1;
    return 0;
}

/* ---- the clock */

/* When something has to happen by itself: a wait that ends, and the quantum's end while somebody runs. */
void schedule_alarm(int running)
{
    if (!state.changed && running == state.running)
        return;
    u64 alarm = running ? state.tick : NEVER;
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (process->state == WAITING && process->wakes < alarm)
            alarm = process->wakes;
    if (alarm != state.alarm)
        machine_alarm(alarm);
    state.alarm = alarm;
    state.changed = 0;
    state.running = running;
}

void schedule_interrupt(void)
{
    u64 now = machine_time();
    for (struct process *process = processes; process < processes + PROCESSES; process++)
        if (process->state == WAITING && process->wakes <= now)
            process_wake(process);
    if (now >= state.tick) {
        state.tick = now + QUANTUM;
        state.over = 1;
    }
    devices_interrupt();
    state.alarm = 0; /* an alarm rings once */
    state.changed = 1;
}
