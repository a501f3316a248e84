/* A vCPU's life: open with a self-check that also warms the translator, reset, registers, close. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { ARCH_ARM = 1, MODE_ARM = 0 };
#define SCR_AW_FW 0x30u /* secure control: let the guest mask aborts and FIQ, as on a board without secure firmware [B4.1.129] */
#define ESR_MARK 0xa5b6c7d8u
#define CHECK_PAGE 0x1000

static void find_features(struct engine *e) {
    static const struct {
        uint32_t feature;
        int crn, opc1, crm, opc2;
    } signs[] = {
        {FEATURE_V7, 12, 0, 1, 0}, /* ISR */
        {FEATURE_VBAR, 12, 0, 0, 0},
        {FEATURE_IFAR, 6, 0, 0, 2},
    };
    uint32_t value, control;
    if (cp15_read(e, 0, 0, 1, 0, &value) == UC_OK && value != 0) /* ID_PFR0 */
        e->v.features |= FEATURE_V6;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (cp15_read(e, signs[i].crn, signs[i].opc1, signs[i].crm, signs[i].opc2, &value) == UC_OK)
            e->v.features |= signs[i].feature;
    if (cp15_read(e, 1, 0, 1, 0, &control) == UC_OK)
        cp15_write(e, 1, 0, 1, 0, control | SCR_AW_FW);
}

/* Offset of `size` bytes inside the saved context, 0 if they are not there. */
static size_t find_in_context(struct engine *e, const void *bytes, size_t size) {
    const char *at;
    unicorn.context_save(e->uc, e->context);
    at = memmem(e->context, unicorn.context_size(e->uc), bytes, size);
    return at ? (size_t)(at - (const char *)e->context) : 0;
}

/* Two blocks that jump to each other must call the hook from two places, else blocks cannot be told apart by them. On the
 * way the exclusive monitor is set, to see where a context keeps it. */
static int self_check(struct engine *e) {
    static const uint32_t modern[] = {0xea000000, 0, 0xe1910f9f, 0xeafffffb}; /* b 2; -; ldrex r0, [r1]; b 0 */
    static const uint32_t old[] = {0xea000000, 0, 0xe5910000, 0xeafffffb};
    const uint64_t pair[2] = {0x20, 0x5ec0de77};
    uint8_t page[2 * CHECK_PAGE], *start = page + CHECK_PAGE - (uintptr_t)page % CHECK_PAGE;
    int error = vcpu_map_ram(&e->v, 0, CHECK_PAGE, start);
    if (error)
        return error;
    memcpy(start, e->v.features & FEATURE_V6 ? modern : old, sizeof modern);
    memcpy(start + pair[0], &pair[1], sizeof(uint32_t));
    reg_write(e, REG_R0 + 1, (uint32_t)pair[0]);
    reg_write(e, REG_PC, 0);
    e->sealed = 1;
    e->v.cached = 1;
    for (int i = 0; i < 4 && error == UC_OK; i++) {
        e->v.limit = e->v.cycles + 1;
        error = vcpu_run(&e->v) == STOP_LIMIT ? UC_OK : UC_ARG;
    }
    e->v.cached = e->lowest_site != e->highest_site;
    if (e->v.features & FEATURE_V6)
        e->exclusive_at = find_in_context(e, pair, sizeof pair);
    flush_code(e);
    e->sealed = 0;
    e->maps = e->rams = 0;
    free(e->ram[0].code);
    return error ? error : unicorn.mem_unmap(e->uc, 0, CHECK_PAGE);
}

static int add_hooks(struct engine *e) {
    size_t hook;
    int error = unicorn.hook_add(e->uc, &e->block_hook, UC_HOOK_BLOCK, e->hook = (void *)block_hook, e, 1, 0);
    if (error == UC_OK)
        error = unicorn.hook_add(e->uc, &hook, UC_HOOK_INTR, (void *)interrupt_hook, e, 1, 0);
    if (error == UC_OK)
        error = unicorn.hook_add(e->uc, &hook, UC_HOOK_INVALID, (void *)invalid_hook, e, 1, 0);
    return error;
}

