/* Counting: its life, its results, marks, and what an exception or an operation of the system coprocessor adds. */
#include <stdlib.h>
#include <string.h>

#include "cachesim_internal.h"

#define EVENT_NAME(name) #name,
static const char *const names[] = {EVENTS(EVENT_NAME) NULL};
_Static_assert(EVENTS_END == COUNT_EVENTS, "count.h says how many events there are");

const char *native_count_name(uint32_t number) {
    return number < EVENTS_END ? names[number] : NULL;
}

/* ---- Results */

/* What the vCPU counts anyway. */
static void take_common(const struct engine *e, uint64_t *counts) {
    const struct vcpu *v = &e->v;
    counts[E_instructions] = v->insns;
    counts[E_cycles] = v->cycles;
    counts[E_svc] = v->svc;
    counts[E_irq] = v->irqs;
    counts[E_fiq] = v->fiqs;
    counts[E_undefined] = v->undef;
    counts[E_hvc] = v->hvcs;
    counts[E_wfi] = v->waits;
}

void vcpu_counts(struct vcpu *v, uint64_t *counts) {
    struct engine *e = (struct engine *)v;
    struct count *c = e->count;
    memset(counts, 0, (EVENTS_END + COUNT_GROUPS) * sizeof *counts);
    if (c == NULL)
        return;
    memcpy(counts, c->n, sizeof c->n);
    take_common(e, counts);
    for (int i = 0; i < EVENTS_END; i++)
        counts[i] -= c->base[i];
    if (e->privileged)
        counts[E_kernel_instructions] += v->insns - c->entered;
    memcpy(counts + EVENTS_END, c->group, sizeof c->group);
}

void vcpu_count_begin(struct vcpu *v) {
    struct engine *e = (struct engine *)v;
    struct count *c = e->count;
    if (c == NULL)
        return;
    memset(c->n, 0, sizeof c->n);
    memset(c->group, 0, sizeof c->group);
    take_common(e, c->base);
    c->walked = 0;
    c->pending = NULL;
    c->entered = v->insns;
    e->privileged = (reg_read(e, REG_CPSR) & CPSR_MODE) != MODE_USER;
    count_refresh(e);
    if (c->caches)
        caches_empty(c->caches);
    if (e->vtlb && e->vtlb_for_counts)
        vtlb_forget_all(e->vtlb);
}

/* ---- Events */

void count_refresh(struct engine *e) {
    struct count *c = e->count;
    c->table = cp15_or_0(e, 2, 0, 0);
    c->space = cp15_or_0(e, 13, 0, 1) & 0xff;
    c->process = cp15_or_0(e, 13, 0, 0);
}

/* Another table base. Kernels with ASIDs go by way of the table of what is common to all (TTBR1's), which is no switch. */
void count_table(struct engine *e) {
    struct count *c = e->count;
    uint32_t table, common;
    if (c == NULL)
        return;
    table = cp15_or_0(e, 2, 0, 0);
    common = e->v.features & FEATURE_V6 ? cp15_or_0(e, 2, 0, 1) : 0;
    if (table == c->table || (table == common && common))
        return;
    c->table = table;
    c->n[E_switches]++;
    if (c->caches)
        caches_switch(c->caches);
}

void count_translation(struct engine *e, int fetch) {
    if (e->count)
        e->count->n[fetch ? E_tlb_miss_i : E_tlb_miss_d]++;
}

/* Another number of the address space: ASID, or FCSE. */
static void count_space(struct engine *e) {
    struct count *c = e->count;
    uint32_t space = cp15_or_0(e, 13, 0, 1) & 0xff, process = cp15_or_0(e, 13, 0, 0);
    c->n[E_asid_changes] += space != c->space || process != c->process;
    c->space = space;
    c->process = process;
}

