/* The block hook: called by translated code before each block, it counts the block or stops in front of it.
 *
 * With one block hook Unicorn calls it straight from the translated code, so the return address names the block. It is the
 * key of a direct-mapped cache of block costs; a hit takes 1-2 ns. Code memory is used again only after a flush, and a flush is ours
 * (flush_code): before the translator runs out of memory by itself, and after somebody else wrote memory that holds code.
 */
#include <string.h>

#include "internal.h"

#define NOINLINE __attribute__((noinline, cold))

static int thumb_state(struct engine *e) {
    return (reg_read(e, REG_CPSR) & CPSR_T) != 0;
}

/* The pending line to take now: aborts come before FIQ, FIQ before IRQ [B1.8.1]. 0 if all are masked. */
uint32_t deliverable(struct engine *e) {
    uint32_t lines = e->v.lines, cpsr;
    if (!(lines & (LINE_IRQ | LINE_FIQ | LINE_ABORT)))
        return 0;
    cpsr = reg_read(e, REG_CPSR);
    if (lines & LINE_ABORT && !(e->v.features & FEATURE_V6 && cpsr & CPSR_A))
        return LINE_ABORT;
    if (lines & LINE_FIQ && !(cpsr & CPSR_F))
        return LINE_FIQ;
    return lines & LINE_IRQ && !(cpsr & CPSR_I) ? LINE_IRQ : 0;
}

/* The limit is reached or a line is pending: stop in front of this block, unless what is pending is masked. */
NOINLINE int must_stop(struct engine *e) {
    if (e->probing == 1) { /* probe_address lets one block run, uncounted */
        e->probing = 2;
        return 1;
    }
    if (e->v.cycles < e->v.limit && !(e->v.lines & LINE_FLUSH) && !e->probing && !deliverable(e))
        return 0;
    e->v.stop = STOP_LIMIT;
    *e->synced = 0;
    unicorn.emu_stop(e->uc);
    return 1;
}

/* First call from this place: decode the block. */
NOINLINE struct block *measure(struct engine *e, struct block *block, uint64_t site, uint32_t address, uint32_t size) {
    uint8_t bytes[BLOCK_BYTES + 4];
    int thumb = thumb_state(e);
    /* What executes lies in RAM; if it could not be read, time must pass all the same. */
    struct sum sum = {size >> 2, (size >> 2) + 1, size};
    if (!e->v.cached)
        block = &e->scratch;
    if (size <= BLOCK_BYTES && read_code(e, address, bytes, size) == 0)
        sum = cost_of(e, bytes, size, address, thumb, &e->v.host_clocks);
    block->key = site << 32 | address;
    block->insns = (uint16_t)sum.insns;
    block->cycles = sum.cycles;
    block->extent = (uint16_t)(size | (uint32_t)thumb);
    e->v.translations++;
    if (e->v.quick && e->v.cached)
        quicken(e, site, sum.insns);
    if (site < e->lowest_site)
        e->lowest_site = site;
    if (site > e->highest_site)
        e->highest_site = site;
    if (e->highest_site - e->lowest_site > e->v.flush_at)
        e->v.lines |= LINE_FLUSH;
    return block;
}

/* What block_hook leaves over: a place to stop, or a block that it does not know. */
static NOINLINE void *unusual_block(struct engine *e, uint64_t site, uint32_t address, uint32_t size) {
    struct block *block = &e->cache[(site >> SITE_SHIFT) & e->mask];
    if ((e->v.cycles >= e->v.limit || e->v.lines) && must_stop(e))
        return e->uc;
    if (block->key != (site << 32 | address))
        block = measure(e, block, site, address, size);
    count_block(e, block);
    return NULL;
}

/* The usual case calls nobody, so it saves no registers: a sixth more of a tight loop's speed. Unicorn heeds no answer of a
 * hook's; code of ours (quicken.c) does: the engine that has to stop, NULL to go on. */
void *block_hook(void *uc, uint64_t address, uint32_t size, void *user) {
    struct engine *e = user;
    uint64_t site = (uintptr_t)__builtin_return_address(0);
    struct block *block = &e->cache[(site >> SITE_SHIFT) & e->mask];
    (void)uc;
    if (LIKELY(e->v.cycles < e->v.limit && !e->v.lines && block->key == (site << 32 | (uint32_t)address)))
        count_block(e, block);
    else
        return unusual_block(e, site, (uint32_t)address, size);
    return NULL;
}

/* The instruction at `pc`, in the block that is running, was the last one to begin: what follows it was counted too early. */
void take_back(struct engine *e, uint32_t pc) {
    struct block *block = e->block;
    uint8_t bytes[BLOCK_BYTES + 4];
    uint64_t clocks = 0;
    uint32_t done, size, thumb;
    struct sum sum;
    if (block == NULL)
        return;
    size = block->extent & ~1u;
    thumb = block->extent & 1u;
    done = pc - ((uint32_t)block->key & ~1u);
    if (done >= size || size > BLOCK_BYTES || read_code(e, (uint32_t)block->key & ~1u, bytes, size))
        return;
    uint16_t first;
    memcpy(&first, bytes + done, sizeof first);
    done += thumb ? thumb_length(e, pc, first) : 4;
    sum = cost_of(e, bytes, done, (uint32_t)block->key & ~1u, (int)thumb, &clocks);
    if (sum.insns < block->insns) /* not so if the guest has rewritten its running block */
        e->v.insns -= block->insns - sum.insns;
    if (sum.cycles < block->cycles)
        e->v.cycles -= block->cycles - sum.cycles;
}

/* Forget the costs of all blocks that have called since the last flush. */
static void clear_cache(struct engine *e) {
    uint64_t first = e->lowest_site >> SITE_SHIFT, count = (e->highest_site >> SITE_SHIFT) - first + 1;
    if (count > e->mask)
        memset(e->cache, 0, (e->mask + 1) * sizeof *e->cache);
    else
        for (uint64_t i = 0; i < count; i++)
            e->cache[(first + i) & e->mask].key = 0;
    e->lowest_site = UINT64_MAX;
    e->highest_site = 0;
}

/* Throw away all translated code and what is known of it. Not while translated code runs. */
void flush_code(struct engine *e) {
    e->v.lines &= ~(uint32_t)LINE_FLUSH;
    e->block = NULL;
    if (e->lowest_site > e->highest_site)
        return;
    unicorn.ctl(e->uc, CTL_TB_FLUSH);
    e->v.code_flushes++;
    clear_cache(e);
    forget_code_pages(e);
}

/* The same from anywhere: translated code that runs comes to its block's end first. */
void flush_soon(struct engine *e) {
    if (e->running)
        e->v.lines |= LINE_FLUSH;
    else
        flush_code(e);
}
