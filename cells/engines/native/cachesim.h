/* The first-level caches, modelled: which lines are in them, by physical address. README.md says how true that is. */
#ifndef CELLVISOR_CACHESIM_H
#define CELLVISOR_CACHESIM_H

#include "count.h"

struct cache_shape {
    uint32_t size, line, ways;       /* bytes, bytes, and size / line / ways is a power of two */
    uint32_t random;                 /* 1: a full set gives up a line by chance, the same in every run; 0: in turn */
};

struct caches_shape {
    struct cache_shape l1i, l1d;
    uint32_t write_allocate;         /* 1: a store that misses brings its line in */
    uint32_t kept;                   /* 1: also the same caches if no switch of the address space flushed them */
    uint32_t fill_cycles;            /* charged for a line that comes in; 0: nothing is charged */
    uint32_t store_cycles;           /* charged for a store that goes past the cache, and for a dirty line that goes out */
};

/* Model them from now on. After vcpu_count, before the first run. NULL, or why it cannot be done. */
const char *vcpu_caches(struct vcpu *v, const struct caches_shape *shape);

#endif
