/* How the vTLB sees data accesses: Unicorn fills its own TLB through a function that we take the place of.
 *
 * Unicorn's documented way (UC_HOOK_TLB_FILL with UC_TLB_VIRTUAL) would have us decide every access and does not say for which
 * privilege it asks. So the fill is done as Unicorn itself does it, by its own walk of the guest's tables: what an access reaches and
 * whether it may is as without us. The model is told of the page before it goes in; and a page fetched for its instructions goes in
 * without the right to be read unless the model holds it, so that the first load from it is seen.
 *
 * The names and their arguments are those of Unicorn 2.1.4 (qemu/target/arm/tlb_helper.c, qemu/accel/tcg/cputlb.c). They are
 * looked up, and the place of the function is found by having Unicorn itself change it; anything unexpected is a refusal.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vtlb_internal.h"

enum { TLB_CPU = 0, TLB_VIRTUAL = 1 };
enum { VERSION = 2 << 24 | 1 << 16 | 4 << 8 };
enum { RIGHT_EXECUTE = 4, TABLE_A_PROFILE = 0x10 };
#define CPU_BYTES 0x10000
#define LOWEST 0x10000 /* nothing lies below */
#define MARK_REGISTERS 4

/* The vTLBs of this process. Python lets go of its lock while the emulator runs, and its garbage collector may close one vCPU in one
 * thread while another runs in a second one. */
static struct vtlb *tapped;
static pthread_mutex_t tapping = PTHREAD_MUTEX_INITIALIZER;

static struct vtlb *tapped_by(const void *cs) {
    struct vtlb *t;
    pthread_mutex_lock(&tapping);
    for (t = tapped; t->tap.cs != cs; t = t->other)
        ;
    pthread_mutex_unlock(&tapping);
    return t;
}

/* Unicorn's TLB is about to hold a page for data. */
static void note_page(struct vtlb *t, struct way *way, uint32_t address, int table, uint32_t size) {
    if (way == NULL) { /* Unicorn has found what our walk does not: as if it were looked up from outside */
        vtlb_stray(t);
        return;
    }
    way->tables |= (uint16_t)(1u << table);
    if (way->span.shift <= SMALL_SHIFT)
        way->pages |= 1u << ((vtlb_modified(t, address) - way->span.base) / t->e->page_size);
    else
        way->odd |= size != 1u << way->span.shift;
}

/* What Unicorn may enter of the page's rights, and as how large a page. */
static int entered_rights(struct vtlb *t, uint32_t address, int access, int table, _Bool probe, int rights, uint32_t *size) {
    struct way *way;
    if (access != ACCESS_FETCH && probe) {
        vtlb_stray(t);
        return rights;
    }
    way = access == ACCESS_FETCH ? vtlb_find(t, DATA, vtlb_modified(t, address)) : vtlb_touch(t, DATA, address);
    if (way == NULL && access == ACCESS_FETCH)
        return rights & RIGHT_EXECUTE;
    note_page(t, way, address, table, *size);
    /* Unicorn takes what is larger than its own page (1 KiB before ARMv7) for a large one, of which it can only drop all. */
    if (way && access != ACCESS_FETCH && way->span.shift <= SMALL_SHIFT && *size == 1u << way->span.shift)
        *size = t->e->page_size;
    return rights;
}

static _Bool fill(void *cs, uint64_t address, int bytes, int access, int table, _Bool probe, uintptr_t back) {
    struct vtlb *t = tapped_by(cs);
    uint64_t physical = 0, fault[16] = {0};
    uint32_t attributes = 0, size = 0, mask;
    int rights = 0;
    if (access == ACCESS_FETCH && t->pending && !probe)
        vtlb_settle(t->e);
    if (!(t->control & 1))
        return t->tap.fill(cs, address, bytes, access, table, probe, back);
    if (t->tap.translate(t->tap.env, (uint32_t)address, access, table | TABLE_A_PROFILE, &physical, &attributes, &rights, &size, fault,
                         NULL)) {
        if (access != ACCESS_FETCH && !probe)
            vtlb_touch(t, DATA, (uint32_t)address);
        return t->tap.fill(cs, address, bytes, access, table, probe, back);
    }
    rights = entered_rights(t, (uint32_t)address, access, table, probe, rights, &size);
    mask = size >= t->e->page_size ? t->e->page_size - 1 : 0;
    t->tap.set_page(cs, (uint32_t)address & ~mask, physical & ~(uint64_t)mask, attributes, rights, table, size);
    return 1;
}

/* ---- Finding the way in */

/* Copy memory that may not be there: as many bytes as are. */
static size_t peek(int memory, const void *from, void *to, size_t size) {
    ssize_t got = pread(memory, to, size, (off_t)(uintptr_t)from);
    return got > 0 ? (size_t)got : 0;
}

