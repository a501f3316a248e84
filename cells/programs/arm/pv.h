/* The door for paravirtual kernels under xen (hypervisor/abi/pv.py, whose numbers these are): a kernel in user mode.

   A program defines `void program(void)`, as elsewhere; it runs in the logical kernel mode, with all RAM mapped where it is
   physically, and registers what to do about exceptions in `pv_trap`. */
#ifndef PV_H
#define PV_H

#define PV_CALL_XEN 0
#define PV_CALL_TRAP_TABLE 1
#define PV_CALL_RETURN 2
#define PV_CALL_MMU_UPDATE 3
#define PV_CALL_MMU 4
#define PV_CALL_FAULT 5
#define PV_CALL_MASK 6
#define PV_CALL_BASIC 7

#define PV_MMU_PIN_L1 0
#define PV_MMU_PIN_L2 1
#define PV_MMU_UNPIN 2
#define PV_MMU_NEW_BASE 3
#define PV_MMU_FLUSH_TLB 4
#define PV_MMU_FLUSH_PAGE 5

#define PV_FAULT_VFSR 0
#define PV_FAULT_VFAR 1

#define PV_TRAP_START 0
#define PV_TRAP_UNDEFINED 1
#define PV_TRAP_SWI 2
#define PV_TRAP_PREFETCH_ABORT 3
#define PV_TRAP_DATA_ABORT 4
#define PV_TRAP_IRQ 6

#define PV_PTE_PRESENT 1
#define PV_PTE_WRITE 2
#define PV_PTE_USER 4

#define PV_USER_MODE 0x10
#define PV_KERNEL_MODE 0x13
#define PV_MODE_MASK 0x1f
#define PV_BATCH_LIMIT 256

#if !defined __ASSEMBLER__ && !defined PV_NUMBERS_ONLY
#include "guest.h"

#pragma GCC visibility push(hidden)

enum { PAGE = 4096, SECTION = 1 << 20 };

/* What an exception interrupted: on the kernel's stack; the last four words are the upcall's. */
struct pv_frame {
    u32 r[13], unused, vspsr, pc, sp, lr;
};

struct pv_update {
    u32 at, value; /* physical address of an entry, the new one */
};

/* pv_start.S: the calls */
int pv_trap_table(const void *vectors);
int pv_mmu_update(const struct pv_update *batch, u32 count);
int pv_mmu(u32 operation, u32 address);
u32 pv_fault(u32 which);
u32 pv_mask(u32 held_back);
int pv_xen(u32 operation, u32 second, u32 third, u32 number);
u32 pv_basic(u32 a1, u32 a2, u32 a3, const void *data, u32 length, u32 number);
void pv_start_process(u32 pc, u32 sp, u32 r4, u32 r5, u32 r6) __attribute__((noreturn));
extern const char pv_vectors[];

/* the program */
void pv_trap(u32 trap, struct pv_frame *frame);

/* pv.c */
extern u32 pv_table;      /* the first-level table; readable, as all tables are */
u32 pv_slot(u32 virtual); /* physical address of the entry of a page */
u32 pv_take_page(void);   /* a free page beyond the image, mapped writable in the kernel */

#pragma GCC visibility pop
#endif
#endif
