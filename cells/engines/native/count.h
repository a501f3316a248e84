/* Counting what a guest does while it runs: entries by kind, switches, upkeep of TLB and caches, functions, and marks.
 *
 * Until vcpu_count is called nothing of this runs. README.md says what is exact, what is assumed and what is not modelled.
 */
#ifndef CELLVISOR_COUNT_H
#define CELLVISOR_COUNT_H

#include "native.h"

/* A marker: svc with this in r7, an identity in r0 and a number of turns in r1. The guest's kernel never sees it. */
#define MARK_CALL 0xfeed
/* The identity of the mark from which everything is counted. */
#define MARK_READY 0xb007
/* Marks after which more are passed over in silence. */
#define MARK_LIMIT 16384

#define COUNT_GROUPS 16
#define COUNT_FUNCTIONS 1024
/* What is counted beside the groups of functions. */
#define COUNT_EVENTS 43

struct count_shape {
    uint32_t dcache_lines;           /* so many operations by set and way are one flush; 0: as many lines as the CPU says it has */
    uint32_t functions;              /* how many: */
    const uint32_t *address;         /* where each begins */
    const uint8_t *group;            /* which count is its */
};

/* Count from now on. After memory is mapped, before the first run. NULL, or why it cannot be done. */
const char *vcpu_count(struct vcpu *v, const struct count_shape *shape);
/* From here on counts are from zero. */
void vcpu_count_begin(struct vcpu *v);
/* The counts: COUNT_EVENTS of events in the order of their names, then COUNT_GROUPS. */
void vcpu_counts(struct vcpu *v, uint64_t *counts);
/* The name of an event, NULL behind the last. */
const char *native_count_name(uint32_t number);

#endif
