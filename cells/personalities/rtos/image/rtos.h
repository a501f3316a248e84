/* The real-time kernel's calls for tasks in C. What each does: python -m cells.personalities.rtos.call_table

   An image has a `main`, which runs as a task of priority 250 and makes the others; when it returns, it has ended. Names are at most
   32 characters. Times are microseconds. Answers below zero are refusals (enum rtos_status). */
#ifndef RTOS_H
#define RTOS_H

typedef unsigned char u8;
typedef unsigned int u32;

#define RTOS_FOREVER 0xFFFFFFFFu

enum rtos_status {
    RTOS_OK = 0,
    RTOS_TIMEOUT = -1,
    RTOS_DELETED = -2,
    RTOS_FULL = -3,
    RTOS_NOT_OWNER = -4,
    RTOS_NO_OBJECT = -5,
    RTOS_NO_ROOM = -6,
    RTOS_BAD_ARGUMENT = -7,
    RTOS_DEADLOCK = -8,
    RTOS_BAD_ADDRESS = -9,
    RTOS_NO_CALL = -10,
    RTOS_IN_USE = -11,
};

enum rtos_call {
    RTOS_TASK_CREATE = 1,
    RTOS_TASK_END = 2,
    RTOS_TASK_PRIORITY = 3,
    RTOS_TASK_SELF = 4,
    RTOS_YIELD = 5,
    RTOS_SLEEP = 6,
    RTOS_NEXT_PERIOD = 7,
    RTOS_TIME = 8,
    RTOS_SEMAPHORE_CREATE = 10,
    RTOS_SEMAPHORE_TAKE = 11,
    RTOS_SEMAPHORE_GIVE = 12,
    RTOS_QUEUE_CREATE = 15,
    RTOS_QUEUE_SEND = 16,
    RTOS_QUEUE_RECEIVE = 17,
    RTOS_FLAGS_CREATE = 20,
    RTOS_FLAGS_WAIT = 21,
    RTOS_FLAGS_SET = 22,
    RTOS_FLAGS_CLEAR = 23,
    RTOS_MUTEX_CREATE = 25,
    RTOS_MUTEX_LOCK = 26,
    RTOS_MUTEX_UNLOCK = 27,
    RTOS_TIMER_CREATE = 30,
    RTOS_TIMER_START = 31,
    RTOS_TIMER_STOP = 32,
    RTOS_DELETE = 35,
    RTOS_FIND = 36,
    RTOS_PRINT = 40,
    RTOS_REPORT = 41,
    RTOS_HEARTBEAT = 42,
    RTOS_IRQ_ATTACH = 45,
    RTOS_IRQ_DONE = 46,
    RTOS_DEVICE_LOAD = 47,
    RTOS_DEVICE_STORE = 48,
    RTOS_CHANNEL_SEND = 50,
};

/* What makes a task. `period` 0: none; `deadline` 0: the period. */
struct rtos_task {
    void (*entry)(void *);
    void *argument;
    u32 priority, stack, period, deadline;
    const char *name;
};

#define RTOS_ALL 1u
#define RTOS_CLEAR 2u

