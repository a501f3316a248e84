/* The kernel's own parts, as they know each other. Errors are negative numbers of errno.h; user addresses are u32, kernel
   addresses are pointers, so that the two cannot be mixed up.

   Nothing here blocks: a system call that has to wait says so by `wait_on` and returns AGAIN_LATER; once its process is woken,
   the kernel makes the same call for it again before it runs. What such a call must remember is in `process->call`. */
#ifndef WREN_KERNEL_H
#define WREN_KERNEL_H

#include "../machine/machine.h"
#include "errno.h"

#pragma GCC visibility push(hidden)

enum { PROCESSES = 64, FILES = 32, SIGNALS = 32, PATH = 256 }; /* FILES: of one process */
enum { AGAIN_LATER = -4096 }; /* of a system call: the process waits, and will make it again */
#define NEVER (~0ull)
struct info_page;
extern struct info_page info; /* main.c: the kernel's copy, made by the start code before kernel_main */
void give_up(const char *why) __attribute__((noreturn)); /* main.c: the kernel cannot go on */

/* ---- memory.c: pages of RAM with a count of users */
void memory_start(void);
void memory_add(u32 start, u32 end); /* physical: pages that nobody uses any more */
u32 page_take(void);        /* physical address of an empty page with one user; 0: none is left */
void page_share(u32 page);  /* one user more */
void page_release(u32 page);
u32 page_users(u32 page);

/* ---- paging.c: the memory of a process */
enum { RIGHTS = READABLE | WRITABLE | EXECUTABLE, SHARED = 8 }; /* of a page; shared: with children, who see what is written */
enum { LEAF = PAGE / 4, LEAF_SPAN = LEAF * PAGE }; /* entries of a leaf; bytes that they stand for */
enum { STACK_LIMIT = 1 << 20, MAPPINGS = 0x40000000 }; /* mmap searches from MAPPINGS upwards to the stack */
#define USER_END 0xbf000000u /* the stack's end, and all of a process's memory */
#define LEAVES (USER_END / LEAF_SPAN)
struct inode;
struct memory { /* a page */
    struct space space;
    u32 brk_start, brk_end;
    u32 *leaves[LEAVES];
};
static inline u32 rounded(u32 size) { return (size + PAGE - 1) & ~(u32)(PAGE - 1); }

struct memory *memory_create(void); /* 0: no room */
struct memory *memory_fork(struct memory *from);
void memory_release(struct memory *memory);
/* A page is made ready for an access, and mapped: 0, or the signal for who wanted it. An access of 0: nobody knows which */
int page_reach(struct memory *memory, u32 virtual, u32 access, u32 *page);
int page_fault(struct memory *memory, u32 virtual, u32 access);
/* Whole pages, all of them or none: 0 or -ENOMEM. They are empty; or begin as `size` bytes of a file */
int range_add(struct memory *memory, u32 start, u32 end, u32 flags);
int range_add_file(struct memory *memory, u32 start, u32 end, u32 rights, struct inode *inode, u32 offset, u32 size);
void range_remove(struct memory *memory, u32 start, u32 end);
u32 *range_next(struct memory *memory, u32 *at, u32 end); /* entry of the next page that is its, *at its address; or 0 */

/* ---- uaccess.c: the current process's memory, as it would reach it itself (pages are made and copied on the way) */
int copy_in(void *to, u32 from, u32 size);         /* 0 or -EFAULT */
int copy_out(u32 to, const void *from, u32 size);  /* 0 or -EFAULT */
int copy_string(char *to, u32 from, u32 limit);    /* its length, -EFAULT or -ENAMETOOLONG */

/* ---- signal.c */
enum {
    SIGINT = 2, SIGILL = 4, SIGBUS = 7, SIGKILL = 9, SIGSEGV = 11, SIGPIPE = 13, SIGCHLD = 17, SIGSTOP = 19, SIGURG = 23,
    SIGWINCH = 28,
};
struct signal_action { /* as rt_sigaction has it */
    u32 handler, flags, restorer, mask[2];
};
struct signals {
    u32 pending, blocked; /* bit number - 1 */
    u32 address;          /* of the last fault */
    struct signal_action action[SIGNALS + 1];
};
static inline u32 signal_bit(u32 signal) { return 1u << (signal - 1); }
struct process;
void signal_send(struct process *process, u32 signal);
u32 signal_pending(const struct process *process); /* the bits of those that are not blocked */
/* For `current`: */
void signal_force(u32 signal, u32 address); /* a fault: blocked or ignored, it ends the process */
void signal_exec(void);                     /* handlers are gone */
void signal_deliver(void);                  /* before it runs: a frame on its stack, or its end */

