/* What the vTLB sees block by block: the page that instructions come from, and the guest's own upkeep of its TLB.
 *
 * A block holds a lease on the entry that its page is in, and asks again only when that entry has gone: one more comparison on
 * the usual path. Coprocessor writes that matter end their block, so what they did is taken over when the next one begins, before
 * which nothing else is executed.
 */
#include "vtlb_internal.h"

enum { SCTLR_M = 1 };
#define LEASE_MASK 0xffu

/* ---- Upkeep */

/* MCR p15 that changes what addresses mean: c1,c0,0; c2; c8; c13,c0,0 and 1 [B3.17]. */
static int is_upkeep(uint32_t word) {
    uint32_t crn = word >> 16 & 15, crm = word & 15, opc2 = word >> 5 & 7;
    if ((word & 0x0f100f10) != 0x0e000f10 || word >> 28 == 15)
        return 0;
    return crn == 8 || crn == 2 || (crn == 1 && crm == 0 && opc2 == 0) || (crn == 13 && crm == 0 && opc2 < 2);
}

/* MCR or MRC p15, c7 that gives up all of the data cache or of both: invalidate (c6, c7), clean and invalidate (c14), also as the loop
 * that tests for a dirty line (opc2 3), of which the emulator needs one turn [DDI 0198E 2.3.8; B4.2.1]. */
static int is_drop(uint32_t word) {
    uint32_t crm = word & 15, opc2 = word >> 5 & 7;
    if ((word & 0x0f0f0f10) != 0x0e070f10 || word >> 28 == 15)
        return 0;
    return opc2 == 0 ? crm == 6 || crm == 7 || crm == 14 : opc2 == 3 && crm == 14;
}

static int is_control(uint32_t word) {
    return (word >> 16 & 15) == 1;
}

/* The upkeep instruction of a block, if it has one. It ends the block, but for a write of c1,c0,0 on XScale. */
static struct op find_upkeep(struct engine *e, uint64_t key, uint32_t address, uint32_t size, uint32_t thumb) {
    uint8_t bytes[BLOCK_BYTES + 4];
    uint32_t length;
    struct op found = {key, 0, 0, 0};
    if (size < 4 || size > BLOCK_BYTES || read_code(e, address, bytes, size))
        return found;
    for (uint32_t done = 0; done + 4 <= size; done += length) {
        uint32_t word = coprocessor_word(e, bytes + done, address + done, thumb, &length);
        found.drops += (uint32_t)is_drop(word);
        if (is_upkeep(word)) {
            found.word = word;
            found.at = address + done;
        }
    }
    return found;
}

/* Condition field of an ARM instruction against the flags [A8.3.1]. */
int condition_holds(uint32_t condition, uint32_t cpsr) {
    int n = cpsr >> 31 & 1, z = cpsr >> 30 & 1, c = cpsr >> 29 & 1, v = cpsr >> 28 & 1;
    const int table[8] = {z, c, n, v, c && !z, n == v, n == v && !z, 1};
    return condition >= 14 || table[condition >> 1] != (int)(condition & 1);
}

/* Look at the registers again; 1 if addresses mean something else than before. */
uint32_t vtlb_refresh(struct vtlb *t) {
    struct engine *e = t->e;
    uint32_t control = t->control, process = t->process, space = t->space;
    t->control = cp15_or_0(e, 1, 0, 0);
    t->table0 = cp15_or_0(e, 2, 0, 0);
    t->table1 = e->v.features & FEATURE_V6 ? cp15_or_0(e, 2, 0, 1) : 0;
    t->split_at = e->v.features & FEATURE_V6 ? cp15_or_0(e, 2, 0, 2) : 0;
    t->process = cp15_or_0(e, 13, 0, 0) & 0xfe000000u;
    t->space = t->shape.asid ? cp15_or_0(e, 13, 0, 1) & 0xff : GLOBAL;
    return ((control ^ t->control) & SCTLR_M) || process != t->process || space != t->space;
}

