/* What the TLBs hold as numbers: the shape, each set's next way and entries, then the virtual TLB from the least recently used on.
 *
 * With this a vCPU that goes on in another engine misses where it would have missed. Unicorn's own TLB is empty there, which is
 * allowed: it may hold less than the model.
 */
#include <string.h>

#include "vtlb_internal.h"

#define SHAPE_WORDS 5
enum { ASID_AT = 40, SHIFT_AT = 32, VALID_AT = 63 };

struct words {
    uint64_t *to;
    uint32_t count, room;
};

static void put(struct words *w, uint64_t word) {
    if (w->count++ < w->room)
        w->to[w->count - 1] = word;
}

static void shape_words(const struct vtlb_shape *s, uint64_t *words) {
    const uint64_t shape[SHAPE_WORDS] = {s->entries, s->ways, s->split, s->asid, s->virtual_entries};
    memcpy(words, shape, sizeof shape);
}

static void put_bank(struct words *w, const struct vtlb *t, const struct bank *bank) {
    for (uint32_t set = 0; set < t->sets; set++)
        put(w, bank->next[set]);
    for (uint32_t i = 0; i < t->shape.entries; i++)
        put(w, bank->way[i].valid ? span_key(&bank->way[i].span) | 1ull << VALID_AT : 0);
}

uint32_t vcpu_vtlb_save(struct vcpu *v, uint64_t *words, uint32_t room) {
    struct vtlb *t = ((struct engine *)v)->vtlb;
    struct words w = {words, 0, room};
    uint64_t shape[SHAPE_WORDS];
    if (t == NULL || ((struct engine *)v)->vtlb_for_counts)
        return 0;
    shape_words(&t->shape, shape);
    for (int i = 0; i < SHAPE_WORDS; i++)
        put(&w, shape[i]);
    for (int side = DATA; side <= (t->shape.split ? FETCH : DATA); side++)
        put_bank(&w, t, &t->bank[side]);
    for (uint32_t at = t->lru.used ? t->lru.node[0].newer : 0; at; at = t->lru.node[at].newer)
        put(&w, t->lru.node[at].key);
    return w.count;
}

static int get_entry(struct vtlb *t, struct bank *bank, uint32_t place, uint64_t word) {
    uint64_t key = word & ~(1ull << VALID_AT);
    struct span span = {(uint32_t)key, key >> SHIFT_AT & 0xff, (uint32_t)(key >> ASID_AT)};
    if (key == word)
        return word == 0;
    if (span.asid > GLOBAL || (span.base >> (span.shift & 31) & (t->sets - 1)) != place / t->shape.ways)
        return 0;
    for (int size = 0; size < SIZES; size++)
        if (span.shift == vtlb_shifts[size]) {
            vtlb_put(t, bank, place, &span);
            return 1;
        }
    return 0;
}

static int get_bank(struct vtlb *t, struct bank *bank, const uint64_t *words) {
    for (uint32_t set = 0; set < t->sets; set++) {
        if (words[set] >= t->shape.ways)
            return 0;
        bank->next[set] = (uint8_t)words[set];
    }
    for (uint32_t i = 0; i < t->shape.entries; i++)
        if (!get_entry(t, bank, i, words[t->sets + i]))
            return 0;
    return 1;
}

static int get_all(struct vtlb *t, const uint64_t *words, uint32_t count) {
    uint32_t banks = t->shape.split ? 2 : 1, each = t->sets + t->shape.entries, at = SHAPE_WORDS + banks * each;
    uint64_t shape[SHAPE_WORDS];
    shape_words(&t->shape, shape);
    if (count < at || count - at > t->shape.virtual_entries || memcmp(words, shape, sizeof shape) != 0)
        return 0;
    for (uint32_t side = 0; side < banks; side++)
        if (!get_bank(t, &t->bank[side], words + SHAPE_WORDS + side * each))
            return 0;
    for (; at < count; at++)
        lru_use(&t->lru, words[at]);
    return 1;
}

int vcpu_vtlb_load(struct vcpu *v, const uint64_t *words, uint32_t count) {
    struct vtlb *t = ((struct engine *)v)->vtlb;
    if (t == NULL || ((struct engine *)v)->vtlb_for_counts)
        return count != 0;
    vtlb_forget_all(t);
    if (get_all(t, words, count))
        return 0;
    vtlb_forget_all(t);
    return 1;
}

void vcpu_vtlb_counts(struct vcpu *v) {
    ((struct engine *)v)->vtlb_for_counts = 1;
}
