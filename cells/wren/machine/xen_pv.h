/* The parts of the layer for xen, as they know each other; the numbers of the door are in cells/programs/arm/pv.h. */
#ifndef WREN_XEN_PV_H
#define WREN_XEN_PV_H

#define PV_NUMBERS_ONLY
#include "pv.h"

#define STACK 0x4000 /* bytes of the kernel's */

#ifndef __ASSEMBLER__
#include "link.h"

#pragma GCC visibility push(hidden)

struct pv_update {
    u32 at, value; /* physical address of an entry, the new one */
};

/* xen_start.S: the calls, and the way into a process */
int pv_trap_table(const void *vectors);
int pv_mmu_update(const struct pv_update *batch, u32 count);
int pv_mmu(u32 operation, u32 address);
u32 pv_fault(u32 which);
int pv_xen(u32 operation, u32 second, u32 third, u32 number);
u64 pv_basic(u32 a1, u32 a2, u32 a3, const void *data, u32 length, u32 number);
extern const char pv_vectors[];
u32 xen_enter(struct registers *registers); /* until its next exception: which one, PV_TRAP_* */

/* xen_tables.c */
void tables_start(u32 kernel_table); /* the first-level table that the domain builder has made */
u32 tables_reserve(u32 end);         /* room for first-level tables, off the end of memory */
void tables_use(u32 table);          /* all updates are done, and the CPU is in this address space */

/* xen.c */
void xen_require(int status, const char *what); /* what a hypervisor refuses that should not, ends the machine */

#pragma GCC visibility pop
#endif
#endif
