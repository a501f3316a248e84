/* pv_demo: a paravirtual kernel, in user mode as its one process, on page tables that it can only ask for.

   It makes a page table by a batch, tries to write it directly, starts a process that does a system call, touches memory that
   is not there (and then is), has the kernel interrupted by an event, touches the kernel's memory and a privileged instruction,
   and ends.

   do=syscall | pagefault   only that, between two marks for `cellvisor explain`      times=1   how often */
#include "pv.h"

enum { USER_BASE = 0xb0000000, HEAP = USER_BASE + 0x10000, HEAP_END = USER_BASE + SECTION };
enum { EXIT, NULL_CALL, SHOW, MARK, KICK };
enum { XEN_MEMORY = 12, ADD_TO_PHYSMAP = 7, XEN_EVENT_CHANNEL = 32, SEND = 4, BIND_IPI = 7, SELF = 0x7ff0 };
enum { UPCALL_PENDING = 0, SELECTOR = 8, PENDING = 48 }; /* in shared_info */
enum { FAULT_CODE = 0x40f, NO_SECTION = 5, NO_PAGE = 7 }; /* of a fault status: the code, and two of them (DDI 0406C, B3.13.3) */

extern const char pv_user_begin[], pv_user_end[];

static u32 user_table, quiet, faults_expected, shared_info, port;

static void require(int status, const char *what)
{
    if (status >= 0)
        return;
    print("pv: %s: refused, %u\n", what, (u32)-status);
    shutdown(1);
}

/* A page of ours becomes shared_info, and a port leads from us to ourselves. */
static void make_event_channel(void)
{
    struct {
        unsigned short domain, size;
        u32 space;
        u64 index, frame;
    } place = {SELF, 0, 0, 0, pv_take_page() / PAGE};
    struct {
        u32 vcpu, port;
    } bind = {0, 0};
    require(pv_xen(ADD_TO_PHYSMAP, (u32)&place, 0, XEN_MEMORY), "shared_info");
    require(pv_xen(BIND_IPI, (u32)&bind, 0, XEN_EVENT_CHANNEL), "a port");
    shared_info = (u32)place.frame * PAGE;
    port = *(volatile u32 *)&bind.port;
}

static void interrupt(struct pv_frame *frame)
{
    *(volatile unsigned char *)(shared_info + UPCALL_PENDING) = 0; /* first: what comes later raises it anew */
    store(shared_info + SELECTOR, 0);
    print("pv: an event, VSPSR %x, ports %x\n", frame->vspsr, load(shared_info + PENDING));
    store(shared_info + PENDING, 0);
}

static void system_call(struct pv_frame *frame)
{
    switch (frame->r[7]) {
    case NULL_CALL:
        if (!quiet)
            print("pv: system call, VSPSR %x\n", frame->vspsr);
        break;
    case SHOW: print("pv: the process found %u there\n", frame->r[0]); break;
    case KICK: require(pv_xen(SEND, (u32)&port, 0, XEN_EVENT_CHANNEL), "an event"); break;
    case MARK: pv_basic(0, frame->r[0], 0, "explain", 7, HYPERCALL_REPORT); break;
    default:
        if (!quiet)
            print("pv: the process is done\n");
        shutdown(0);
    }
}

static void map_heap(u32 address, u32 status)
{
    struct pv_update batch = {user_table + address % SECTION / PAGE * 4, pv_take_page() | PV_PTE_PRESENT | PV_PTE_WRITE};
    require(pv_mmu_update(&batch, 1), "a page of the heap");
    if (!quiet)
        print("pv: page fault at %x, status %x: mapped\n", address, status & FAULT_CODE);
}

static void data_abort(struct pv_frame *frame)
{
    u32 address = pv_fault(PV_FAULT_VFAR), status = pv_fault(PV_FAULT_VFSR), code = status & FAULT_CODE;
    int user = (frame->vspsr & PV_MODE_MASK) == PV_USER_MODE;
    if (user && (code == NO_PAGE || code == NO_SECTION) && address >= HEAP && address < HEAP_END) {
        map_heap(address, status);
        return;
    }
    print("pv: %s must not touch that: status %x\n", user ? "a process" : "the kernel", code);
    if (!user && !faults_expected--)
        shutdown(2);
    frame->pc += 4;
}

void pv_trap(u32 trap, struct pv_frame *frame)
{
    switch (trap) {
    case PV_TRAP_SWI: system_call(frame); break;
    case PV_TRAP_DATA_ABORT: data_abort(frame); break;
    case PV_TRAP_IRQ: interrupt(frame); break;
    case PV_TRAP_UNDEFINED:
        print("pv: an instruction that is undefined in user mode\n");
        frame->pc += 4;
        break;
    default:
        print("pv: exception %u at %x\n", trap, frame->pc);
        shutdown(3);
    }
}

/* A second-level table in a page of ours: first nobody may have it mapped writable, then it is one, then it is read-only. */
static void make_table(void)
{
    u32 page = pv_take_page(), code = pv_take_page();
    struct pv_update away = {pv_slot(page), 0};
    struct pv_update batch[] = {
        {page, code | PV_PTE_PRESENT},
        {pv_table + USER_BASE / SECTION * 4, page | PV_PTE_PRESENT | PV_PTE_USER},
        {away.at, page | PV_PTE_PRESENT},
    };
    for (u32 at = 0; pv_user_begin + at < pv_user_end; at += 4)
        store(code + at, load((u32)pv_user_begin + at));
    require(pv_mmu_update(&away, 1), "unmapping a page");
    require(pv_mmu(PV_MMU_PIN_L2, page), "pinning a table");
    require(pv_mmu_update(batch, 3), "a batch");
    user_table = page;
}

void program(void)
{
    u32 part = argument_is("do", "syscall") ? 1 : argument_is("do", "pagefault") ? 2 : 0;
    quiet = part != 0;
    make_table();
    if (!quiet) {
        make_event_channel();
        u32 cpsr;
        __asm__ volatile("mrs %0, cpsr" : "=r"(cpsr));
        print("pv: a kernel in mode %x, its page table made by a batch of 3\n", cpsr & PV_MODE_MASK);
        faults_expected = 1;
        store(user_table + 8, 0xffffffff);
        print("pv: the table holds %x there\n", load(user_table + 8));
    }
    pv_start_process(USER_BASE, 0, argument("times", 1), part, (u32)&info);
}