/* ---- process.c */
enum process_state { FREE, READY, WAITING, ZOMBIE };
enum { PSR_USER = 0x10, PSR_THUMB = 0x20 };
struct process {
    int pid, status; /* status: as wait4 tells it */
    enum process_state state;
    struct process *parent;
    struct registers registers;
    struct memory *memory;
    struct signals signals;
    struct file *files[FILES];
    const void *waits_for;   /* what `wake` has to name */
    u64 wakes;               /* when its wait ends by itself; NEVER */
    struct {
        u64 deadline;        /* of the call that is made again; 0: not set yet */
        u32 done;            /* how much of it is done */
    } call;                  /* all zero when a new call begins */
    int again, interrupted;  /* its call is to be made again; its call was ended by a signal */
    u32 argument;            /* r0 of its call: the result has taken its place */
    u32 fault, faults;       /* address of the last fault, and how often in a row */
};
extern struct process processes[PROCESSES];
extern struct process *current;
void process_start(const char *words); /* the first one, as the cell's arguments say */
void process_exit(int status); /* of `current` */
int process_exec_first(const char *words); /* exec.c */

/* ---- schedule.c */
int wait_on(const void *what, u64 until); /* AGAIN_LATER; 0: `until` has come; -EINTR: a signal is there. NEVER: no end */
void wake(const void *what);              /* everybody who waits for it, or for anything */
void process_wake(struct process *process);
extern const char anything;               /* to wait for whatever wakes anybody: select */
struct process *schedule(void);           /* who runs next; 0: nobody can */
void schedule_start(void);
void schedule_alarm(int running);         /* the machine's alarm, if it should change */
void schedule_interrupt(void);            /* a TRAP_INTERRUPT: look at everything that may have happened */

/* ---- trap.c, calls.c, time.c */
void trap_handle(const struct trap *trap);
void call_begin(void); /* `current` made a system call */
void call_again(void); /* `current` waited, and has been woken */
int time_in(u64 *time, u32 from, u32 unit); /* a timespec (unit 1) or timeval (unit 1000) of the process. 0, -EFAULT, -EINVAL */
int time_out(u32 to, u64 time, u32 unit);
int wait_for_time(const void *what, u64 time); /* wait_on, for so long since the call was first made */
u64 time_left(u64 time);                       /* of that */

/* ---- system calls: the parameters of one that uses only the first are written as in int sys_close(ARGS1(descriptor)) */
typedef int system_call(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f);
#define REST __attribute__((unused)) u32
#define ARGS0() REST a_, REST b_, REST c_, REST d_, REST e_, REST f_
#define ARGS1(a) u32 a, REST b_, REST c_, REST d_, REST e_, REST f_
#define ARGS2(a, b) u32 a, u32 b, REST c_, REST d_, REST e_, REST f_
#define ARGS3(a, b, c) u32 a, u32 b, u32 c, REST d_, REST e_, REST f_
#define ARGS4(a, b, c, d) u32 a, u32 b, u32 c, u32 d, REST e_, REST f_
#define ARGS5(a, b, c, d, e) u32 a, u32 b, u32 c, u32 d, u32 e, REST f_
#define ARGS6(a, b, c, d, e, f) u32 a, u32 b, u32 c, u32 d, u32 e, u32 f

/* ---- ../files and ../devices, as the kernel proper sees them */
void files_start(void);                   /* the tree as it is before the initramfs: "/" and "/dev" */
void initramfs_unpack(const void *archive, u32 size);
void files_first(void);                   /* descriptors 0 to 2 of the first process: /dev/console */
void files_fork(struct process *child);
void files_exit(void);
void inode_hold(struct inode *inode);
void inode_release(struct inode *inode);
u32 inode_page(struct inode *inode, u32 offset); /* physical page of a file, made if need be; 0: no room for it */
void devices_interrupt(void);

/* ---- text.c */
void copy(void *to, const void *from, u32 size);
void clear(void *at, u32 size);
int equal(const void *one, const void *other, u32 size);
u32 length(const char *text);
u64 divide(u64 dividend, u32 divisor, u32 *remainder);
void complain(const char *what, const char *whom, u32 number); /* a line on the console; the number in hexadecimal */
static inline u32 smaller(u32 one, u32 other) { return one < other ? one : other; }

#pragma GCC visibility pop
#endif