static void count_change(struct engine *e, uint32_t word) {
    static const int flush[4] = {E_tlb_flush_all, E_tlb_flush_one, E_tlb_flush_asid, E_tlb_flush_one}; /* by opc2 [B4.2.2] */
    uint32_t crn = word >> 16 & 15, opc2 = word >> 5 & 7;
    if (crn == 2)
        count_table(e);
    else if (crn == 13)
        count_space(e);
    else if (opc2 < 4)
        e->count->n[flush[opc2]]++;
}

/* What a block does is counted when it begins. `sign`: -1 takes it back. */
void count_note(struct count *c, const struct note *note, int sign) {
    uint64_t one = (uint64_t)(int64_t)sign;
    c->n[E_dcache_flush] += one * note->dwhole;
    c->n[E_dcache_lines] += one * note->dlines;
    c->n[E_icache_flush] += one * note->iwhole;
    c->n[E_icache_lines] += one * note->ilines;
    c->walked += (uint32_t)sign * note->walks;
}

uint32_t count_operand(struct engine *e, uint32_t word) {
    uint32_t number = word >> 12 & 15;
    return number == 15 ? 0 : general(e, number);
}

/* An operation on one line of a cache, whose operand is known. */
static void carry_out_line(struct engine *e, uint32_t word, uint32_t operand) {
    uint32_t crm = word & 15, opc2 = word >> 5 & 7, physical;
    int how = crm == 6 || crm == 5 ? FLUSH_DROP : crm == 14 ? FLUSH_ALL : FLUSH_CLEAN;
    if (opc2 == 1 && (crm == 5 || crm == 6 || crm == 10 || crm == 11 || crm == 14) && guest_translate(e, operand, &physical))
        caches_line(e->count->caches, physical, how, crm == 5);
}

/* What the block has done to the caches. */
static void carry_out_caches(struct engine *e, const struct note *note) {
    struct count *c = e->count;
    if (note->dwhole)
        caches_flush_data(c->caches, note->how);
    if (note->iwhole)
        caches_flush_instructions(c->caches);
}

static void carry_out_on_line(struct engine *e, const struct op_note *op, uint32_t begin) {
    if (op->when == AT_BEGIN)
        carry_out_line(e, op->word, begin);
    else if (op->when == AT_END)
        carry_out_line(e, op->word, count_operand(e, op->word));
}

/* A walk through the data cache by set and way is over when it has come to as many lines as there are: one flush. */
static void end_walk(struct count *c, const struct note *note) {
    if (!note->walks || !c->walk_steps || c->walked < c->walk_steps)
        return;
    c->walked -= c->walk_steps;
    c->n[E_dcache_flush]++;
    if (c->caches)
        caches_flush_data(c->caches, note->how);
}

/* Operations one by one: those of a condition are counted now, if it has held. */
static void settle_operations(struct engine *e, const struct note *note) {
    struct count *c = e->count;
    for (uint32_t i = 0; i < note->ops; i++) {
        const struct op_note *op = &note->op[i];
        struct note alone = {0};
        if (op->asks) {
            if (!condition_holds(op->word >> 28, op->flags == AT_BEGIN ? c->begin_flags : reg_read(e, REG_CPSR)))
                continue;
            note_cache(&alone, op->word);
            count_note(c, &alone, 1);
            end_walk(c, &alone);
            if (c->caches)
                carry_out_caches(e, &alone);
        }
        if (c->caches)
            carry_out_on_line(e, op, c->begin[i]);
    }
}

/* The block that has a note is over. In Thumb state, where an IT block may pass over it, as if done. */
void count_settle(struct engine *e) {
    struct count *c = e->count;
    const struct note *note = c->pending;
    c->pending = NULL;
    if (note == NULL)
        return;
    end_walk(c, note);
    if (c->caches)
        carry_out_caches(e, note);
    settle_operations(e, note);
    if (note->word && (e->block == NULL || e->block->extent & 1 || condition_holds(note->word >> 28, reg_read(e, REG_CPSR))))
        count_change(e, note->word);
}

