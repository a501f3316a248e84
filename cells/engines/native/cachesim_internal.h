/* The inside of the caches' model, for cachesim.c (the model) and cachesim_tap.c (what it is told of). */
#ifndef CELLVISOR_CACHESIM_INTERNAL_H
#define CELLVISOR_CACHESIM_INTERNAL_H

#include "cachesim.h"
#include "count_internal.h"

#define NO_LINE 0xffffffffu
#define NO_PAGE 1
#define CHANCE 0x926u                /* what chance begins with */
#define COLD_SHIFT 5                 /* lines of 32 bytes, whatever the cache has: what is compared between boards */

/* Memory of which no access can change anything but a count: its line is in the cache (and in the kept one), and it is not cold. Grains
 * are as large as a line, at most 1 << COLD_SHIFT. */
#define SEEN 512
struct seen {
    uint32_t grain, when, dirty;     /* `when`: it is so while that is caches.now; `dirty`: for stores */
};

struct cache {
    uint32_t sets, ways, shift, fine; /* `fine`: log2 of a grain */
    struct seen *seen;               /* SEEN of them, by grain */
    uint32_t *tag;                   /* by set and way: number of the line, NO_LINE */
    uint8_t *dirty, *next;           /* by set and way; by set: the way to go next */
    uint32_t chance;                 /* never 0: decides which way goes; 0: `next` does */
};

/* Where a block's code lies: of its first byte, and of the page in which it ends. */
struct place {
    uint32_t first, second;          /* NO_PAGE: it ends where it begins */
};

struct caches {
    struct engine *e;
    struct count *c;
    struct caches_shape shape;
    struct cache l1i, l1d, kept_i, kept_d;
    uint32_t now;                    /* never 0 */
    struct seen seen_i[SEEN], seen_d[SEEN];
    uint32_t due_i, due_d;           /* 1: the kept instruction cache goes unless a switch follows; 1 + FLUSH_*: data */
    uint32_t entry;                  /* number of the present entry into privileged code */
    uint32_t *cold_i[RAM_LIMIT], *cold_d[RAM_LIMIT]; /* by RAM and line: the entry that has seen it last */
    struct place *place;             /* by place of the cache of blocks */
};

/* cachesim.c */
void caches_close(struct caches *m);
void caches_empty(struct caches *m);
void caches_fetch_slow(struct caches *m, uint64_t place, uint32_t size);
void caches_data_slow(struct caches *m, uint64_t address, uint32_t size, int store);
void caches_flush_data(struct caches *m, int how);
void caches_flush_instructions(struct caches *m);
void caches_line(struct caches *m, uint32_t address, int how, int instructions);
void caches_cross(struct caches *m, int privileged);
void caches_switch(struct caches *m);

/* A block begins. */
static inline void caches_fetch(struct caches *m, uint64_t place, uint32_t size) {
    uint32_t from = m->place[place].first, grain = from >> m->l1i.fine, last = (from + size - 1) >> m->l1i.fine;
    while (grain <= last && m->seen_i[grain % SEEN].grain == grain && m->seen_i[grain % SEEN].when == m->now)
        grain++;
    if (grain <= last || m->place[place].second != NO_PAGE)
        caches_fetch_slow(m, place, size);
}

/* A load or store of one page. */
static inline void caches_data(struct caches *m, uint64_t address, uint32_t size, int store) {
    uint32_t from = (uint32_t)address, grain = from >> m->l1d.fine;
    const struct seen *seen = &m->seen_d[grain % SEEN];
    if (seen->grain == grain && (store ? seen->dirty : seen->when) == m->now && (from + size - 1) >> m->l1d.fine == grain)
        m->c->n[store ? E_stores : E_loads]++;
    else
        caches_data_slow(m, address, size, store);
}

/* cachesim_tap.c */
int caches_tap(struct caches *m);
int guest_translate(struct engine *e, uint32_t address, uint32_t *physical);

#endif