/* Another table base. Whether the cache went with it is the guest's to decide. */
static void switch_space(struct vtlb *t) {
    t->e->v.vtlb_switches++;
    if (!t->dropped)
        return;
    t->dropped = 0;
    t->e->v.cache_flushes++;
    vtlb_charge(t, t->shape.flush_cycles);
}

static void carry_out(struct vtlb *t, uint32_t word) {
    enum { INSTRUCTIONS_ONLY = 5, DATA_ONLY = 6 };
    uint32_t crn = word >> 16 & 15, crm = word & 15, opc2 = word >> 5 & 7, before = t->control;
    uint32_t base = t->table0, value = general(t->e, word >> 12 & 15), changed = vtlb_refresh(t);
    if (base != t->table0)
        switch_space(t);
    if (crn == 8) {
        t->e->v.vtlb_flushes += opc2 == FORGET_ALL;
        if (!t->shape.asid && opc2 == FORGET_ADDRESS)
            opc2 = FORGET_ADDRESS_EVERYWHERE;
        if (opc2 <= FORGET_ADDRESS_EVERYWHERE)
            vtlb_forget(t, crm == INSTRUCTIONS_ONLY ? 1 << FETCH : crm == DATA_ONLY ? 1 << DATA : 3, (int)opc2, value);
        if (t->shape.split && crm == INSTRUCTIONS_ONLY) /* Unicorn makes no difference, and a page of its may be less than what goes */
            unicorn.ctl(t->e->uc, CTL_TLB_FLUSH);
    }
    if (changed)
        vtlb_renew(t);
    if (!is_control(word) || (before ^ t->control) & SCTLR_M) {
        t->e->v.vtlb_upkeep++;
        vtlb_charge(t, t->shape.upkeep_cycles);
    }
}

/* Something was looked up or changed from outside: Unicorn's TLB starts anew, which it may, and the registers are read again. */
static void catch_up(struct vtlb *t) {
    t->strayed = 0;
    unicorn.ctl(t->e->uc, CTL_TLB_FLUSH);
    if (vtlb_refresh(t))
        vtlb_renew(t);
}

void vtlb_stray(struct vtlb *t) {
    t->strayed = 1;
    t->e->v.lines |= LINE_SETTLE;
}

/* The block with an upkeep instruction is over: take over what it did. */
void vtlb_settle(struct engine *e) {
    struct vtlb *t = e->vtlb;
    uint32_t word;
    if (!(e->v.lines & LINE_SETTLE))
        return;
    if (e->count)
        count_settle(e);
    e->v.lines &= ~(uint32_t)LINE_SETTLE;
    if (t == NULL)
        return;
    word = t->pending;
    t->pending = 0;
    if (t->strayed)
        catch_up(t);
    if (!word)
        return;
    if (t->pending_unsure || condition_holds(word >> 28, reg_read(e, REG_CPSR)))
        carry_out(t, word);
    if (t->pending_unsure) /* Unicorn's TLB may have kept or taken in what the model has not */
        unicorn.ctl(e->uc, CTL_TLB_FLUSH);
}

/* An instruction at `pc` aborted or is undefined. In the block before the upkeep, or that itself: it was not executed. */
void vtlb_fault(struct engine *e, uint32_t pc) {
    struct vtlb *t = e->vtlb;
    count_fault(e, pc);
    if (t && t->pending && pc - t->pending_from <= t->pending_at - t->pending_from) {
        t->pending = 0;
        t->strayed = 1; /* on XScale another one may have been */
    }
    vtlb_settle(e);
}

/* The CPU could not fetch from here. */
void vtlb_fetch_fault(struct engine *e, uint32_t address) {
    if (e->vtlb && e->vtlb->control & SCTLR_M)
        vtlb_touch(e->vtlb, FETCH, address);
}

/* ---- Blocks */

