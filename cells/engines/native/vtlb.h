/* Virtual address translation, counted: a model of the CPU's TLB, and behind it the microvisor's larger, software-made one.
 *
 * Until vcpu_vtlb is called nothing of this runs. README.md has the table of what is modelled, and how exactly.
 */
#ifndef CELLVISOR_VTLB_H
#define CELLVISOR_VTLB_H

#include "native.h"

#define VTLB_WAYS_LIMIT 128
#define VTLB_ENTRIES_LIMIT 1048576

struct vtlb_shape {
    uint32_t entries, ways;    /* of the real TLB; `ways` divides `entries`, and the quotient is a power of two */
    uint32_t split;            /* 1: one of this size for instructions and one for data */
    uint32_t asid;             /* 1: entries carry the address space's number */
    uint32_t virtual_entries;  /* of the virtual TLB; 0: there is none, so that every miss is a walk */
    uint32_t miss_cycles;      /* a miss of the virtual TLB: the guest's tables are walked */
    uint32_t upkeep_cycles;    /* the guest invalidates entries or changes its address space, which traps */
    uint32_t flush_cycles;     /* another table base, the cache given up: its lines are fetched again */
};

/* The translations are counted for the sake of counting alone: they are no part of a snapshot, and start anew where counts do. */
void vcpu_vtlb_counts(struct vcpu *v);
/* Count and charge from now on. Before the first run. NULL, or why it cannot be done. */
const char *vcpu_vtlb(struct vcpu *v, const struct vtlb_shape *shape);
/* What the two TLBs hold, as numbers: how many, of which at most `room` are written. 0 without a vTLB. */
uint32_t vcpu_vtlb_save(struct vcpu *v, uint64_t *words, uint32_t room);
/* The same back into one of the same shape: 0, or 1 if it does not fit. */
int vcpu_vtlb_load(struct vcpu *v, const uint64_t *words, uint32_t count);

#endif
