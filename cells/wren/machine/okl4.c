/* The layer for okl4: wren's kernel in user mode, whose processes run by one hypercall each time.

   The microvisor has two address spaces to offer, the kernel's and a process's, and a call that enters the second until something
   happens there. It keeps the registers of both sides, so that this layer has no vectors, no frames and no saved modes. Page tables
   are plain memory of ours (okl4_tables.c). Interrupts end a process's turn or a wait, and are kept while the kernel runs. */
#include "okl4.h"

#include "../kernel/kernel.h"
#include "by_page.h"
#include "guest.h"

u32 ram_base;
struct machine_counts machine_counts;
static u32 memory_end, last_root;

void okl4_begin(u32 mark, const struct info_page *page) __attribute__((noreturn));

/* ---- beginning and end */

void okl4_begin(u32 mark, const struct info_page *page)
{
    info = *page;
    info.hypercall_base = HYPERCALLS;
    ram_base = info.ram_base;
    if (mark != INFO_ENTRY_MARK || info.magic != INFO_MAGIC)
        machine_stop(0xff);
    kernel_main();
}

void machine_start(void) { memory_end = tables_reserve(info.memory_end); }

u32 machine_memory_end(void) { return memory_end; }

void okl4_refused(int status, const char *what)
{
    complain("the microvisor refuses", what, (u32)-status);
    machine_stop(0xfe);
}

/* ---- processes */

/* The numbers of `Why` and `Access` are those of machine.h. */
static void count(const struct trap *trap)
{
    machine_counts.system_calls += trap->kind == TRAP_SYSTEM_CALL;
    machine_counts.faults += trap->kind == TRAP_FAULT;
    machine_counts.interrupts += trap->kind == TRAP_INTERRUPT;
}

/* Entering it again is a switch. */
void forget_space(u32 root)
{
    int status = okl4_flush_space(root);
    if (status < 0)
        okl4_refused(status, "to forget a space");
    if (last_root == root)
        last_root = 0;
}

void machine_run(struct space *space, struct registers *registers, struct trap *trap)
{
    tables_settle();
    machine_counts.runs++;
    machine_counts.switches += last_root != space->handle;
    last_root = space->handle;
    okl4_run(registers, space->handle, trap);
    if ((int)trap->kind < 0)
        okl4_refused((int)trap->kind, "to run a process");
    count(trap);
}

void machine_idle(void)
{
    okl4_wait();
    machine_counts.interrupts++;
}

void machine_alarm(u64 time) { okl4_alarm(cycles_at(time)); }
