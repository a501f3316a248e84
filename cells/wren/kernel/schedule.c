/* Who runs, who waits, and what time it is for them.

   Round robin: a process runs until it waits, or until a tick finds that others want to run too. The clock is asked only when
   something depends on it, and the alarm is set only when it changes: under a hypervisor both have their price. */
#include "kernel.h"

#define QUANTUM 10000000ull /* 10 ms, in nanoseconds */

static struct {
    u32 turn;       /* index of who ran last */
    int over;       /* its turn is over */
    int changed;    /* the alarm has to be worked out again */
    int running;    /* somebody ran when it was worked out */
    u64 alarm, tick; /* when the machine will interrupt; when the quantum ends */
} state;

void schedule_start(void)
{
    state.tick = machine_time() + QUANTUM;
    state.changed = 1;
}

struct process *schedule(void)
{
    struct process *last = &processes[state.turn];
    if (last->state == READY && !state.over)
        return last;
    state.over = 0;
    for (u32 i = 1; i <= PROCESSES; i++) {
        u32 index = (state.turn + i) % PROCESSES;
        if (processes[index].state != READY)
            continue;
        state.turn = index;
        return &processes[index];
    }
    return 0;
}

void schedule_yield(void) { state.over = 1; }
void schedule_changed(void) { state.changed = 1; }

/* ---- waiting */

static void join(struct queue *queue, struct process *process)
{
    process->waits_on = queue;
    process->next_waiting = 0;
    if (!queue)
        return;
    struct process **last = &queue->first;
    while (*last)
        last = &(*last)->next_waiting;
    *last = process;
}

int wait_on(struct queue *queue, u64 until)
{
    if (signal_pending(current))
        return -EINTR;
    if (until != NEVER && machine_time() >= until)
        return 0;
    join(queue, current);
    current->wakes = until;
    current->state = WAITING;
    state.changed |= until != NEVER;
    return AGAIN_LATER;
}

void process_ended_waiting(struct process *process)
{
    struct queue *queue = process->waits_on;
    if (process->state != WAITING)
        return;
    for (struct process **at = queue ? &queue->first : 0; at && *at; at = &(*at)->next_waiting)
        if (*at == process) {
            *at = process->next_waiting;
            break;
        }
    state.changed |= process->wakes != NEVER;
    process->waits_on = 0;
    process->next_waiting = 0;
    process->wakes = NEVER;
    process->state = READY;
}

void wake(struct queue *queue)
{
    while (queue->first)
        process_ended_waiting(queue->first);
}

/* ---- the clock */

/* When something has to happen by itself: a wait or a timer that ends, and the quantum's end while somebody runs. */
static u64 next_event(int running)
{
    u64 first = running ? state.tick : NEVER;
    for (struct process *process = processes; process < processes + PROCESSES; process++) {
        if (process->state == WAITING && process->wakes < first)
            first = process->wakes;
        if (process->state != FREE && process->state != ZOMBIE && process->timer < first)
            first = process->timer;
    }
    return first;
}

void schedule_alarm(int running)
{
    if (!state.changed && running == state.running)
        return;
    u64 alarm = next_event(running);
    if (alarm != state.alarm)
        machine_alarm(alarm);
    state.alarm = alarm;
    state.changed = 0;
    state.running = running;
}

/* setitimer: the next time is counted from the last, not from now, so that it does not drift. */
static void ring(struct process *process, u64 now)
{
    u64 period = process->timer_period;
    process->timer = period ? process->timer + period : NEVER;
    if (process->timer <= now)
        process->timer = now + period; /* far too late: the missed ones are one */
    signal_send(process, SIGALRM);
}

void schedule_interrupt(void)
{
    u64 now = machine_time();
    for (struct process *process = processes; process < processes + PROCESSES; process++) {
        if (process->state == FREE || process->state == ZOMBIE)
            continue;
        if (process->timer <= now)
            ring(process, now);
        if (process->state == WAITING && process->wakes <= now)
            process_ended_waiting(process);
    }
    if (now >= state.tick) {
        state.tick = now + QUANTUM;
        state.over = 1;
        if (state.running)
            current->ticks++;
    }
    console_interrupt();
    devices_interrupt();
    state.alarm = 0; /* an alarm rings once */
    state.changed = 1;
}
