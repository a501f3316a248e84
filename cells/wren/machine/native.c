/* The native layer: the kernel owns the CPU. Exceptions come to its own vectors (native_start.S), page tables are its own
   (native_tables.c), and so are the board's interrupt controller, timer and UART.

   The kernel is never interrupted: its mode has interrupts masked, and a process runs with them open. What an exception was is in
   the vector by which it came, and for an abort in the fault registers of the system coprocessor (DDI 0100I, B4.6; DDI 0406C, B3.12). */
#include "native.h"

#include "../kernel/kernel.h"
#include "guest.h"

enum { VECTOR_UNDEFINED = 1, VECTOR_SYSTEM_CALL = 2, VECTOR_PREFETCH = 3, VECTOR_DATA = 4, VECTOR_INTERRUPT = 6 };
enum { USER_MODE = 0x10, THUMB = 0x20, MODE_BITS = 0xff, PSR_FREE = 0xf80f0200 | 0x0600fc00 | THUMB };
enum { STATUS_CODE = 0x40f, TRANSLATION = 5, PERMISSION = 13, PAGES = 2, STATUS_WRITE = 0x800 };
enum { TICK_SHIFT = 20, LONGEST_ALARM = 38 /* 2^38 ns: 275 s; a 32-bit counter of 4 MHz turns in 1,000 s */ };
enum { HALT_STATUS = 0x80 };

u32 ram_base;
struct machine_counts machine_counts;
struct {
    const struct info_page *page; /* physical: the first page of RAM, until the vectors lie there */
    u32 table;
} native_boot;

/* ---- beginning and end */

void machine_start(void)
{
    info = *(const struct info_page *)KERNEL_BASE;
    ram_base = info.ram_base;
    tables_start(native_boot.table);
    info.uart_base = device(info.uart_base);
    info.ic_base = device(info.ic_base);
    info.ic_base2 = info.ic_base2 ? device(info.ic_base2) : 0;
    info.timer_base = device(info.timer_base);
    info.cascade_base = info.cascade_base ? device(info.cascade_base) : 0;
    info.hypercall_base = device(info.hypercall_base);
    uart_start();
    alarm_start();
    interrupts_start();
    interrupts_allow(info.uart_irq);
    uart_listen();
}

void machine_stop(u32 status)
{
    for (;;)
        hypercall(HYPERCALL_SHUTDOWN, status, 0, 0);
}

void machine_report(const char *name, u32 value) { hypercall_with(HYPERCALL_REPORT, 0, value, 0, name, length(name)); }

void native_panic(u32 pc, u32 psr) __attribute__((noreturn));

/* From the vectors: the kernel itself has made an exception. */
void native_panic(u32 pc, u32 psr)
{
    complain("exception in the kernel", "at", pc);
    complain("exception in the kernel", "with psr", psr);
    machine_stop(HALT_STATUS);
}

/* ---- a process runs */

static u32 data_status(void)
{
    u32 status;
    __asm__ volatile("mrc p15, 0, %0, c5, c0, 0" : "=r"(status));
    return status;
}

static u32 data_address(void)
{
    u32 address;
    __asm__ volatile("mrc p15, 0, %0, c6, c0, 0" : "=r"(address));
    return address;
}

/* A translation that is missing, or a right: the lowest bit but one of the code says section or page (DDI 0100I, table B4-1). From
   ARMv6 on the status says whether it was a write. Before, a missing right tells: what is mapped can be read;
   for a missing translation nothing does (access 0). */
static void data_abort(struct space *space, struct trap *trap)
{
    u32 status = data_status(), code = status & STATUS_CODE & ~(u32)PAGES;
    trap->address = data_address();
    trap->access = architecture() >= 6 ? (status & STATUS_WRITE ? WRITABLE : READABLE) : code == PERMISSION ? WRITABLE : 0;
    int curable = (code == TRANSLATION || code == PERMISSION) && !tables_allow(space, trap->address, trap->access);
    trap->kind = curable ? TRAP_FAULT : TRAP_ALIGNMENT;
}

