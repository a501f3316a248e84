/* The door of the microvisor for a kernel without privileges (hypervisor/abi/okl4_door.py, whose numbers these are). */
#ifndef WREN_OKL4_H
#define WREN_OKL4_H

#define OKL4_RUN 1
#define OKL4_FLUSH_PAGE 2
#define OKL4_FLUSH_SPACE 3
#define OKL4_ALARM 4
#define OKL4_WAIT 5

#define OKL4_WHY_SYSTEM_CALL 0
#define OKL4_WHY_FAULT 1
#define OKL4_WHY_UNDEFINED 2
#define OKL4_WHY_ALIGNMENT 3
#define OKL4_WHY_INTERRUPT 4

#define OKL4_ACCESS_READ 1
#define OKL4_ACCESS_WRITE 2
#define OKL4_ACCESS_EXECUTE 4

#define OKL4_PTE_PRESENT 1
#define OKL4_PTE_WRITE 2
#define OKL4_ROOT_SIZE 0x3000

#define STACK 0x4000 /* bytes of the kernel's */

#ifndef __ASSEMBLER__
#include "machine.h"

#pragma GCC visibility push(hidden)

/* okl4_start.S: the calls. Below 0: STATUS_* of info_page.h. */
void okl4_run(struct registers *registers, u32 root, struct trap *trap); /* the answer is in *trap; refused: in trap->kind */
int okl4_flush_page(u32 root, u32 virtual);
int okl4_flush_space(u32 root);
int okl4_alarm(u64 cycles);
int okl4_wait(void);

/* okl4_tables.c */
u32 tables_reserve(u32 end); /* room for roots, off the end of memory; where it ends now */
void tables_settle(void);    /* before a process runs: the microvisor learns of what was taken away */

/* okl4.c */
void forget_space(u32 root); /* the microvisor knows nothing of it any more */
void okl4_refused(int status, const char *what) __attribute__((noreturn));

#pragma GCC visibility pop
#endif
#endif