static int open_unicorn(struct engine *e, int model, uint64_t code_buffer) {
    size_t page_size = 0;
    int error = unicorn.open(ARCH_ARM, MODE_ARM, &e->uc);
    if (error == UC_OK)
        error = unicorn.ctl(e->uc, CTL_CPU_MODEL, model);
    if (error == UC_OK)
        error = unicorn.ctl(e->uc, CTL_BUFFER_SIZE, (uint32_t)code_buffer);
    if (error == UC_OK)
        error = unicorn.ctl(e->uc, CTL_USE_EXITS, 1);
    if (error == UC_OK)
        error = unicorn.query(e->uc, UC_QUERY_PAGE_SIZE, &page_size);
    e->page_size = (uint32_t)page_size;
    return error;
}

static int set_up(struct engine *e, int model, uint64_t code_buffer) {
    const uint32_t mark = ESR_MARK;
    int error = open_unicorn(e, model, code_buffer);
    if (error == UC_OK)
        error = unicorn.context_alloc(e->uc, &e->context);
    if (error == UC_OK)
        error = unicorn.context_alloc(e->uc, &e->power_on);
    if (error)
        return error;
    find_features(e);
    unicorn.context_save(e->uc, e->power_on);
    reg_write(e, REG_ESR, mark);
    e->exception_at = find_in_context(e, &mark, sizeof mark);
    reg_write(e, REG_ESR, 0);
    e->check = code_buffer >> 20 ? unicorn_symbol("helper_check_exit_request_arm") : NULL;
    error = e->exception_at ? add_hooks(e) : UC_ARG;
    return error ? error : self_check(e);
}

/* The cache has a place for each SITE_SHIFT bytes of translated code, so two blocks never share one. */
static int allocate_cache(struct engine *e, uint64_t code_buffer) {
    uint64_t places = 1 << 10;
    while (places < code_buffer >> 7)
        places <<= 1;
    e->mask = places - 1;
    e->cache = calloc(places, sizeof *e->cache);
    return e->cache ? UC_OK : UC_NOMEM;
}

struct vcpu *vcpu_open(int model, uint64_t code_buffer, const uint32_t *cost, int *error) {
    struct engine *e = calloc(1, sizeof *e);
    *error = UC_NOMEM;
    if (e == NULL)
        return NULL;
    memcpy(e->v.cost, cost, sizeof e->v.cost);
    e->synced = &e->nothing;
    e->v.flush_at = code_buffer / 100 * 85;
    e->lowest_site = UINT64_MAX;
    *error = allocate_cache(e, code_buffer);
    if (*error == UC_OK)
        *error = set_up(e, model, code_buffer);
    if (*error) {
        vcpu_close(&e->v);
        return NULL;
    }
    e->v.cycles = e->v.limit = e->v.insns = e->v.blocks = e->v.code_flushes = e->v.translations = 0;
    vcpu_reset(&e->v, 0, 0, 0, 0);
    return &e->v;
}

void vcpu_close(struct vcpu *v) {
    struct engine *e = (struct engine *)v;
    vtlb_close(e->vtlb);
    count_close(e->count);
    if (e->context)
        unicorn.context_free(e->context);
    if (e->power_on)
        unicorn.context_free(e->power_on);
    if (e->uc)
        unicorn.close(e->uc);
    for (int i = 0; i < e->rams; i++)
        free(e->ram[i].code);
    free(e->cache);
    free(e);
}

void *vcpu_handle(struct vcpu *v) {
    return ((struct engine *)v)->uc;
}

void vcpu_flush_tlb(struct vcpu *v) {
    unicorn.ctl(((struct engine *)v)->uc, CTL_TLB_FLUSH);
}

