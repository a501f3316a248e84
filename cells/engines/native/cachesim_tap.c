/* What the caches' model is told of: loads and stores by Unicorn's memory hooks, which say physical addresses; and where an address of
 * the guest's lies, for its operations on lines.
 */
#include <malloc.h>

#include "cachesim_internal.h"

enum { SYNCED_AT = 0x3a32, VERSION = 2 << 24 | 1 << 16 | 4 << 8, UC_HOOK_MEM_FAILED = 0x3f << 4 };
enum { MEM_WRITE = 17, UC_HOOK_MEM_READ = 1 << 10, UC_HOOK_MEM_WRITE = 1 << 11 };

/* A load across two pages comes three times: as a whole, then its two aligned parts. A store comes once, and only its first page is
 * known. */
static void data_hook(void *uc, int kind, uint64_t address, int size, int64_t value, void *user) {
    struct caches *m = user;
    uint32_t page = m->e->page_size, room = page - ((uint32_t)address & (page - 1)), bytes = (uint32_t)size;
    (void)uc, (void)value;
    if (!m->e->running || (bytes > room && kind != MEM_WRITE))
        return;
    caches_data(m, address, bytes < room ? bytes : room, kind == MEM_WRITE);
}

/* Nobody is there to take it: Unicorn has to say where the CPU is. */
static _Bool failed_hook(void *uc, int kind, uint64_t address, int size, int64_t value, void *user) {
    (void)uc, (void)kind, (void)address, (void)size, (void)value;
    *((struct caches *)user)->e->synced = 0;
    return 0;
}

/* Before a memory hook Unicorn finds out where in the guest's code it is, which takes longer than all else here and nobody asks. It does
 * not if a byte of its own says that PC is right already. That is said when a block begins, and taken back wherever the CPU stops in its
 * middle. Where another Unicorn keeps that byte is not known: then it is as it was. */
static void find_synced(struct engine *e) {
    uint8_t *byte = (uint8_t *)e->uc + SYNCED_AT, before;
    if (unicorn.version(NULL, NULL) >> 8 != VERSION >> 8 || malloc_usable_size(e->uc) <= SYNCED_AT)
        return;
    before = *byte;
    *byte = 0;
    reg_write(e, REG_R0, reg_read(e, REG_R0));
    if (*byte == 0) {
        reg_write(e, REG_PC, reg_read(e, REG_PC) | (reg_read(e, REG_CPSR) & CPSR_T ? 1 : 0));
        if (*byte == 1)
            e->synced = byte;
    }
    *byte = before;
}

int caches_tap(struct caches *m) {
    size_t failed, data;
    find_synced(m->e);
    if (unicorn.hook_add(m->e->uc, &failed, UC_HOOK_MEM_FAILED, (void *)failed_hook, m, 1, 0) != UC_OK)
        return 0;
    if (unicorn.hook_add(m->e->uc, &data, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE, (void *)data_hook, m, 1, 0) == UC_OK)
        return 1;
    unicorn.hook_del(m->e->uc, failed); /* the model goes */
    return 0;
}

/* ---- The guest's tables */

enum { SCTLR_M = 1, SCTLR_XP = 1 << 23 };
#define TTBCR_EAE 0x80000000u

static uint32_t first_level(struct engine *e, uint32_t address, uint32_t control) {
    uint32_t n = e->v.features & FEATURE_V6 ? control & 7 : 0;
    if (n && address >> (32 - n))
        return cp15_or_0(e, 2, 0, 1) & 0xffffc000u;
    return cp15_or_0(e, 2, 0, 0) & ~((1u << (14 - n)) - 1);
}

/* Short descriptors [DDI 0100I B4.7, DDI 0406C B3.5.1]: sections, large and small pages. 0: nothing there, or of another form. */
int guest_translate(struct engine *e, uint32_t address, uint32_t *physical) {
    uint32_t control = e->v.features & FEATURE_V6 ? cp15_or_0(e, 2, 0, 2) : 0, first, second;
    *physical = address;
    if (!(cp15_or_0(e, 1, 0, 0) & SCTLR_M))
        return 1;
    if (address < 0x02000000)
        address += cp15_or_0(e, 13, 0, 0) & 0xfe000000u;
    if ((e->v.features & FEATURE_V7 && control & TTBCR_EAE) || !ram_word(e, first_level(e, address, control) | (address >> 20 << 2), &first))
        return 0;
    if ((first & 3) == 2) {
        *physical = (first & 0xfff00000u) | (address & 0xfffffu);
        return 1;
    }
    if ((first & 3) != 1 || !ram_word(e, (first & ~0x3ffu) | (address >> 10 & 0x3fc), &second) || (second & 3) == 0)
        return 0;
    *physical = (second & 3) == 1 ? (second & 0xffff0000u) | (address & 0xffffu) : (second & 0xfffff000u) | (address & 0xfffu);
    return 1;
}
