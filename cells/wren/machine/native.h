/* What the files of the native layer know of each other. */
#ifndef WREN_NATIVE_H
#define WREN_NATIVE_H

#include "machine.h"

#pragma GCC visibility push(hidden)

/* native_start.S: goes to user mode with these registers, and comes back with the vector of the exception that ended it */
u32 native_enter(struct registers *registers);
extern const u32 native_vectors[]; /* eight jumps and their targets, to be copied to where the CPU looks */

/* native_tables.c */
void tables_start(u32 boot_table);
void tables_switch(struct space *space);
void drop_caches(void); /* another side looks at memory from now on: process or kernel */
int tables_allow(struct space *space, u32 virtual, u32 access); /* whether a process may do this by its tables already */
u32 device(u32 address); /* where a page of devices is mapped: above 0xf0000000 */
u32 architecture(void);  /* 5, 6, 7 */

#pragma GCC visibility pop
#endif
