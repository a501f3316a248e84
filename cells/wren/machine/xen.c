/* The layer for xen: wren's kernel in user mode beside its processes, in two logical modes that the hypervisor tells apart.

   Every sensitive thing is a hypercall: the return to a process, page tables (xen_tables.c), the fault registers, time, sleep. What
   happens comes by upcall while a process runs, or as a bit in shared_info. The kernel itself runs with virtual interrupts masked:
   what becomes pending meanwhile interrupts the next process at its first instruction. */
#include "xen_pv.h"

#include "xen.h"
#include "../kernel/kernel.h"

enum { CONSOLE_IO = 18, CONSOLE_WRITE = 0, CONSOLE_READ = 1, CONSOLE_MOST = 4096 };
enum { VCPU = 24, SET_SINGLESHOT_TIMER = 8, SCHED = 29, BLOCK = 1, BIND_VIRQ = 1, VIRQ_TIMER = 0 };
enum { FIXED_PAGES = 3 }; /* xen_start: shared_info, grants, the store's ring */
enum { STATUS_CODE = 0x40f, ALIGNMENT = 1, DEBUG = 2, WRITES = 1 << 11 }; /* of a fault status (DDI 0406C, B4.1.52) */
#define BILLION 1000000000u

u32 ram_base;
struct machine_counts machine_counts;
static u32 memory_end;
static u64 alarm = ~0ull;

void xen_begin(u32 table, u32 mark, const struct info_page *page) __attribute__((noreturn));
void xen_crashed(u32 trap, const u32 *frame) __attribute__((noreturn));

/* ---- beginning and end */

void xen_begin(u32 table, u32 mark, const struct info_page *page)
{
    if (mark != INFO_ENTRY_MARK || page->magic != INFO_MAGIC)
        machine_stop(0xff);
    info = *page;
    ram_base = info.ram_base;
    tables_start(table);
    kernel_main();
}

/* The calls of cells/programs/arm/xen*.c. */
u64 hypercall(u32 number, u32 a1, u32 a2, u32 a3)
{
    if (number >= HYPERCALL_XEN)
        return (u64)(long long)pv_xen(a1, a2, a3, number - HYPERCALL_XEN);
    return pv_basic(a1, a2, a3, 0, 0, number);
}

static void bind_timer(void)
{
    struct {
        u32 virq, vcpu, port;
    } bind = {VIRQ_TIMER, 0, 0};
    xen_require(pv_xen(BIND_VIRQ, (u32)&bind, 0, XEN_EVENT_CHANNEL), "a port for the timer");
}

void machine_start(void)
{
    memory_end = links_reserve(tables_reserve(info.memory_end), FIXED_PAGES);
    xen_require(pv_trap_table(pv_vectors), "the vectors");
    xen_start();
    bind_timer();
}

u32 machine_memory_start(void)
{
    u32 start = info.initrd_size ? info.initrd_base + info.initrd_size : physical(image_end);
    return (start + PAGE - 1) & ~(u32)(PAGE - 1);
}

u32 machine_memory_end(void) { return memory_end; }

void machine_stop(u32 status)
{
    for (;;)
        pv_basic(status, 0, 0, 0, 0, HYPERCALL_SHUTDOWN);
}

void xen_require(int status, const char *what)
{
    if (status >= 0)
        return;
    complain("xen refuses", what, (u32)-status);
    machine_stop(0xfe);
}

/* An exception of the kernel: `frame` is the upcall's, VSPSR, pc, sp, lr. */
void xen_crashed(u32 trap, const u32 *frame)
{
    complain("the kernel ran into exception", "", trap);
    complain("at", "pc", frame[1]);
    complain("from", "lr", frame[3]);
    complain("for", "the address", pv_fault(PV_FAULT_VFAR));
    complain("with", "the status", pv_fault(PV_FAULT_VFSR));
    machine_stop(0xfd);
}

/* ---- processes */

/* That it wrote is known; that it read is not: before ARMv6 the bit is never set. */
static void data_abort(struct trap *trap)
{
    u32 status = pv_fault(PV_FAULT_VFSR);
    trap->kind = (status & STATUS_CODE) == ALIGNMENT ? TRAP_ALIGNMENT : TRAP_FAULT;
    trap->address = pv_fault(PV_FAULT_VFAR);
    trap->access = status & WRITES ? WRITABLE : 0;
}

static void prefetch_abort(struct trap *trap)
{
    trap->kind = (pv_fault(PV_FAULT_VFSR) & STATUS_CODE) == DEBUG ? TRAP_UNDEFINED : TRAP_FAULT;
    trap->address = pv_fault(PV_FAULT_VFAR);
    trap->access = EXECUTABLE;
}

void machine_run(struct space *space, struct registers *registers, struct trap *trap)
{
    if (xen_happened()) { /* taken by somebody who looked for something else */
        trap->kind = TRAP_INTERRUPT;
        return;
    }
    tables_use(space->handle);
    machine_counts.runs++;
    switch (xen_enter(registers)) {
    case PV_TRAP_SWI:
        trap->kind = TRAP_SYSTEM_CALL;
        machine_counts.system_calls++;
        break;
    case PV_TRAP_DATA_ABORT:
        data_abort(trap);
        machine_counts.faults++;
        break;
    case PV_TRAP_PREFETCH_ABORT:
        prefetch_abort(trap);
        machine_counts.faults++;
        break;
    case PV_TRAP_IRQ:
        xen_events();
        trap->kind = TRAP_INTERRUPT;
        machine_counts.interrupts++;
        break;
    default: trap->kind = TRAP_UNDEFINED;
    }
}

void machine_idle(void)
{
    if (!xen_happened() && !xen_events())
        pv_xen(BLOCK, 0, 0, SCHED);
    xen_events();
}

/* ---- time */

u64 machine_time(void)
{
    u32 rest;
    u64 seconds = divide(pv_basic(0, 0, 0, 0, 0, HYPERCALL_TIME), info.hz_low, &rest);
    return seconds * BILLION + divide((u64)rest * BILLION, info.hz_low, 0);
}

void machine_alarm(u64 time)
{
    struct {
        u64 time;
        u32 flags, zero;
    } timer = {time, 0, 0};
    if (time == alarm)
        return;
    alarm = time;
    xen_require(pv_xen(SET_SINGLESHOT_TIMER, 0, (u32)&timer, VCPU), "a timer");
}

/* ---- characters and figures */

void machine_console_write(const char *text, u32 length)
{
    for (; length; length -= length < CONSOLE_MOST ? length : CONSOLE_MOST, text += CONSOLE_MOST)
        pv_xen(CONSOLE_WRITE, length < CONSOLE_MOST ? length : CONSOLE_MOST, (u32)text, CONSOLE_IO);
}

int machine_console_read(void)
{
    static u8 typed[64];
    static int next, count;
    if (next == count) {
        next = 0;
        count = pv_xen(CONSOLE_READ, sizeof typed, (u32)typed, CONSOLE_IO);
    }
    return next < count ? typed[next++] : -1;
}

void machine_report(const char *name, u32 value) { pv_basic(0, value, 0, name, length(name), HYPERCALL_REPORT); }