/* An instruction at `pc` aborted or is undefined: what the block would have done from there on was not done. */
void count_fault(struct engine *e, uint32_t pc) {
    struct count *c = e->count;
    struct note part;
    uint32_t size, done;
    if (c == NULL || c->pending == NULL || e->block == NULL || (e->block->key ^ c->pending->key) & ~TAGS)
        return;
    size = e->block->extent & ~1u;
    done = pc - c->pending_from;
    if (done >= size)
        return;
    count_note(c, c->pending, -1);
    scan(c, &part, c->pending_from, done, e->block->extent & 1);
    count_note(c, &part, 1);
    c->pending = NULL;
}

void count_abort(struct engine *e, int data, uint32_t old) {
    int user = (old & CPSR_MODE) == MODE_USER;
    if (e->count)
        e->count->n[data ? user ? E_data_abort_user : E_data_abort_kernel : user ? E_prefetch_abort_user : E_prefetch_abort_kernel]++;
}

/* An svc: 1 if it is a mark, which no kernel sees; then the run ends behind it. A guest that never stops marking is passed over. */
int count_mark(struct engine *e, uint32_t pc, uint32_t cpsr) {
    struct count *c = e->count;
    if (c == NULL || reg_read(e, REG_R0 + 7) != MARK_CALL)
        return 0;
    reg_write(e, REG_ESR, 0);
    if (c->marks == MARK_LIMIT)
        return 1;
    c->marks++;
    e->v.mark = reg_read(e, REG_R0);
    e->v.mark_times = reg_read(e, REG_R0 + 1);
    if (e->v.mark == MARK_READY)
        vcpu_count_begin(&e->v);
    else
        c->n[E_marks]++;
    reg_write(e, REG_PC, pc | (cpsr & CPSR_T ? 1 : 0));
    e->v.stop = STOP_MARK;
    unicorn.emu_stop(e->uc);
    return 1;
}

/* ---- Life */

static const char *refusal(const struct engine *e, const struct count_shape *shape) {
    if (e->count)
        return "the vCPU counts already";
    if (shape->functions > COUNT_FUNCTIONS)
        return "at most 1024 functions are counted";
    for (uint32_t i = 0; i < shape->functions; i++)
        if (shape->group[i] >= COUNT_GROUPS)
            return "functions are counted in at most 16 groups";
    return NULL;
}

/* Lines of the data cache as the CPU itself says: a kernel that walks through it believes that, whatever the board has. */
static uint32_t lines_of(struct engine *e) {
    uint32_t before = 0, shape = 0;
    if (!(e->v.features & FEATURE_V7)) { /* cache type: 512 bytes << size, 8 bytes << length [DDI 0100I B2.3.2] */
        cp15_read(e, 0, 0, 0, 1, &shape);
        return (512u << (shape >> 18 & 15)) / (8u << (shape >> 12 & 3));
    }
    if (cp15_read(e, 0, 2, 0, 0, &before))
        return 0;
    cp15_write(e, 0, 2, 0, 0, 0);
    cp15_read(e, 0, 1, 0, 0, &shape);
    cp15_write(e, 0, 2, 0, 0, before);
    return ((shape >> 13 & 0x7fff) + 1) * ((shape >> 3 & 0x3ff) + 1); /* CCSIDR: sets, ways [B4.1.19] */
}

const char *vcpu_count(struct vcpu *v, const struct count_shape *shape) {
    struct engine *e = (struct engine *)v;
    const char *why = refusal(e, shape);
    struct count *c;
    if (why)
        return why;
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return "no memory";
    c->e = e;
    c->walk_steps = shape->dcache_lines ? shape->dcache_lines : lines_of(e);
    c->functions = shape->functions;
    for (uint32_t i = 0; i < shape->functions; i++)
        c->function[i] = (struct function){shape->address[i] & ~1u, (uint16_t)(1u << shape->group[i])};
    sort_functions(c);
    e->count = c;
    count_hook(e);
    vcpu_count_begin(v);
    return NULL;
}

void count_close(struct count *c) {
    if (c)
        caches_close(c->caches);
    free(c);
}
