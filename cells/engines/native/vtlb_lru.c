/* The virtual TLB's entries: a hash of spans, linked from the least to the most recently used.
 *
 * The microvisor keeps such a TLB as tables of its own, so there are no sets that could be full. That the least recently used
 * entry goes makes a larger one never worse on the same accesses.
 */
#include <stdlib.h>

#include "vtlb_internal.h"

int lru_open(struct lru *l, uint32_t room) {
    uint32_t places = 64;
    while (places < 2 * room)
        places <<= 1;
    l->room = room;
    l->mask = places - 1;
    l->node = calloc(room + 1, sizeof *l->node);
    l->head = calloc(places, sizeof *l->head);
    return l->node != NULL && l->head != NULL;
}

void lru_close(struct lru *l) {
    free(l->node);
    free(l->head);
}

uint64_t span_key(const struct span *span) {
    return span->base | (uint64_t)span->shift << 32 | (uint64_t)span->asid << 40;
}

static uint32_t *place_of(const struct lru *l, uint64_t key) {
    uint64_t mixed = key * 0x9e3779b97f4a7c15ull;
    return &l->head[(uint32_t)(mixed >> 40) & l->mask];
}

static void unlink_node(struct lru *l, uint32_t at) {
    struct node *node = &l->node[at];
    l->node[node->older].newer = node->newer;
    l->node[node->newer].older = node->older;
}

static void link_newest(struct lru *l, uint32_t at) {
    struct node *node = &l->node[at];
    node->newer = 0;
    node->older = l->node[0].older;
    l->node[node->older].newer = at;
    l->node[0].older = at;
}

static void unchain(struct lru *l, uint32_t at) {
    uint32_t *link = place_of(l, l->node[at].key);
    while (*link != at)
        link = &l->node[*link].chain;
    *link = l->node[at].chain;
}

static uint32_t find(const struct lru *l, uint64_t key) {
    uint32_t at = *place_of(l, key);
    while (at && l->node[at].key != key)
        at = l->node[at].chain;
    return at;
}

int lru_use(struct lru *l, uint64_t key) {
    uint32_t at = l->room ? find(l, key) : 0, *head;
    if (at) {
        unlink_node(l, at);
        link_newest(l, at);
        return 1;
    }
    if (l->room == 0)
        return 0;
    if (l->used < l->room) {
        at = ++l->used;
    } else {
        at = l->node[0].newer; /* the oldest */
        unlink_node(l, at);
        unchain(l, at);
    }
    head = place_of(l, key);
    l->node[at].key = key;
    l->node[at].chain = *head;
    *head = at;
    link_newest(l, at);
    return 0;
}

/* Take one out. The last node moves into its place, so that used nodes stay together. */
static void take_out(struct lru *l, uint32_t at) {
    uint32_t last = l->used--, *link;
    unlink_node(l, at);
    unchain(l, at);
    if (at == last)
        return;
    link = place_of(l, l->node[last].key);
    while (*link != last)
        link = &l->node[*link].chain;
    *link = at;
    l->node[at] = l->node[last];
    l->node[l->node[at].older].newer = at;
    l->node[l->node[at].newer].older = at;
}

void lru_drop(struct lru *l, uint64_t key) {
    uint32_t at = l->room ? find(l, key) : 0;
    if (at)
        take_out(l, at);
}

void lru_drop_space(struct lru *l, uint32_t asid) {
    for (uint32_t at = l->used; at > 0; at--)
        if (l->node[at].key >> 40 == asid)
            take_out(l, at);
}

void lru_drop_all(struct lru *l) {
    for (uint32_t at = 1; at <= l->used; at++)
        *place_of(l, l->node[at].key) = 0;
    l->used = 0;
    l->node[0].older = l->node[0].newer = 0;
}
