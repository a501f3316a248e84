/* The model: the CPU's TLB with its sets and ways, the virtual TLB behind it, what comes in and goes out, and what it costs.
 *
 * A set of the real TLB replaces its entries in turn (FIFO). So a hit changes nothing, and it is enough to see the first access to a
 * page that the model does not hold: vtlb_tap.c makes sure that Unicorn's TLB never holds a page for data that the model does not,
 * vtlb_watch.c that no block runs unseen whose page it does not hold. The count is then a function of what the guest executes.
 */
#include <stdlib.h>
#include <string.h>

#include "vtlb_internal.h"

/* What c13,c0,0 makes of an address in the lowest 32 MiB. */
uint32_t vtlb_modified(const struct vtlb *t, uint32_t address) {
    return address < 0x02000000 ? address + t->process : address;
}

void vtlb_charge(struct vtlb *t, uint32_t cycles) {
    t->e->v.cycles += cycles;
    t->e->v.vtlb_cycles += cycles;
}

static struct way *set_of(struct vtlb *t, struct bank *bank, uint32_t address, uint32_t shift) {
    return &bank->way[(address >> shift & (t->sets - 1)) * t->shape.ways];
}

static int covers(const struct way *way, uint32_t address) {
    return way->valid && (way->span.base ^ address) >> way->span.shift == 0;
}

struct way *vtlb_find(struct vtlb *t, int side, uint32_t modified) {
    struct bank *bank = bank_of(t, side);
    for (int size = 0; size < SIZES; size++) {
        struct way *way;
        if (!bank->held[size])
            continue;
        way = set_of(t, bank, modified, vtlb_shifts[size]);
        for (uint32_t i = 0; i < t->shape.ways; i++, way++)
            if (covers(way, modified) && way->span.shift == vtlb_shifts[size] &&
                (way->span.asid == GLOBAL || way->span.asid == t->space))
                return way;
    }
    return NULL;
}

/* ---- What Unicorn's TLB holds must be in the model */

static void flush_unicorn(struct vtlb *t) {
    unicorn.ctl(t->e->uc, CTL_TLB_FLUSH);
    for (uint32_t i = 0; i < t->shape.entries; i++)
        t->bank[DATA].way[i].pages = t->bank[DATA].way[i].tables = t->bank[DATA].way[i].odd = 0;
}

static void drop_page(struct vtlb *t, uint32_t modified, uint32_t tables) {
    t->tap.drop_page(t->tap.cs, modified, (uint16_t)tables);
    if (t->process && modified - t->process < 0x02000000)
        t->tap.drop_page(t->tap.cs, modified - t->process, (uint16_t)tables);
}

/* Unicorn's TLB forgets the pages of an entry. Of what is larger than a small page it keeps no account: one address drops the table. */
static void drop_pages(struct vtlb *t, struct way *way) {
    if (way->odd) {
        flush_unicorn(t);
    } else if (way->tables && way->span.shift > SMALL_SHIFT) {
        drop_page(t, way->span.base, way->tables);
    } else if (way->tables) {
        for (uint32_t pages = way->pages; pages; pages &= pages - 1)
            drop_page(t, way->span.base + (uint32_t)__builtin_ctz(pages) * t->e->page_size, way->tables);
    }
    way->pages = way->tables = way->odd = 0;
}

static void invalidate(struct vtlb *t, struct bank *bank, struct way *way) {
    if (!way->valid)
        return;
    way->valid = 0;
    for (int size = 0; size < SIZES; size++)
        bank->held[size] -= way->span.shift == vtlb_shifts[size];
    if (bank == &t->bank[DATA])
        drop_pages(t, way);
    if (bank == bank_of(t, FETCH))
        t->e->current[way - bank->way] = 0;
}

/* ---- In */

uint32_t vtlb_lease(struct vtlb *t, const struct way *way) {
    const struct bank *bank = &t->bank[t->shape.split ? FETCH : DATA];
    return t->e->current[way - bank->way];
}

static uint32_t new_lease(struct vtlb *t, uint32_t place) {
    if (++t->stamp == (1u << 24) - 1) { /* leases of old would come back: nobody may have one */
        t->stamp = 1;
        memset(t->e->lease, 0xff, (t->e->mask + 1) * sizeof *t->e->lease);
        for (uint32_t i = 0; i < 256; i++)
            t->e->current[i] = t->e->current[i] ? ++t->stamp << 8 | i : 0;
        ++t->stamp;
    }
    return t->stamp << 8 | place;
}

void vtlb_put(struct vtlb *t, struct bank *bank, uint32_t place, const struct span *span) {
    struct way *way = &bank->way[place];
    way->span = *span;
    way->valid = 1;
    for (int size = 0; size < SIZES; size++)
        bank->held[size] += span->shift == vtlb_shifts[size];
    if (bank == bank_of(t, FETCH))
        t->e->current[place] = new_lease(t, place);
}

static struct way *insert(struct vtlb *t, int side, const struct span *span) {
    struct bank *bank = bank_of(t, side);
    struct way *set = set_of(t, bank, span->base, span->shift), *way = NULL;
    uint8_t *next = &bank->next[(uint32_t)(set - bank->way) / t->shape.ways];
    for (uint32_t i = 0; i < t->shape.ways && way == NULL; i++)
        if (!set[i].valid)
            way = &set[i];
    if (way == NULL) {
        way = &set[*next];
        *next = (uint8_t)((*next + 1) % t->shape.ways);
        invalidate(t, bank, way);
    }
    vtlb_put(t, bank, (uint32_t)(way - bank->way), span);
    return way;
}