static inline int rtos_call(u32 number, u32 a, u32 b, u32 c, u32 d)
{
    register u32 r0 __asm__("r0") = a;
    register u32 r1 __asm__("r1") = b;
    register u32 r2 __asm__("r2") = c;
    register u32 r3 __asm__("r3") = d;
    register u32 r7 __asm__("r7") = number;
    __asm__ volatile("svc #0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3), "r"(r7) : "memory");
    return (int)r0;
}

static inline int rtos_task(const struct rtos_task *task) { return rtos_call(RTOS_TASK_CREATE, (u32)task, 0, 0, 0); }
static inline int rtos_end(int task) { return rtos_call(RTOS_TASK_END, (u32)task, 0, 0, 0); }
static inline int rtos_priority(int task, u32 priority) { return rtos_call(RTOS_TASK_PRIORITY, (u32)task, priority, 0, 0); }
static inline int rtos_self(void) { return rtos_call(RTOS_TASK_SELF, 0, 0, 0, 0); }
static inline int rtos_yield(void) { return rtos_call(RTOS_YIELD, 0, 0, 0, 0); }
static inline int rtos_sleep(u32 us) { return rtos_call(RTOS_SLEEP, us, 0, 0, 0); }
static inline int rtos_next_period(void) { return rtos_call(RTOS_NEXT_PERIOD, 0, 0, 0, 0); }
static inline u32 rtos_time(void) { return (u32)rtos_call(RTOS_TIME, 0, 0, 0, 0); }

static inline int rtos_semaphore(const char *name, u32 count, u32 most)
{
    return rtos_call(RTOS_SEMAPHORE_CREATE, (u32)name, count, most, 0);
}
static inline int rtos_take(int semaphore, u32 us) { return rtos_call(RTOS_SEMAPHORE_TAKE, (u32)semaphore, us, 0, 0); }
static inline int rtos_give(int semaphore) { return rtos_call(RTOS_SEMAPHORE_GIVE, (u32)semaphore, 0, 0, 0); }

static inline int rtos_queue(const char *name, u32 depth) { return rtos_call(RTOS_QUEUE_CREATE, (u32)name, depth, 0, 0); }
static inline int rtos_send(int queue, const void *item, u32 length, u32 us)
{
    return rtos_call(RTOS_QUEUE_SEND, (u32)queue, (u32)item, length, us);
}
static inline int rtos_receive(int queue, void *item, u32 room, u32 us)
{
    return rtos_call(RTOS_QUEUE_RECEIVE, (u32)queue, (u32)item, room, us);
}

static inline int rtos_flags(const char *name) { return rtos_call(RTOS_FLAGS_CREATE, (u32)name, 0, 0, 0); }
static inline int rtos_wait(int flags, u32 mask, u32 options, u32 us)
{
    return rtos_call(RTOS_FLAGS_WAIT, (u32)flags, mask, options, us);
}
static inline int rtos_set(int flags, u32 bits) { return rtos_call(RTOS_FLAGS_SET, (u32)flags, bits, 0, 0); }
static inline int rtos_clear(int flags, u32 bits) { return rtos_call(RTOS_FLAGS_CLEAR, (u32)flags, bits, 0, 0); }

static inline int rtos_mutex(const char *name) { return rtos_call(RTOS_MUTEX_CREATE, (u32)name, 0, 0, 0); }
static inline int rtos_lock(int mutex, u32 us) { return rtos_call(RTOS_MUTEX_LOCK, (u32)mutex, us, 0, 0); }
static inline int rtos_unlock(int mutex) { return rtos_call(RTOS_MUTEX_UNLOCK, (u32)mutex, 0, 0, 0); }

static inline int rtos_timer(int flags, u32 bits) { return rtos_call(RTOS_TIMER_CREATE, (u32)flags, bits, 0, 0); }
static inline int rtos_start(int timer, u32 us, u32 period) { return rtos_call(RTOS_TIMER_START, (u32)timer, us, period, 0); }
static inline int rtos_stop(int timer) { return rtos_call(RTOS_TIMER_STOP, (u32)timer, 0, 0, 0); }

static inline int rtos_delete(int object) { return rtos_call(RTOS_DELETE, (u32)object, 0, 0, 0); }
static inline int rtos_find(const char *name) { return rtos_call(RTOS_FIND, (u32)name, 0, 0, 0); }
static inline int rtos_report(const char *name, u32 value) { return rtos_call(RTOS_REPORT, (u32)name, value, 0, 0); }
static inline int rtos_heartbeat(void) { return rtos_call(RTOS_HEARTBEAT, 0, 0, 0, 0); }
static inline int rtos_irq(u32 line, int flags, u32 bits) { return rtos_call(RTOS_IRQ_ATTACH, line, (u32)flags, bits, 0); }
static inline int rtos_irq_done(u32 line) { return rtos_call(RTOS_IRQ_DONE, line, 0, 0, 0); }
static inline int rtos_load(u32 address) { return rtos_call(RTOS_DEVICE_LOAD, address, 0, 0, 0); }
static inline int rtos_store(u32 address, u32 value) { return rtos_call(RTOS_DEVICE_STORE, address, value, 0, 0); }
static inline int rtos_channel_send(const char *peer, const void *message, u32 length)
{
    return rtos_call(RTOS_CHANNEL_SEND, (u32)peer, (u32)message, length, 0);
}

/* library.c */
u32 text_length(const char *text);
void print(const char *text);
void print_number(const char *text, u32 number);

int main(void);

#endif
