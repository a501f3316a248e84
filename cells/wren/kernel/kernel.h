/* The kernel's own parts, as they know each other. Errors are negative numbers of errno.h; user addresses are u32, kernel
   addresses are pointers, so that the two cannot be mixed up.

   Nothing here blocks: a system call that has to wait puts its process on a queue by `wait_on` and returns AGAIN_LATER; once it is
   woken, the kernel makes the same call for it again before it runs. What such a call must remember is in `process->call`. */
#ifndef WREN_KERNEL_H
#define WREN_KERNEL_H

#include "../files/file.h"
#include "../machine/machine.h"
#include "errno.h"

#pragma GCC visibility push(hidden)

enum { PROCESSES = 64, FILES = 32, SIGNALS = 32, PATH = 256, NAME = 64, ARGUMENTS = 32 * 1024 };
enum { AGAIN_LATER = -4096 }; /* of a system call: the process waits, and will make it again */
#define NEVER (~0ull)
struct info_page;
extern struct info_page info; /* main.c: the kernel's copy, made by the start code before kernel_main */
void give_up(const char *why) __attribute__((noreturn)); /* main.c: the kernel cannot go on */

/* ---- memory.c: pages of RAM with a count of users, and small pieces of them */
void memory_start(void);
void memory_add(u32 start, u32 end); /* physical: pages that nobody uses any more */
u32 page_take(void);        /* physical address of an empty page with one user; 0: none is left */
void page_share(u32 page);  /* one user more */
void page_release(u32 page);
u32 page_users(u32 page);
u32 pages_free(void);
void *take(u32 size);       /* zeroed; 0: none is left. At most a page */
void give_back(void *piece);

/* ---- region.c: what a process has mapped, page by page */
struct inode;
struct region {
    u32 start, end, rights, shared; /* READABLE...; SHARED... */
    u32 offset;                     /* of `start` in the file */
    struct inode *inode;            /* 0: anonymous */
    u32 *pages[32];                 /* leaves of 1024 words: physical page | COPY_ON_WRITE */
    struct region *next;            /* by address */
};
enum { SHARED = 1, NEVER_WRITE = 2 }; /* others see what is written; mprotect cannot make it writable */
enum { REGION_LIMIT = 128 << 20 };    /* what its leaves can hold */
struct memory {
    struct space space;
    struct region *regions;
    u32 brk_start, brk_end;
    u32 users, region_count; /* users: processes, two between vfork and exec */
};
enum { STACK_LIMIT = 8 << 20, MAPPINGS = 0x40000000 }; /* mmap searches from MAPPINGS upwards to the stack */
#define USER_END 0xbf000000u /* the stack's end, and all of a process's memory */

/* ---- signal.c */
struct signal_action {
    u32 handler, flags, restorer;
    u64 mask;
};
enum { SIG_DFL = 0, SIG_IGN = 1 }; /* handlers that are none */
enum { SA_NOCLDSTOP = 1, SA_NOCLDWAIT = 2, SA_SIGINFO = 4, SA_ONSTACK = 0x08000000, SA_RESTART = 0x10000000 };
enum { SA_NODEFER = 0x40000000 };
#define SA_RESETHAND 0x80000000u
#define SA_RESTORER 0x04000000u
struct signal_cause {
    int code;
    u32 value, status; /* pid, status of a child; address of a fault */
};
struct signals {
    u64 pending, blocked, saved; /* bit number - 1. saved: of sigsuspend */
    int suspended;
    u32 stack, stack_size; /* sigaltstack; size 0: none */
    struct signal_action action[SIGNALS + 1];
    struct signal_cause cause[SIGNALS + 1];
};
enum {
    SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7, SIGFPE = 8, SIGKILL = 9, SIGSEGV = 11,
    SIGPIPE = 13, SIGALRM = 14, SIGTERM = 15, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19, SIGTSTP = 20, SIGTTIN = 21, SIGTTOU = 22,
    SIGURG = 23, SIGWINCH = 28,
};