static struct op *op_of(struct vtlb *t, uint64_t key) {
    return &t->op[(key >> 32 >> 7 ^ key >> 2) & (OPS - 1)];
}

/* A block that is new: does it end with upkeep, or give up a cache? */
static void look_for_upkeep(struct vtlb *t, uint64_t place, uint64_t key, uint32_t address, uint32_t extent) {
    struct op found = find_upkeep(t->e, key, address, extent & ~1u, extent & 1);
    int of_interest = found.word || found.drops;
    t->e->lease[place] = of_interest ? NO_LEASE : 0xffffffffu;
    if (of_interest)
        *op_of(t, key) = found;
}

static void expect_upkeep(struct vtlb *t, uint64_t place, uint64_t key, uint32_t address, uint32_t extent) {
    struct op *op = op_of(t, key);
    if (op->key != key)
        look_for_upkeep(t, place, key, address, extent);
    if (op->key != key)
        return;
    t->e->v.cache_drops += op->drops;
    t->dropped |= op->drops != 0;
    if (!op->word)
        return;
    t->pending = op->word;
    t->pending_at = op->at;
    t->pending_from = address;
    /* In Thumb state an IT block may pass over it; what follows it in its block belongs to what it did. */
    t->pending_unsure = (extent & 1) || op->at - address + 4 < (extent & ~1u);
    t->e->v.lines |= LINE_SETTLE;
}

/* The lease of a block at this address. A block in two entries gets none, and is seen each time. */
static uint32_t lease_for(struct vtlb *t, uint32_t address, uint32_t size) {
    struct way *way;
    uint32_t last = address + size - 1;
    if (!(t->control & SCTLR_M))
        return t->e->current[FLAT];
    way = vtlb_touch(t, FETCH, address);
    if ((address ^ last) >> 10 && (way == NULL || (address ^ last) >> way->span.shift)) {
        vtlb_touch(t, FETCH, last);
        return 0xffffffffu;
    }
    return way ? vtlb_lease(t, way) : 0xffffffffu;
}

/* A block is about to run. `fresh`: it was just measured. `extent` as in struct block. */
void vtlb_block(struct vtlb *t, uint64_t place, uint64_t key, uint32_t address, uint32_t size, uint32_t extent, int fresh) {
    uint32_t lease;
    if (fresh)
        look_for_upkeep(t, place, key, address, extent);
    lease = lease_for(t, address, size);
    if (t->e->lease[place] == NO_LEASE)
        expect_upkeep(t, place, key, address, extent);
    else
        t->e->lease[place] = lease;
}

/* What watched_block_hook leaves over. */
static __attribute__((noinline)) void *look_at_block(struct engine *e, uint64_t site, uint32_t address, uint32_t size) {
    uint64_t place = (site >> SITE_SHIFT) & e->mask, key = site << 32 | address;
    struct block *block = &e->cache[place];
    int fresh;
    vtlb_settle(e);
    if ((e->v.cycles >= e->v.limit || e->v.lines) && must_stop(e))
        return e->uc;
    fresh = block->key != key;
    if (fresh)
        block = measure(e, block, site, address, size);
    vtlb_block(e->vtlb, place, key, address, size, block->extent, fresh);
    count_block(e, block);
    return NULL;
}

/* Answers as block_hook does. */
void *watched_block_hook(void *uc, uint64_t address, uint32_t size, void *user) {
    struct engine *e = user;
    uint64_t site = (uintptr_t)__builtin_return_address(0), place = (site >> SITE_SHIFT) & e->mask;
    struct block *block = &e->cache[place];
    uint32_t lease = e->lease[place];
    (void)uc;
    if (LIKELY(e->v.cycles < e->v.limit && !e->v.lines && block->key == (site << 32 | (uint32_t)address) &&
               e->current[lease & LEASE_MASK] == lease))
        count_block(e, block);
    else
        return look_at_block(e, site, (uint32_t)address, size);
    return NULL;
}
