/* What a machine layer gives to the kernel: everything that differs between the flavours, and nothing else.

   One file per flavour implements all of it: native.c (privileged mode, own vectors, own tables), xen.c (two logical modes in user
   mode, validated updates), l4.c (a task beside its processes' tasks; all by IPC), okl4.c (one hypercall per call). The kernel is an
   event loop: it lets one process run, learns why the CPU came back, and deals with that. It is never interrupted itself. */
#ifndef WREN_MACHINE_H
#define WREN_MACHINE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned u32;
typedef unsigned long long u64;

#pragma GCC visibility push(hidden)

/* Virtual addresses. Processes have everything below KERNEL_BASE. All RAM of the cell lies at KERNEL_BASE in the same order
   as physically; pages that others share with the cell at WINDOW; the hypercall page at HYPERCALLS. */
enum {
    PAGE = 4096,
    USER_BASE = 0x8000,
};
#define KERNEL_BASE 0xc0000000u
#define WINDOW 0xe0000000u
#define HYPERCALLS 0xe2000000u

/* Registers of a process, in the order of hypervisor/abi/pv.py. psr: flags and the Thumb bit; its mode is always "user" to us. */
struct registers {
    u32 r[13], sp, lr, pc, psr;
};

enum { READABLE = 1, WRITABLE = 2, EXECUTABLE = 4 };

enum trap_kind {
    TRAP_SYSTEM_CALL, /* pc is behind the svc */
    TRAP_FAULT,       /* pc at the instruction; `address`, `access`: one of READABLE, WRITABLE, EXECUTABLE, as far as it is known */
    TRAP_UNDEFINED,   /* pc at the instruction */
    TRAP_ALIGNMENT,   /* as TRAP_FAULT, but no mapping would help */
    TRAP_INTERRUPT,   /* a timer, a device, a bell: ask machine_time, console_read and the drivers */
};

struct trap {
    u32 kind, address, access;
};

/* An address space. `handle` is the layer's: a table's address, a task's number. */
struct space {
    u32 handle;
};

/* Called once, before anything else, with the kernel at its addresses: what the layer needs, vectors and timer included. */
void machine_start(void);

/* Memory that pages come from: physical addresses, whole pages, behind image, info page and initramfs, below what the monitor keeps. */
u32 machine_memory_start(void);
u32 machine_memory_end(void);
static inline void *at_physical(u32 address);
static inline u32 physical(const void *pointer);

/* Address spaces of processes. Changes may be collected; they hold when the process runs next. machine_map replaces what was there. */
int machine_space_create(struct space *space); /* 0, or -ENOMEM */
void machine_space_destroy(struct space *space);
int machine_map(struct space *space, u32 virtual, u32 page, u32 rights); /* one page; `page` is physical. 0, or -ENOMEM */
void machine_unmap(struct space *space, u32 virtual);

/* Let a process run until something happens; its registers are taken from `registers` and left there. */
void machine_run(struct space *space, struct registers *registers, struct trap *trap);
/* Nobody can run: sleep until an interrupt. */
void machine_idle(void);

/* Nanoseconds since the machine began, and when the next TRAP_INTERRUPT (or end of machine_idle) has to come at the latest. */
u64 machine_time(void);
void machine_alarm(u64 time);

/* Characters. machine_console_read: -1 if there is none. */
void machine_console_write(const char *text, u32 length);
int machine_console_read(void);

/* Figures for the account (hypervisor/abi/hypercalls.py: REPORT by name), and the end. */
void machine_report(const char *name, u32 value);
void machine_stop(u32 status) __attribute__((noreturn));

/* What the layers tell the kernel of RAM: set by machine_start. */
extern u32 ram_base;
static inline void *at_physical(u32 address) { return (void *)(address - ram_base + KERNEL_BASE); }
static inline u32 physical(const void *pointer) { return (u32)pointer - KERNEL_BASE + ram_base; }

/* How often it did what, since it began: compared with what the monitor counted. */
struct machine_counts {
    u32 runs, switches, table_updates, system_calls, faults, interrupts;
};
extern struct machine_counts machine_counts;

/* The kernel, for the layer: called by the start code when the stack is there. */
void kernel_main(void) __attribute__((noreturn));

#pragma GCC visibility pop
#endif