/* An access: NULL if the tables have nothing there. */
struct way *vtlb_touch(struct vtlb *t, int side, uint32_t address) {
    uint32_t modified = vtlb_modified(t, address);
    struct way *way = vtlb_find(t, side, modified);
    struct span span;
    int there;
    if (way)
        return way;
    there = vtlb_walk(t, modified, &span);
    count_translation(t->e, side == FETCH);
    if (there && lru_use(&t->lru, span_key(&span))) {
        t->e->v.vtlb_hits++;
    } else {
        t->e->v.vtlb_misses++;
        vtlb_charge(t, t->shape.miss_cycles);
    }
    return there ? insert(t, side, &span) : NULL;
}

/* ---- Out */

/* No block may run on before it has been looked at: addresses mean something else now. */
void vtlb_renew(struct vtlb *t) {
    for (uint32_t i = 0; i < 256; i++)
        if (t->e->current[i])
            t->e->current[i] = new_lease(t, i);
}

static int goes(const struct way *way, int what, uint32_t value) {
    switch (what) {
    case FORGET_ADDRESS:
        return covers(way, value & ~0xffu) && (way->span.asid == GLOBAL || way->span.asid == (value & 0xff));
    case FORGET_ADDRESS_EVERYWHERE:
        return covers(way, value & ~0xffu);
    case FORGET_SPACE:
        return way->span.asid == (value & 0xff);
    default:
        return 1;
    }
}

static void forget_virtual(struct vtlb *t, int what, uint32_t value) {
    if (what == FORGET_ALL)
        lru_drop_all(&t->lru);
    else if (what == FORGET_SPACE)
        lru_drop_space(&t->lru, value & 0xff);
    else
        for (int size = 0; size < SIZES; size++) {
            struct span span = {value >> vtlb_shifts[size] << vtlb_shifts[size], vtlb_shifts[size], GLOBAL};
            lru_drop(&t->lru, span_key(&span));
            for (span.asid = 0; what == FORGET_ADDRESS_EVERYWHERE && span.asid < GLOBAL; span.asid++)
                lru_drop(&t->lru, span_key(&span));
            span.asid = value & 0xff;
            lru_drop(&t->lru, span_key(&span));
        }
}

/* `sides`: 1 data, 2 instructions. With one TLB for both they are the same. */
void vtlb_forget(struct vtlb *t, int sides, int what, uint32_t value) {
    for (int side = DATA; side <= (t->shape.split ? FETCH : DATA); side++)
        for (uint32_t i = 0; i < t->shape.entries; i++)
            if ((!t->shape.split || sides >> side & 1) && goes(&t->bank[side].way[i], what, value))
                invalidate(t, &t->bank[side], &t->bank[side].way[i]);
    forget_virtual(t, what, value);
}

/* As at power-on. */
void vtlb_forget_all(struct vtlb *t) {
    vtlb_forget(t, 3, FORGET_ALL, 0);
    memset(t->bank[DATA].next, 0, sizeof t->bank[DATA].next);
    memset(t->bank[FETCH].next, 0, sizeof t->bank[FETCH].next);
    flush_unicorn(t);
    t->pending = 0;
    t->strayed = 0;
    vtlb_refresh(t);
    vtlb_renew(t);
}

/* Registers of cp15 were written from outside. */
void vtlb_changed(struct engine *e) {
    if (e->vtlb)
        vtlb_stray(e->vtlb);
}

/* ---- Life */

static const char *refusal(const struct vtlb_shape *s) {
    if (!s->ways || !s->entries || s->entries > VTLB_WAYS_LIMIT || s->entries % s->ways)
        return "a TLB has 1 to 128 entries in ways of equal length";
    if ((s->entries / s->ways) & (s->entries / s->ways - 1))
        return "the sets of a TLB are a power of two";
    return s->virtual_entries > VTLB_ENTRIES_LIMIT ? "a virtual TLB has at most 1048576 entries" : NULL;
}

void vtlb_close(struct vtlb *t) {
    if (t == NULL)
        return;
    vtlb_untap(t);
    lru_close(&t->lru);
    free(t->e->lease);
    t->e->lease = NULL;
    free(t);
}

const char *vcpu_vtlb(struct vcpu *v, const struct vtlb_shape *shape) {
    struct engine *e = (struct engine *)v;
    const char *why = e->vtlb ? "the vCPU has a virtual TLB" : e->count ? "events are counted after translations" : refusal(shape);
    struct vtlb *t;
    uint32_t identity = 0;
    if (why)
        return why;
    t = calloc(1, sizeof *t);
    if (t == NULL)
        return "no memory";
    t->shape = *shape;
    t->e = e;
    t->sets = shape->entries / shape->ways;
    cp15_read(e, 0, 0, 0, 0, &identity);
    t->xscale = identity >> 24 == 0x69;
    t->e->lease = malloc((e->mask + 1) * sizeof *t->e->lease);
    why = t->e->lease && lru_open(&t->lru, shape->virtual_entries) ? vtlb_tap(t) : "no memory";
    if (why) {
        vtlb_close(t);
        return why;
    }
    memset(t->e->lease, 0xff, (e->mask + 1) * sizeof *t->e->lease);
    t->e->current[FLAT] = new_lease(t, FLAT);
    e->vtlb = t;
    unicorn.hook_del(e->uc, e->block_hook);
    unicorn.hook_add(e->uc, &e->block_hook, UC_HOOK_BLOCK, e->hook = (void *)watched_block_hook, e, 1, 0);
    flush_code(e);
    vtlb_forget_all(t);
    return NULL;
}
