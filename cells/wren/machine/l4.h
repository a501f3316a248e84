/* The door of the microkernel for a kernel that is a task (hypervisor/abi/l4_door.py, whose numbers these are). */
#ifndef WREN_L4_H
#define WREN_L4_H

#define L4_CALL_IPC 0x100
#define L4_CALL_TASK_NEW 0x101
#define L4_CALL_TASK_DELETE 0x102
#define L4_CALL_MAP 0x103
#define L4_CALL_UNMAP 0x104
#define L4_CALL_EXCHANGE 0x105
#define L4_CALL_UTCB 0x106

#define L4_INDEX_MAIN 0
#define L4_INDEX_SIGNAL 1

#define L4_EXCHANGE_START 1
#define L4_EXCHANGE_FORCE 2

#define L4_LABEL_EXCEPTION 7
#define L4_LABEL_USER 64

#define L4_TRAP_START 0
#define L4_TRAP_UNDEFINED 1
#define L4_TRAP_SWI 2
#define L4_TRAP_PREFETCH_ABORT 3
#define L4_TRAP_DATA_ABORT 4
#define L4_TRAP_IRQ 6

#define L4_ROOT 0x10
#define L4_SIGNAL_PAGE 0xf0000000
#define L4_UTCB_SIZE 256
#define L4_MAP_ITEM 8
#define L4_ITEMS_LIMIT 23
#define L4_UNMAP_LIMIT 1024
#define L4_READ 1
#define L4_WRITE 2

#define STACK 0x4000 /* bytes of the kernel's */

#define L4_FOREVER (~0ull) /* as `until`: no end */

#ifndef __ASSEMBLER__
#include "link.h"

#pragma GCC visibility push(hidden)

/* l4_start.S: the system calls of the microkernel. Below 0: STATUS_* of info_page.h. The message is in our message registers. */
int l4_call_ipc(u32 to, u32 from, u64 until); /* sends, then receives; who sent, L4_NIL: something else happened */
int l4_call_task_new(void);
int l4_call_task_delete(u32 task);
int l4_call_map(u32 task);
int l4_call_unmap(u32 task, u32 virtual, u32 pages, u32 rights);
int l4_call_exchange(u32 thread, u32 pc, u32 sp, u32 how);
int l4_call_utcb(const void *registers);
extern const u32 l4_signal_begin[], l4_signal_end[]; /* what a signal thread does; runs at L4_SIGNAL_PAGE */

/* l4_tasks.c: tasks of processes, and what they have of our memory */
void tasks_start(void);
u32 tasks_reserve(u32 end);                    /* a page for the signal threads, off the end of memory */
u32 tasks_items(u32 task, u32 *items);         /* pages that are still to be mapped: as items, for the message that lets it run */
void tasks_settle(u32 task);                   /* all other changes have happened, also to other tasks */
u32 l4_thread(u32 task, u32 index);
void l4_refused(int status, const char *what) __attribute__((noreturn));

/* l4_link.c */
u64 links_until(u64 until); /* or sooner, if pages are to be offered to a back end */

extern u32 l4_utcb[L4_UTCB_SIZE / 4]; /* the tag and the message registers */

#pragma GCC visibility pop
#endif
#endif