/* ---- process.c */
struct queue {
    struct process *first;
};
enum process_state { FREE, READY, WAITING, STOPPED, ZOMBIE };
struct process {
    int pid, group, session, status; /* status: as wait4 tells it */
    enum process_state state;
    struct process *parent;
    struct registers registers;
    struct memory *memory;
    struct signals signals;
    struct file *files[FILES];
    u32 close_on_exec;       /* bit per file */
    struct inode *directory; /* working directory */
    u32 umask;
    char name[16];
    struct queue *waits_on;
    struct process *next_waiting;
    u64 wakes;               /* when its wait ends by itself; NEVER */
    u64 timer, timer_period; /* setitimer(ITIMER_REAL), absolute; NEVER */
    struct {
        u64 deadline;        /* of the call that is made again; 0: not set yet */
        u32 done, pointer;   /* the call's own */
    } call;                  /* all zero when a new call begins */
    int again, interrupted;  /* its call is to be made again; its last call ended with -EINTR */
    int has_registers;       /* its call has set all registers: there is no result (exec, sigreturn) */
    u32 argument;            /* r0 of its call: the result has taken its place */
    u32 change;              /* stopped or continued, as wait4 tells it; 0: told */
    u32 ticks, child_ticks;  /* quanta that it began, and its children that ended */
    u32 fault, faults;       /* address of the last fault, and how often in a row */
    struct queue children;   /* who waits for an end of its children */
    u32 tls;
};
extern struct process processes[PROCESSES];
extern struct process *current;
int wait_on(struct queue *queue, u64 until); /* AGAIN_LATER; 0: `until` has come; -EINTR: a signal is there. NEVER: no end */
void wake(struct queue *queue);              /* everybody on it */
struct process *process_find(int pid);
void process_exit(struct process *process, int status);
void process_start(const char *path, const char *const *arguments); /* the first one */
void process_ended_waiting(struct process *process); /* off its queue, and ready */
void process_tell_parent(struct process *process, int code, u32 status); /* SIGCHLD, and wait4 looks again */

int process_tell_usage(u32 to, u32 ticks); /* struct rusage */

/* ---- schedule.c */
struct process *schedule(void);   /* who runs next; 0: nobody can */
void schedule_yield(void);        /* its turn is over */
void schedule_start(void);
void schedule_alarm(int running); /* the machine's alarm, if it should change */
void schedule_changed(void);      /* some `wakes` or `timer` did */
void schedule_interrupt(void);    /* a TRAP_INTERRUPT: look at everything that may have happened */

/* ---- trap.c */
void trap_handle(const struct trap *trap);

/* ---- uaccess.c: a process's memory, page by page, as itself would reach it (pages are made and copied on the way) */
int copy_in(void *to, u32 from, u32 size);         /* 0 or -EFAULT */
int copy_out(u32 to, const void *from, u32 size);  /* 0 or -EFAULT */
u32 copy_in_part(void *to, u32 from, u32 size);    /* how many bytes went, from the front */
u32 copy_out_part(u32 to, const void *from, u32 size);
int copy_string(char *to, u32 from, u32 limit);    /* its length, -EFAULT or -ENAMETOOLONG */
int memory_write(struct memory *memory, u32 to, const void *from, u32 size); /* of a process that does not run yet */

/* ---- region.c */
u32 region_page(struct memory *memory, u32 virtual, u32 access); /* physical page, ready for this access; 0: a fault. Maps it */
int region_add(struct memory *memory, u32 start, u32 end, u32 rights, struct inode *inode, u32 offset, int shared);
int region_remove(struct memory *memory, u32 start, u32 end);
int region_protect(struct memory *memory, u32 start, u32 end, u32 rights);
struct region *region_at(struct memory *memory, u32 virtual); /* 0: nothing is mapped there */
static inline u32 rounded(u32 size) { return (size + PAGE - 1) & ~(u32)(PAGE - 1); }
extern struct signal_cause region_error;             /* why the last region_page said 0; status: the signal */
int region_fault(struct memory *memory, u32 virtual, u32 access); /* a trap: 0, or the signal that it deserves */
struct memory *memory_create(void);                  /* with one user; 0: no room */
struct memory *memory_fork(struct memory *from);
void memory_release(struct memory *memory);