/* The CPU is one of the blocks that Unicorn's handle points to. Told to, Unicorn puts another function into the place that we look
 * for, and puts the first one back. */
static int find_slot(struct vtlb *t, int memory, void **copy) {
    void **handle = (void **)t->e->uc, *other = unicorn_symbol("unicorn_fill_tlb_arm");
    size_t words = malloc_usable_size(handle) / sizeof *handle;
    unicorn.ctl(t->e->uc, CTL_TLB_TYPE, TLB_VIRTUAL);
    for (size_t i = 0; i < words && other && !t->tap.slot; i++) {
        uintptr_t candidate = (uintptr_t)handle[i];
        size_t got = candidate < LOWEST || candidate % sizeof other || candidate >> 47 ? 0 : peek(memory, handle[i], copy, CPU_BYTES);
        for (size_t k = 0; k < got / sizeof *copy && !t->tap.slot; k++)
            if (copy[k] == other)
                t->tap.slot = (void **)candidate + k;
    }
    unicorn.ctl(t->e->uc, CTL_TLB_TYPE, TLB_CPU);
    return t->tap.slot && *t->tap.slot == (void *)t->tap.fill;
}

static _Thread_local void *learned;

static _Bool learn(void *cs, uint64_t address, int bytes, int access, int table, _Bool probe, uintptr_t back) {
    (void)address, (void)bytes, (void)access, (void)table, (void)back;
    learned = cs;
    return !probe;
}

/* Whose it is: Unicorn says so when it calls. */
static int find_cpu(struct vtlb *t) {
    uint64_t physical;
    learned = NULL;
    *t->tap.slot = (void *)learn;
    unicorn.ctl(t->e->uc, CTL_TLB_FLUSH);
    unicorn.vmem_translate(t->e->uc, 0, UC_READABLE, &physical);
    *t->tap.slot = (void *)t->tap.fill;
    t->tap.cs = learned;
    return learned != NULL;
}

/* CPUARMState begins with the registers. */
static int find_registers(struct vtlb *t, int memory, uint8_t *copy) {
    static const uint32_t mark[MARK_REGISTERS] = {0x76544c42, 0x7a91c3e5, 0x1d2b4f68, 0xe0c5a397};
    uint32_t before[MARK_REGISTERS];
    size_t got;
    uint8_t *at;
    for (int i = 0; i < MARK_REGISTERS; i++) {
        before[i] = reg_read(t->e, REG_R0 + i);
        reg_write(t->e, REG_R0 + i, mark[i]);
    }
    got = peek(memory, t->tap.cs, copy, CPU_BYTES);
    at = memmem(copy, got, mark, sizeof mark);
    t->tap.env = at ? (uint8_t *)t->tap.cs + (at - copy) : NULL;
    for (int i = 0; i < MARK_REGISTERS; i++)
        reg_write(t->e, REG_R0 + i, before[i]);
    return at != NULL;
}

static int find(struct vtlb *t) {
    int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    void **copy = malloc(CPU_BYTES);
    int found = memory >= 0 && copy != NULL && find_slot(t, memory, copy) && find_cpu(t) && find_registers(t, memory, (uint8_t *)copy);
    free(copy);
    if (memory >= 0)
        close(memory);
    return found;
}

const char *vtlb_tap(struct vtlb *t) {
    struct tap *tap = &t->tap;
    *(void **)&tap->fill = unicorn_symbol("arm_cpu_tlb_fill_arm");
    *(void **)&tap->translate = unicorn_symbol("get_phys_addr_arm");
    *(void **)&tap->set_page = unicorn_symbol("tlb_set_page_with_attrs_arm");
    *(void **)&tap->drop_page = unicorn_symbol("tlb_flush_page_by_mmuidx_arm");
    if (unicorn.version(NULL, NULL) >> 8 != VERSION >> 8)
        return "translations are counted with Unicorn 2.1.4 only";
    if (!tap->fill || !tap->translate || !tap->set_page || !tap->drop_page || !find(t))
        return "this build of Unicorn does not let its TLB be watched";
    pthread_mutex_lock(&tapping);
    t->other = tapped;
    tapped = t;
    pthread_mutex_unlock(&tapping);
    *tap->slot = (void *)fill;
    return NULL;
}

void vtlb_untap(struct vtlb *t) {
    struct vtlb **link = &tapped;
    int found;
    pthread_mutex_lock(&tapping);
    while (*link && *link != t)
        link = &(*link)->other;
    found = *link != NULL;
    if (found)
        *link = t->other;
    pthread_mutex_unlock(&tapping);
    if (found)
        *t->tap.slot = (void *)t->tap.fill;
}
