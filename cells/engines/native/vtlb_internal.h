/* The inside of the vTLB, for vtlb.c (the model), vtlb_walk.c (the guest's tables), vtlb_lru.c (the virtual TLB),
 * vtlb_watch.c (instructions and upkeep, seen block by block), vtlb_tap.c (data accesses, seen through Unicorn's own TLB) and
 * vtlb_state.c (snapshots).
 */
#ifndef CELLVISOR_VTLB_INTERNAL_H
#define CELLVISOR_VTLB_INTERNAL_H

#include "internal.h"
#include "vtlb.h"

#define SIZES 5          /* tiny, small, large page, section, supersection */
#define SMALL_SHIFT 12
#define SECTION_SHIFT 20
#define GLOBAL 0x100u    /* an entry of every address space */
#define OPS 256
#define FLAT 0xffu       /* the place of the lease that holds while the MMU is off */
#define NO_LEASE 0xfffffffeu /* leads to a place that never has it */

/* What one entry of a TLB stands for. */
struct span {
    uint32_t base, shift, asid; /* modified virtual address; log2 of its size; GLOBAL or a number */
};

/* An entry of the real TLB. `pages`: which of the up to four of Unicorn's pages in a small one its TLB may hold for data, `tables`: in
 * which of its tables. `odd`: it holds some of them in another size. */
struct way {
    struct span span;
    uint32_t valid, pages;
    uint16_t tables, odd;
};

struct bank {
    struct way way[VTLB_WAYS_LIMIT];
    uint8_t next[VTLB_WAYS_LIMIT];  /* by set: the way to go next */
    uint32_t held[SIZES];           /* entries by size */
};

/* The virtual TLB: fully associative, the least recently used entry goes. Numbers of nodes from 1; node 0 is the ring's anchor. */
struct lru {
    uint32_t room, used, mask;
    struct node {
        uint64_t key;
        uint32_t older, newer, chain;
    } *node;
    uint32_t *head;
};

/* How Unicorn fills its TLB. */
struct tap {
    void *cs, *env;             /* its CPUState and CPUARMState */
    void **slot;                /* where it keeps the function that fills */
    _Bool (*fill)(void *cs, uint64_t address, int size, int access, int table, _Bool probe, uintptr_t back);
    _Bool (*translate)(void *env, uint32_t address, int access, int table, uint64_t *physical, uint32_t *attributes, int *rights,
                       uint32_t *size, void *fault, void *cache);
    void (*set_page)(void *cs, uint32_t address, uint64_t physical, uint32_t attributes, int rights, int table, uint32_t size);
    void (*drop_page)(void *cs, uint32_t address, uint16_t tables);
};

struct vtlb {
    struct vtlb_shape shape;
    struct engine *e;
    struct vtlb *other;              /* the next one of this process */
    struct tap tap;
    uint32_t sets, xscale, strayed;  /* `strayed`: Unicorn's TLB has what the model has not */
    uint32_t control, table0, table1, split_at, process, space; /* cp15 as of now: SCTLR, TTBR0, TTBR1, TTBCR, FCSE, ASID */
    uint32_t pending, pending_at, pending_from, pending_unsure; /* an upkeep instruction that has begun */
    uint32_t stamp;
    uint32_t dropped;                /* a cache was given up since the table base changed last */
    struct op {
        uint64_t key;
        uint32_t word, at, drops;    /* `word` 0: nothing but drops */
    } op[OPS];
    struct lru lru;
    struct bank bank[2];             /* data or both; instructions */
};

enum { ACCESS_LOAD = 0, ACCESS_STORE = 1, ACCESS_FETCH = 2 }; /* Unicorn's MMUAccessType */
enum { DATA = 0, FETCH = 1 };

extern const uint8_t vtlb_shifts[SIZES];

/* vtlb_walk.c: what the guest's tables say of a modified address: 1 and the span, or 0 for a translation fault. */
int vtlb_walk(struct vtlb *t, uint32_t address, struct span *span);

/* vtlb_lru.c */
int lru_open(struct lru *l, uint32_t room);
void lru_close(struct lru *l);
int lru_use(struct lru *l, uint64_t key);  /* 1: it was there. It is now, as the most recent */
void lru_drop(struct lru *l, uint64_t key);
void lru_drop_all(struct lru *l);
uint64_t span_key(const struct span *span);
void lru_drop_space(struct lru *l, uint32_t asid);

/* vtlb.c */
uint32_t vtlb_modified(const struct vtlb *t, uint32_t address);
struct way *vtlb_find(struct vtlb *t, int side, uint32_t modified);
struct way *vtlb_touch(struct vtlb *t, int side, uint32_t address);
void vtlb_put(struct vtlb *t, struct bank *bank, uint32_t place, const struct span *span);
uint32_t vtlb_lease(struct vtlb *t, const struct way *way);
void vtlb_renew(struct vtlb *t);
void vtlb_forget_all(struct vtlb *t);
void vtlb_forget(struct vtlb *t, int sides, int what, uint32_t value);
void vtlb_charge(struct vtlb *t, uint32_t cycles);
enum { FORGET_ALL = 0, FORGET_ADDRESS = 1, FORGET_SPACE = 2, FORGET_ADDRESS_EVERYWHERE = 3 }; /* opc2 of c8 [B4.2.2] */

static inline struct bank *bank_of(struct vtlb *t, int side) {
    return &t->bank[t->shape.split ? side : DATA];
}

/* vtlb_watch.c */
void *watched_block_hook(void *uc, uint64_t address, uint32_t size, void *user);
uint32_t vtlb_refresh(struct vtlb *t);
void vtlb_stray(struct vtlb *t);  /* Unicorn's TLB may have what the model has not, or the registers are others */

/* vtlb_tap.c */
const char *vtlb_tap(struct vtlb *t);
void vtlb_untap(struct vtlb *t);

#endif
