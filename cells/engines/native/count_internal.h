/* The inside of counting, for count.c (life, results, marks), count_scan.c (what a block does beside its instructions) and
 * count_watch.c (the block hook).
 */
#ifndef CELLVISOR_COUNT_INTERNAL_H
#define CELLVISOR_COUNT_INTERNAL_H

#include "count.h"
#include "internal.h"

/* Events in the order in which Python names them (hypervisor/abi/counts.py). */
#define EVENTS(X) \
    X(instructions) X(cycles) X(svc) X(irq) X(fiq) X(undefined) X(prefetch_abort_user) X(data_abort_user) X(prefetch_abort_kernel) \
    X(data_abort_kernel) X(hvc) X(wfi) X(switches) X(asid_changes) X(tlb_flush_all) X(tlb_flush_asid) X(tlb_flush_one) \
    X(dcache_flush) X(dcache_lines) X(icache_flush) X(icache_lines) X(flush_instructions) X(kernel_instructions) X(kernel_entries) \
    X(marks) X(tlb_miss_i) X(tlb_miss_d) X(loads) X(stores) X(l1i_miss) X(l1d_read_miss) X(l1d_write_miss) X(writebacks) \
    X(cold_i) X(cold_d) X(l1i_miss_user) X(l1d_read_miss_user) X(l1d_write_miss_user) X(l1i_miss_kept) X(l1d_read_miss_kept) \
    X(l1d_write_miss_kept) X(writebacks_kept) X(memory_cycles)

#define EVENT_NUMBER(name) E_##name,
enum { EVENTS(EVENT_NUMBER) EVENTS_END };

enum { FLUSH_DROP = 0, FLUSH_CLEAN = 1, FLUSH_ALL = 2 }; /* lines go unwritten; dirty ones are written and stay; are written and go */

/* When an operation's operand stands in its register, and the flags are those of its condition: when the block begins, when it is over,
 * or nobody knows. */
enum { AT_BEGIN, AT_END, AT_NO_TIME };
#define NOTED_OPS 6

/* What a block does beside its instructions. */
struct note {
    uint64_t key;
    uint32_t word, at;               /* its last instruction, if that changes what addresses mean; 0: it does not */
    uint16_t groups;                 /* bit per group of functions that begins here */
    uint16_t dwhole, walks, dlines, iwhole, ilines; /* operations on caches: all of it, a step of a walk through it, a line */
    uint16_t how;                    /* FLUSH_*: what those on all of the data cache do with its lines */
    uint16_t ops;
    struct op_note {
        uint32_t word;
        uint8_t when, asks;          /* of the operand; 1: of a condition, and not among the counts above */
        uint8_t flags;               /* when that is known */
    } op[NOTED_OPS];                 /* operations on caches, one by one */
};

#define NOTES 2048
#define NOTED (1ull << 63)           /* in a block's key: it is looked at each time. No two blocks' sites differ in this bit alone */
#define TAGS (NOTED | 1)             /* bit 0: the block runs with privileges */

struct function {
    uint32_t address;
    uint16_t groups;
};

struct count {
    struct engine *e;
    uint64_t n[EVENTS_END], group[COUNT_GROUPS], base[EVENTS_END];
    uint64_t entered;                /* instructions when privileged code began to run */
    uint64_t marks;                  /* of its whole life */
    uint32_t mark_limit, walk_steps, walked; /* a walk's length, and how far the present one is */
    uint32_t table, reserved, space, process; /* TTBR0, TTBR1, ASID and FCSE as last seen */
    struct caches *caches;           /* NULL: they are not modelled */
    const struct note *pending;      /* the block that runs, if it has a note */
    uint32_t pending_from, begin[NOTED_OPS], begin_flags;
    uint32_t functions;
    struct function function[COUNT_FUNCTIONS];
    struct note note[NOTES];
};

/* count_scan.c: what lies in `size` bytes at `address`. `extent` as in struct block */
void scan(struct count *c, struct note *note, uint32_t address, uint32_t size, uint32_t thumb);
int is_noted(const struct note *note);
int note_cache(struct note *note, uint32_t word);
void sort_functions(struct count *c);

/* count.c */
void count_note(struct count *c, const struct note *note, int sign);
void count_refresh(struct engine *e);
uint32_t count_operand(struct engine *e, uint32_t word);

/* count_watch.c: the block hook for what is counted */
void count_hook(struct engine *e);


#endif
