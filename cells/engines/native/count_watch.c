/* The block hook of a vCPU that counts.
 *
 * What a block does beside its instructions is found when it is measured, so the usual path is that of block_hook: one comparison more
 * would cost a tenth. Instead the key of a block says with which privileges it runs (the translator keeps such blocks apart) and
 * whether there is something to note; either makes it differ from what the usual path looks for.
 */
#include "cachesim_internal.h"

#define NOINLINE __attribute__((noinline, cold))

/* Whoever runs now has other privileges than who ran before. */
static void cross(struct engine *e, uint64_t privileged) {
    struct count *c = e->count;
    e->privileged = privileged;
    if (c->caches)
        caches_cross(c->caches, (int)privileged);
    if (!privileged) {
        c->n[E_kernel_instructions] += e->v.insns - c->entered;
        return;
    }
    c->entered = e->v.insns;
    c->n[E_kernel_entries]++;
}

static struct note *note_of(struct count *c, uint64_t key) {
    return &c->note[(key >> 32 >> SITE_SHIFT ^ key >> 2) & (NOTES - 1)];
}

static struct note *look_for_notes(struct count *c, uint64_t key, uint32_t address, uint32_t extent) {
    struct note *note = note_of(c, key);
    struct note fresh;
    scan(c, &fresh, address, extent & ~1u, extent & 1);
    if (!is_noted(&fresh))
        return NULL;
    fresh.key = key;
    *note = fresh;
    return note;
}

/* A block that was just measured gets its tags. */
static void tag(struct engine *e, struct block *block, uint64_t key, uint32_t address) {
    int privileged = (reg_read(e, REG_CPSR) & CPSR_MODE) != MODE_USER;
    block->key = key | (uint64_t)privileged;
    if (look_for_notes(e->count, key, address, block->extent))
        block->key ^= NOTED;
}

/* Where a block's code lies. Blocks of other pages at the same address are other blocks, so that this stays true. */
static void locate(struct engine *e, uint64_t place, uint32_t address, uint32_t size) {
    struct place *at = &e->count->caches->place[place];
    uint32_t last = address + size - 1;
    uint64_t physical;
    at->first = unicorn.vmem_translate(e->uc, address, UC_EXECUTABLE, &physical) ? address : (uint32_t)physical;
    at->second = NO_PAGE;
    if ((address ^ last) & ~(e->page_size - 1)) {
        last &= ~(e->page_size - 1);
        at->second = unicorn.vmem_translate(e->uc, last, UC_EXECUTABLE, &physical) ? last : (uint32_t)physical;
    }
}

static void begin_noted(struct engine *e, struct block *block, uint64_t key, uint32_t address) {
    struct count *c = e->count;
    const struct note *note = note_of(c, key);
    if (note->key != key)
        note = look_for_notes(c, key, address, block->extent);
    if (note == NULL) /* the guest has rewritten it since */
        return;
    count_note(c, note, 1);
    c->n[E_flush_instructions] += note->walks ? block->insns : 0;
    for (uint32_t i = 0; i < COUNT_GROUPS; i++)
        c->group[i] += note->groups >> i & 1;
    c->pending = note;
    c->pending_from = address;
    for (uint32_t i = 0; i < note->ops; i++)
        c->begin[i] = count_operand(e, note->op[i].word);
    if (note->ops)
        c->begin_flags = reg_read(e, REG_CPSR);
    if (note->word || note->ops)
        e->v.lines |= LINE_SETTLE;
}

/* What the hooks below leave over. */
static NOINLINE void *look(struct engine *e, uint64_t site, uint32_t address, uint32_t size) {
    uint64_t key = site << 32 | address, place = (site >> SITE_SHIFT) & e->mask;
    struct block *block = &e->cache[place];
    int fresh;
    vtlb_settle(e);
    if ((e->v.cycles >= e->v.limit || e->v.lines) && must_stop(e))
        return e->uc;
    fresh = ((block->key ^ key) & ~TAGS) != 0;
    if (fresh) {
        block = measure(e, block, site, address, size);
        tag(e, block, key, address);
        if (e->count->caches)
            locate(e, place, address, size);
    }
    if ((block->key & 1) != e->privileged)
        cross(e, block->key & 1);
    e->count->pending = NULL;
    if ((block->key ^ key) & NOTED)
        begin_noted(e, block, key, address);
    if (e->vtlb)
        vtlb_block(e->vtlb, place, key, address, size, block->extent, fresh);
    if (e->count->caches) {
        *e->synced = 1;
        caches_fetch(e->count->caches, place, size);
    }
    count_block(e, block);
    return NULL;
}

/* `leased`: translations are counted as well (watched_block_hook). `cached`: and lines of caches. */
static inline void *begin(struct engine *e, uint64_t site, uint32_t address, uint32_t size, int leased, int cached) {
    uint64_t place = (site >> SITE_SHIFT) & e->mask;
    struct block *block = &e->cache[place];
    uint32_t lease = leased ? e->lease[place] : 0;
    if (LIKELY(e->v.cycles < e->v.limit && !e->v.lines && block->key == ((site << 32 | address) | e->privileged) &&
               (!leased || e->current[lease & 0xff] == lease))) {
        if (cached) {
            *e->synced = 1;
            caches_fetch(e->count->caches, place, size);
        }
        count_block(e, block);
        return NULL;
    }
    return look(e, site, address, size);
}

#define HOOK(name, leased, cached) \
    static void *name(void *uc, uint64_t address, uint32_t size, void *user) { \
        (void)uc; \
        return begin(user, (uintptr_t)__builtin_return_address(0), (uint32_t)address, size, leased, cached); \
    }

HOOK(events, 0, 0)
HOOK(events_translations, 1, 0)
HOOK(events_caches, 0, 1)
HOOK(everything, 1, 1)

void count_hook(struct engine *e) {
    static void *(*const hooks[4])(void *, uint64_t, uint32_t, void *) = {events, events_translations, events_caches, everything};
    e->hook = (void *)hooks[(e->vtlb != NULL) + 2 * (e->count->caches != NULL)];
    unicorn.hook_del(e->uc, e->block_hook);
    unicorn.hook_add(e->uc, &e->block_hook, UC_HOOK_BLOCK, e->hook, e, 1, 0);
    flush_code(e);
}
