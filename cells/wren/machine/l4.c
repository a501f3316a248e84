/* The layer for l4: wren's kernel as a server, a task of the microkernel beside the tasks of its processes (L4Linux).

   It waits for messages. A system call, a fault, an undefined instruction of a process is a message of the process's main thread, made
   by the microkernel, with all its registers; the reply lets it go on. While it runs the server waits, until a time if an alarm is set.
   If something else ends that wait, the process still runs: the signal thread of its task is asked to force it in. */
#include "l4.h"

#include "../kernel/kernel.h"
#include "by_page.h"
#include "guest.h"

enum { CORE = 17, MODE = 0x1f, USER_MODE = 0x10 };
enum { TRAP_AT = 1, ADDRESS_AT = 3, STATUS_AT = 4, REGISTERS_AT = 5 }; /* words of an exception's message, behind its tag */
enum { STATUS_CODE = 0x40f, ALIGNMENT = 1, DEBUG = 2, WRITES = 1 << 11 }; /* of a fault status (DDI 0406C, B4.1.52) */

u32 ram_base;
struct machine_counts machine_counts;
u32 l4_utcb[L4_UTCB_SIZE / 4] __attribute__((aligned(L4_UTCB_SIZE)));
static u32 memory_end, last_task;
static u64 until = L4_FOREVER; /* cycles: when a wait for messages ends at the latest */

void l4_begin(u32 mark, const struct info_page *page) __attribute__((noreturn));

/* ---- beginning and end */

void l4_begin(u32 mark, const struct info_page *page)
{
    info = *page;
    info.hypercall_base = HYPERCALLS;
    ram_base = info.ram_base;
    if (mark != INFO_ENTRY_MARK || info.magic != INFO_MAGIC)
        machine_stop(0xff);
    kernel_main();
}

void machine_start(void)
{
    memory_end = tasks_reserve(info.memory_end);
    tasks_start();
    int status = l4_call_utcb(l4_utcb);
    if (status < 0)
        l4_refused(status, "message registers");
}

u32 machine_memory_end(void) { return memory_end; }

void l4_refused(int status, const char *what)
{
    complain("the microkernel refuses", what, (u32)-status);
    machine_stop(0xfe);
}

/* ---- processes */

/* That it wrote is known; that it read is not: before ARMv6 the bit is never set. */
static void data_abort(struct trap *trap)
{
    u32 status = l4_utcb[STATUS_AT];
    trap->kind = (status & STATUS_CODE) == ALIGNMENT ? TRAP_ALIGNMENT : TRAP_FAULT;
    trap->address = l4_utcb[ADDRESS_AT];
    trap->access = status & WRITES ? WRITABLE : 0;
}

static void prefetch_abort(struct trap *trap)
{
    trap->kind = (l4_utcb[STATUS_AT] & STATUS_CODE) == DEBUG ? TRAP_UNDEFINED : TRAP_FAULT;
    trap->address = l4_utcb[ADDRESS_AT];
    trap->access = EXECUTABLE;
}

/* The message of an exception: what happened, and the registers. */
static void take_exception(struct registers *registers, struct trap *trap)
{
    copy(registers, l4_utcb + REGISTERS_AT, sizeof *registers);
    switch (l4_utcb[TRAP_AT]) {
    case L4_TRAP_SWI:
        trap->kind = TRAP_SYSTEM_CALL;
        machine_counts.system_calls++;
        break;
    case L4_TRAP_DATA_ABORT:
        data_abort(trap);
        machine_counts.faults++;
        break;
    case L4_TRAP_PREFETCH_ABORT:
        prefetch_abort(trap);
        machine_counts.faults++;
        break;
    case L4_TRAP_IRQ: /* it was forced in */
        trap->kind = TRAP_INTERRUPT;
        machine_counts.interrupts++;
        break;
    default: trap->kind = TRAP_UNDEFINED;
    }
}

/* Reply to a main thread with its registers, and with the pages that it was missing; then wait for whatever comes. */
static int reply_and_wait(u32 task, const struct registers *registers, u32 items)
{
    l4_utcb[0] = CORE | 2 * items << 6 | L4_LABEL_EXCEPTION << 16;
    copy(l4_utcb + 1, registers, sizeof *registers);
    l4_utcb[CORE] = (registers->psr & ~(u32)MODE) | USER_MODE;
    return l4_call_ipc(l4_thread(task, L4_INDEX_MAIN), L4_ANY, links_until(until));
}

/* The process runs, and shall not: the signal thread beside it sees to that, and then its exception is there. */
static void force(u32 task)
{
    u32 main_thread = l4_thread(task, L4_INDEX_MAIN), signal_thread = l4_thread(task, L4_INDEX_SIGNAL);
    l4_utcb[0] = L4_LABEL_USER << 16;
    int status = l4_call_ipc(signal_thread, signal_thread, L4_FOREVER);
    if (status < 0)
        l4_refused(status, "a signal");
    l4_call_ipc(L4_NIL, main_thread, L4_FOREVER);
}

void machine_run(struct space *space, struct registers *registers, struct trap *trap)
{
    u32 task = space->handle;
    tasks_settle(task);
    machine_counts.runs++;
    machine_counts.switches += last_task != task;
    last_task = task;
    int who = reply_and_wait(task, registers, tasks_items(task, l4_utcb + 1 + CORE));
    if (who == STATUS_NO_ROOM) /* for tables: without the pages it comes to the same fault again, and the kernel gives it up */
        who = reply_and_wait(task, registers, 0);
    if (who < 0 && who != STATUS_EMPTY)
        l4_refused(who, "a reply");
    if ((u32)who != l4_thread(task, L4_INDEX_MAIN))
        force(task);
    take_exception(registers, trap);
}

void machine_idle(void)
{
    l4_call_ipc(L4_NIL, L4_ANY, links_until(until));
    machine_counts.interrupts++;
}

void machine_alarm(u64 time) { until = cycles_at(time); }