/* The instruction could not be fetched. If its page is there, it was a breakpoint, which comes by the same vector. */
static void prefetch_abort(struct space *space, u32 pc, struct trap *trap)
{
    trap->address = pc;
    if (architecture() >= 7) /* a Thumb instruction may begin in the page before */
        __asm__ volatile("mrc p15, 0, %0, c6, c0, 2" : "=r"(trap->address));
    trap->kind = tables_allow(space, trap->address, EXECUTABLE) ? TRAP_UNDEFINED : TRAP_FAULT;
    trap->access = EXECUTABLE;
}

static void interrupt(void)
{
    if (interrupts_claim())
        alarm_quiet();
    interrupts_done();
    machine_counts.interrupts++;
}

void machine_run(struct space *space, struct registers *registers, struct trap *trap)
{
    registers->psr = (registers->psr & PSR_FREE) | USER_MODE;
    if (architecture() >= 6)
        __asm__ volatile(".inst 0xf57ff01f @ clrex"); /* another process's exclusive load is not this one's */
    tables_switch(space);
    machine_counts.runs++;
    u32 vector = native_enter(registers);
    trap->address = trap->access = 0;
    switch (vector) {
    case VECTOR_SYSTEM_CALL:
        trap->kind = TRAP_SYSTEM_CALL;
        machine_counts.system_calls++;
        break;
    case VECTOR_DATA:
        data_abort(space, trap);
        machine_counts.faults++;
        break;
    case VECTOR_PREFETCH:
        prefetch_abort(space, registers->pc, trap);
        machine_counts.faults++;
        break;
    case VECTOR_INTERRUPT:
        trap->kind = TRAP_INTERRUPT;
        interrupt();
        break;
    default:
        trap->kind = TRAP_UNDEFINED;
        registers->pc += registers->psr & THUMB ? 2 : 0;
    }
    drop_caches();
}

/* WFI ends with an interrupt that is pending, masked or not. It is an instruction from ARMv7 on, an operation of the system coprocessor
   before (register c7 in the manuals of ARM926EJ-S and ARM1176). A real PXA255 idles by a register of
   coprocessor 14 (278693, 3.4); its model takes the operation, too. */
void machine_idle(void)
{
    if (architecture() >= 7)
        __asm__ volatile(".inst 0xe320f003 @ wfi" : : : "memory");
    else
        __asm__ volatile("mcr p15, 0, %0, c7, c0, 4" : : "r"(0) : "memory");
    interrupt();
}

/* ---- time */

/* The counter has 32 bits: somebody looks at it at least once in a turn, because no alarm is set for later. */
static u64 ticks(void)
{
    static u64 passed;
    passed += alarm_now() - (u32)passed;
    return passed;
}

u64 machine_time(void)
{
    static u32 nanoseconds; /* of a tick, in parts of 2^20 */
    if (!nanoseconds)
        nanoseconds = (u32)divide(1000000000ull << TICK_SHIFT, info.timer_hz, 0);
    u64 now = ticks();
    u32 low = (u32)now & ((1 << TICK_SHIFT) - 1);
    return (now >> TICK_SHIFT) * nanoseconds + ((u64)low * nanoseconds >> TICK_SHIFT);
}

void machine_alarm(u64 time)
{
    static u32 parts; /* ticks of a nanosecond, in parts of 2^32 */
    if (!parts)
        parts = (u32)divide((u64)info.timer_hz << 32, 1000000000, 0);
    u64 now = machine_time(), wait = time > now ? time - now : 0;
    if (wait >> LONGEST_ALARM)
        wait = 1ull << LONGEST_ALARM;
    alarm_set((u32)((wait >> 8) * parts >> 24) + 1);
}

/* ---- the console */

void machine_console_write(const char *text, u32 length)
{
    for (; length; length--, text++)
        uart_put(*text);
}

int machine_console_read(void) { return uart_get(); }