void vcpu_flush(struct vcpu *v) {
    struct engine *e = (struct engine *)v;
    unicorn.ctl(e->uc, CTL_TLB_FLUSH);
    if (e->vtlb)
        vtlb_forget_all(e->vtlb);
    flush_soon(e);
}

void vcpu_reset(struct vcpu *v, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2) {
    struct engine *e = (struct engine *)v;
    unicorn.context_restore(e->uc, e->power_on);
    reg_write(e, REG_CPSR, 0x13 | CPSR_I | CPSR_F | (v->features & FEATURE_V6 ? CPSR_A : 0) | (pc & 1 ? CPSR_T : 0));
    reg_write(e, REG_R0, r0);
    reg_write(e, REG_R0 + 1, r1);
    reg_write(e, REG_R0 + 2, r2);
    reg_write(e, REG_PC, pc);
    v->lines &= LINE_IRQ | LINE_FIQ;
    v->deprivileged = 0;
    vcpu_flush(v);
}

int vcpu_read_register(struct vcpu *v, int number, uint64_t *value) {
    *value = 0;
    return unicorn.reg_read(((struct engine *)v)->uc, number, value);
}

int vcpu_write_register(struct vcpu *v, int number, uint64_t value) {
    return unicorn.reg_write(((struct engine *)v)->uc, number, &value);
}

int vcpu_read_cp15(struct vcpu *v, int crn, int opc1, int crm, int opc2, uint32_t *value) {
    return cp15_read((struct engine *)v, crn, opc1, crm, opc2, value);
}

int vcpu_write_cp15(struct vcpu *v, int crn, int opc1, int crm, int opc2, uint32_t value) {
    struct engine *e = (struct engine *)v;
    int error;
    vtlb_changed(e);
    error = cp15_write(e, crn, opc1, crm, opc2, value);
    if (crn == 2)
        count_table(e);
    return error;
}

enum { CORE_GENERAL = 13, CORE_SP = 13, CORE_LR = 14, CORE_PC = 15, CORE_CPSR = 16 };

void vcpu_read_core(struct vcpu *v, uint32_t *core) {
    struct engine *e = (struct engine *)v;
    for (int i = 0; i < CORE_GENERAL; i++)
        core[i] = reg_read(e, REG_R0 + i);
    core[CORE_SP] = reg_read(e, REG_SP);
    core[CORE_LR] = reg_read(e, REG_LR);
    core[CORE_PC] = reg_read(e, REG_PC);
    core[CORE_CPSR] = reg_read(e, REG_CPSR);
}

/* The mode first, for it banks registers; the state goes with pc. */
void vcpu_write_core(struct vcpu *v, const uint32_t *core) {
    struct engine *e = (struct engine *)v;
    reg_write(e, REG_CPSR, core[CORE_CPSR]);
    for (int i = 0; i < CORE_GENERAL; i++)
        reg_write(e, REG_R0 + i, core[i]);
    reg_write(e, REG_SP, core[CORE_SP]);
    reg_write(e, REG_LR, core[CORE_LR]);
    reg_write(e, REG_PC, core[CORE_CPSR] & CPSR_T ? core[CORE_PC] | 1 : core[CORE_PC] & ~3u);
}

int vcpu_read_exclusive(struct vcpu *v, uint64_t *pair) {
    struct engine *e = (struct engine *)v;
    if (!e->exclusive_at)
        return 1;
    unicorn.context_save(e->uc, e->context);
    memcpy(pair, (char *)e->context + e->exclusive_at, 2 * sizeof *pair);
    return 0;
}

int vcpu_write_exclusive(struct vcpu *v, const uint64_t *pair) {
    struct engine *e = (struct engine *)v;
    if (!e->exclusive_at)
        return 1;
    unicorn.context_save(e->uc, e->context);
    memcpy((char *)e->context + e->exclusive_at, pair, 2 * sizeof *pair);
    return unicorn.context_restore(e->uc, e->context);
}