/* ---- signal.c */
void signal_send(struct process *process, int signal);
void signal_send_with(struct process *process, int signal, struct signal_cause cause);
void signal_force(struct process *process, int signal, struct signal_cause cause); /* a trap: blocked or ignored, it kills */
void signal_exec(struct process *process);           /* handlers are gone */
int signal_return(int with_info);                    /* sigreturn: the registers from the frame */
int signal_on_stack(const struct signals *signals, u32 sp); /* sp is on the alternative stack */
static inline u64 signal_bit(u32 signal) { return 1ull << (signal - 1); }
static inline u64 signal_unblockable(void) { return signal_bit(SIGKILL) | signal_bit(SIGSTOP); }
int signal_suspend(u32 mask, u32 size); /* until the call ends: 0, -EFAULT, -EINVAL */
int signal_ignored(const struct process *process, int signal);
int signal_pending(const struct process *process); /* one that is neither blocked nor ignored */
void signal_deliver(struct process *process);      /* before it runs: a frame on its stack, or its end */

/* ---- exec.c */
int process_exec(const char *path, u32 arguments, u32 environment); /* user addresses of the vectors */
int process_exec_first(const char *path, const char *const *arguments);

/* ---- calls.c: the table; each family registers its part */
typedef int (*system_call)(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f);
/* Parameters of a call that uses only the first ones: static int sys_dup(ARGS1(descriptor)) */
#define REST __attribute__((unused)) u32
#define ARGS0() REST a_, REST b_, REST c_, REST d_, REST e_, REST f_
#define ARGS1(a) u32 a, REST b_, REST c_, REST d_, REST e_, REST f_
#define ARGS2(a, b) u32 a, u32 b, REST c_, REST d_, REST e_, REST f_
#define ARGS3(a, b, c) u32 a, u32 b, u32 c, REST d_, REST e_, REST f_
#define ARGS4(a, b, c, d) u32 a, u32 b, u32 c, u32 d, REST e_, REST f_
#define ARGS5(a, b, c, d, e) u32 a, u32 b, u32 c, u32 d, u32 e, REST f_
#define ARGS6(a, b, c, d, e, f) u32 a, u32 b, u32 c, u32 d, u32 e, u32 f
struct call {
    u32 number;
    system_call function;
};
#define CALL(number, name, function) {number, function} /* the name is for who reads the table: the image has no room for it */
extern const struct call process_calls[], identity_calls[], memory_calls[], signal_calls[], time_calls[];
extern const struct call file_calls[], name_calls[], status_calls[], pipe_calls[], poll_calls[], socket_calls[];
/* each ends with a function of 0 */
void calls_start(void);
void call_begin(void); /* `current` made a system call */
void call_again(void); /* `current` waited, and has been woken */

/* ---- ../system/time.c: a timespec (unit 1, nanoseconds) or a timeval (unit 1000) of the calling process */
int time_in(u64 *time, u32 from, u32 unit); /* 0, -EFAULT, -EINVAL */
int time_out(u32 to, u64 time, u32 unit);

/* ---- small things: text.c */
void copy(void *to, const void *from, u32 size);
void clear(void *at, u32 size);
int same(const char *one, const char *other);
u32 length(const char *text);
void print(const char *format, ...) __attribute__((format(printf, 1, 2))); /* %d %u %x %s %c to the console */
u64 divide(u64 dividend, u32 divisor, u32 *remainder);
static inline u32 smaller(u32 one, u32 other) { return one < other ? one : other; }

#pragma GCC visibility pop
#endif
