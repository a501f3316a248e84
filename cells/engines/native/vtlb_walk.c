/* What the guest's tables say of an address: how much memory one entry of a TLB stands for, and in whose address space.
 *
 * Only for counting. What an access reaches, and whether it may, is decided by Unicorn's own walk (vtlb_tap.c). Short descriptors
 * of ARMv4/v5 (DDI 0100I B4.7) and, with SCTLR.XP or from ARMv7 on, of ARMv6 (DDI 0406C B3.5.1).
 */
#include "vtlb_internal.h"

enum { SCTLR_XP = 1u << 23, TTBCR_EAE = 1u << 31 };
enum { TINY = 10, SMALL = 12, LARGE = 16, SUPERSECTION = 24 };

const uint8_t vtlb_shifts[SIZES] = {TINY, SMALL, LARGE, SECTION_SHIFT, SUPERSECTION};

static int found(struct span *span, uint32_t address, uint32_t shift, uint32_t asid) {
    *span = (struct span){address >> shift << shift, shift, asid};
    return 1;
}

static uint32_t first_table(const struct vtlb *t, uint32_t address) {
    uint32_t n = t->split_at & 7;
    if (n && address >> (32 - n))
        return t->table1 & 0xffffc000u;
    return t->table0 & ~((1u << (14 - n)) - 1);
}

/* Second-level descriptors of kind 2 and 3. `coarse`: the table has an entry for each 4 KiB, else for each 1 KiB. */
static uint32_t page_shift(const struct vtlb *t, uint32_t kind, int coarse, int modern) {
    if (kind == 2 || modern)
        return SMALL;
    /* Kind 3 before ARMv6: in coarse tables an extended small page of XScale and of ARMv6, else a tiny page. */
    return coarse && (t->e->v.features & FEATURE_V6 || t->xscale) ? SMALL : TINY;
}

int vtlb_walk(struct vtlb *t, uint32_t address, struct span *span) {
    uint32_t features = t->e->v.features, first, second, kind, asid = GLOBAL, at;
    int modern = features & FEATURE_V7 || (features & FEATURE_V6 && t->control & SCTLR_XP), coarse;
    if (features & FEATURE_V7 && t->split_at & TTBCR_EAE)
        return found(span, address, SMALL, GLOBAL); /* long descriptors are not looked into */
    if (!ram_word(t->e, first_table(t, address) | (address >> SECTION_SHIFT << 2), &first))
        return 0;
    kind = first & 3;
    if (kind == 2 || (kind == 3 && features & FEATURE_V7)) {
        if (modern && first & 1u << 17)
            asid = t->space;
        return found(span, address, modern && first & 1u << 18 ? SUPERSECTION : SECTION_SHIFT, asid);
    }
    if (kind == 0 || (kind == 3 && modern))
        return 0;
    coarse = kind == 1;
    at = coarse ? (first & ~0x3ffu) | (address >> 10 & 0x3fc) : (first & ~0xfffu) | (address >> 8 & 0xffc);
    if (!ram_word(t->e, at, &second) || (second & 3) == 0)
        return 0;
    if (modern && second & 1u << 11)
        asid = t->space;
    return found(span, address, (second & 3) == 1 ? LARGE : page_shift(t, second & 3, coarse, modern), asid);
}
