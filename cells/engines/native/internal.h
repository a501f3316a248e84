/* What the C files of the ARM engine share: Unicorn's functions, the private side of a vCPU, small register helpers.
 *
 * Numbers of Unicorn are those of its 2.1 headers (unicorn/unicorn.h, unicorn/arm.h); of the CPU, those of the ARM
 * Architecture Reference Manual (DDI 0406C), section in brackets.
 */
#ifndef CELLVISOR_INTERNAL_H
#define CELLVISOR_INTERNAL_H

#include <stddef.h>

#include "native.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)

/* ---- Unicorn, resolved at run time (unicorn.c) */

typedef struct uc_struct uc_engine;
typedef struct uc_context uc_context;

struct unicorn {
    int (*open)(int arch, int mode, uc_engine **uc);
    int (*close)(uc_engine *uc);
    int (*ctl)(uc_engine *uc, int control, ...);
    int (*query)(uc_engine *uc, int type, size_t *result);
    const char *(*strerror)(int code);
    int (*reg_read)(uc_engine *uc, int number, void *value);
    int (*reg_write)(uc_engine *uc, int number, const void *value);
    int (*emu_start)(uc_engine *uc, uint64_t begin, uint64_t until, uint64_t timeout, size_t count);
    int (*emu_stop)(uc_engine *uc);
    int (*hook_add)(uc_engine *uc, size_t *hook, int type, void *callback, void *user, uint64_t begin, uint64_t end, ...);
    int (*hook_del)(uc_engine *uc, size_t hook);
    int (*mem_map_ptr)(uc_engine *uc, uint64_t address, uint64_t size, uint32_t permissions, void *host);
    int (*mmio_map)(uc_engine *uc, uint64_t address, uint64_t size, device_read_t read, void *read_handle,
                    device_write_t write, void *write_handle);
    int (*mem_unmap)(uc_engine *uc, uint64_t address, uint64_t size);
    int (*mem_protect)(uc_engine *uc, uint64_t address, uint64_t size, uint32_t permissions);
    int (*vmem_translate)(uc_engine *uc, uint64_t address, uint32_t permission, uint64_t *physical);
    size_t (*context_size)(uc_engine *uc);
    int (*context_alloc)(uc_engine *uc, uc_context **context);
    int (*context_save)(uc_engine *uc, uc_context *context);
    int (*context_restore)(uc_engine *uc, uc_context *context);
    int (*context_free)(uc_context *context);
    unsigned int (*version)(unsigned int *major, unsigned int *minor);
};
extern struct unicorn unicorn;
/* A function of the library's that is not part of its interface; NULL if it is not there. */
void *unicorn_symbol(const char *name);

enum { UC_OK = 0, UC_NOMEM = 1, UC_READ_UNMAPPED = 6, UC_WRITE_UNMAPPED = 7, UC_FETCH_UNMAPPED = 8, UC_WRITE_PROT = 12,
       UC_READ_PROT = 13, UC_FETCH_PROT = 14, UC_ARG = 15 };
enum { UC_HOOK_INTR = 1 << 0, UC_HOOK_BLOCK = 1 << 3, UC_HOOK_READ_UNMAPPED = 1 << 4, UC_HOOK_READ_PROT = 1 << 7, UC_HOOK_WRITE_PROT = 1 << 8,
       UC_HOOK_INVALID = 1 << 14 };
enum { UC_READABLE = 1, UC_WRITABLE = 2, UC_EXECUTABLE = 4, UC_ALL = 7 };
enum { UC_QUERY_PAGE_SIZE = 2 };
/* uc_ctl: number | count of arguments << 26 | direction (write) << 30 */
enum { CTL_USE_EXITS = 4 | 1 << 26 | 1 << 30, CTL_CPU_MODEL = 7 | 1 << 26 | 1 << 30, CTL_TB_FLUSH = 10 | 1 << 30,
       CTL_TLB_FLUSH = 11 | 1 << 30, CTL_TLB_TYPE = 12 | 1 << 26 | 1 << 30, CTL_BUFFER_SIZE = 13 | 1 << 26 | 1 << 30 };
enum { REG_CPSR = 3, REG_LR = 10, REG_PC = 11, REG_SP = 12, REG_SPSR = 13, REG_R0 = 66, REG_CP = 139, REG_ESR = 140 };

/* ---- The private side of a vCPU */

/* Cost of one translated block, kept under the address in the translated code from which the block calls us. */
struct block {
    uint64_t key;     /* low half of that address << 32 | guest address */
    uint16_t insns;
    uint16_t extent;  /* bytes of guest code; bit 0: Thumb */
    uint32_t cycles;
};

struct ram {
    uint64_t base, size;
    uint8_t *host;
    uint8_t *code;  /* bit per 4 KiB page: code was translated from it */
};

struct interval {
    uint64_t base, size;
    int hole;
};

#define RAM_LIMIT 32
#define MAP_LIMIT 512
#define BLOCK_BYTES 4096 /* more than a block can have: 512 instructions, one page */

struct engine {
    struct vcpu v;
    struct block *cache;
    uint64_t mask;
    struct block *block;  /* the block that is running, NULL if none has since the last flush */
    uint64_t privileged;  /* who counts (count.h): 1 if not in user mode, by the block that runs */
    uc_engine *uc;
    struct block scratch;
    uint64_t lowest_site, highest_site;
    uint32_t page_size;
    uint32_t probing;     /* see probe_address */
    uint32_t probed;
    uint32_t sealed;      /* holes of the memory map are laid */
    uint32_t running;     /* inside the emulator */
    int rams, maps;
    struct ram ram[RAM_LIMIT];
    struct interval map[MAP_LIMIT];  /* by address */
    uc_context *power_on, *context;
    size_t block_hook;
    void *hook;           /* the function that it is */
    struct count *count;  /* NULL: events are not counted */
    uint8_t *synced;      /* cachesim_tap.c: a byte of Unicorn's; never NULL */
    uint8_t nothing;
    uint32_t vtlb_for_counts; /* 1: translations are counted for its sake alone (vcpu_vtlb_counts) */
    void *check;          /* Unicorn's helper_check_exit_request, NULL: not known */
    struct vtlb *vtlb;    /* NULL: translations are not counted */
    uint32_t *lease;      /* vtlb_watch.c: by place of the cache of blocks, what the block holds */
    uint32_t current[256]; /* the leases that are good, by their last byte */
    size_t exception_at, exclusive_at;  /* offsets inside a saved context; exclusive_at 0: none */
};

/* ---- Registers */

static inline uint32_t reg_read(struct engine *e, int number) {
    uint32_t value = 0;
    unicorn.reg_read(e->uc, number, &value);
    return value;
}

static inline void reg_write(struct engine *e, int number, uint32_t value) {
    unicorn.reg_write(e->uc, number, &value);
}

/* Unicorn's uc_arm_cp_reg. `bank` 0 is the non-secure bank, where Unicorn starts and its guests stay. */
struct cp_register {
    uint32_t cp, is64, bank, crn, crm, opc1, opc2;
    uint64_t value;
};

static inline int cp15_read(struct engine *e, int crn, int opc1, int crm, int opc2, uint32_t *value) {
    struct cp_register r = {15, 0, 0, (uint32_t)crn, (uint32_t)crm, (uint32_t)opc1, (uint32_t)opc2, 0};
    int error = unicorn.reg_read(e->uc, REG_CP, &r);
    *value = (uint32_t)r.value;
    return error;
}

static inline int cp15_write(struct engine *e, int crn, int opc1, int crm, int opc2, uint32_t value) {
    struct cp_register r = {15, 0, 0, (uint32_t)crn, (uint32_t)crm, (uint32_t)opc1, (uint32_t)opc2, value};
    return unicorn.reg_write(e->uc, REG_CP, &r);
}

/* The same with opc1 0; 0 if this CPU lacks it. */
static inline uint32_t cp15_or_0(struct engine *e, int crn, int crm, int opc2) {
    uint32_t value = 0;
    return cp15_read(e, crn, 0, crm, opc2, &value) ? 0 : value;
}

/* r0 to r15, as instructions number them. */
static inline uint32_t general(struct engine *e, uint32_t number) {
    return reg_read(e, number < 13 ? REG_R0 + (int)number : number == 13 ? REG_SP : number == 14 ? REG_LR : REG_PC);
}

/* CPSR [B1.3.3] */
#define CPSR_MODE 0x1fu
#define CPSR_T 0x20u
#define CPSR_F 0x40u
#define CPSR_I 0x80u
#define CPSR_A 0x100u
#define CPSR_E 0x200u
#define CPSR_KEPT 0xf80f01c0u /* N Z C V Q, GE, A I F; an entry clears IT, J, E and T */
#define MODE_USER 0x10u

/* ---- Calls between the files */

struct sum {
    uint32_t insns, cycles, length;  /* `length`: bytes covered */
};

/* cost.c: add up the instructions of `bytes[0..size)` at `address`; `clocks` counts reads of host-driven counters. */
struct sum cost_of(const struct engine *e, const uint8_t *bytes, uint32_t size, uint32_t address, int thumb, uint64_t *clocks);
uint32_t thumb_length(const struct engine *e, uint32_t address, uint32_t first);
/* The instruction whose four bytes are `bytes`, and its length. In Thumb state as in ARM's if it is one for a coprocessor, else 0. */
uint32_t coprocessor_word(const struct engine *e, const uint8_t *bytes, uint32_t address, uint32_t thumb, uint32_t *length);

/* Two blocks are never closer than this: the translator puts its record of a block, over 128 bytes, before its code. */
#define SITE_SHIFT 7

static inline void count_block(struct engine *e, struct block *block) {
    e->v.cycles += block->cycles;
    e->v.insns += block->insns;
    e->v.blocks++;
    e->block = block;
}

/* hooks.c */
int must_stop(struct engine *e);
struct block *measure(struct engine *e, struct block *block, uint64_t site, uint32_t address, uint32_t size);
void *block_hook(void *uc, uint64_t address, uint32_t size, void *user);
/* quicken.c: the block whose code goes on at `site` need not ask so often; `insns`: of the guest, in it. */
void quicken(struct engine *e, uint64_t site, uint32_t insns);
uint32_t deliverable(struct engine *e);
void take_back(struct engine *e, uint32_t pc);
void flush_code(struct engine *e);
void flush_soon(struct engine *e);

/* exceptions.c */
void interrupt_hook(void *uc, uint32_t number, void *user);
_Bool invalid_hook(void *uc, void *user);
void take_line(struct engine *e, uint32_t line);
void prefetch_abort(struct engine *e, uint32_t pc, uint32_t old, uint32_t status, uint32_t address);
void data_abort(struct engine *e, uint32_t pc, uint32_t old, uint32_t status, uint32_t address);
enum { FSR_DEBUG = 0x02, FSR_EXTERNAL = 0x08, FSR_EXTERNAL_LATE = 0xc06, FSR_WRITE = 0x800 }; /* [B4.1.51]; late: asynchronous, a write */

/* vtlb.c and vtlb_watch.c; each does nothing without a vTLB */
void vtlb_close(struct vtlb *t);
void vtlb_forget_all(struct vtlb *t);
void vtlb_settle(struct engine *e);
void vtlb_changed(struct engine *e);
void vtlb_fault(struct engine *e, uint32_t pc);
void vtlb_fetch_fault(struct engine *e, uint32_t address);
void vtlb_block(struct vtlb *t, uint64_t place, uint64_t key, uint32_t address, uint32_t size, uint32_t extent, int fresh);
/* A condition field against the flags. */
int condition_holds(uint32_t condition, uint32_t cpsr);

/* count.c; without counting each does nothing, but for count_settle */
void count_close(struct count *c);
void count_settle(struct engine *e);
void count_fault(struct engine *e, uint32_t pc);
void count_abort(struct engine *e, int data, uint32_t old);
void count_table(struct engine *e);
void count_translation(struct engine *e, int fetch);
int count_mark(struct engine *e, uint32_t pc, uint32_t cpsr);

/* nowhere.c: emu_start ended with `error` */
int external_abort(struct engine *e, int error);

/* memory.c */
int read_code(struct engine *e, uint32_t address, uint8_t *bytes, uint32_t size);
int ram_word(const struct engine *e, uint32_t address, uint32_t *word); /* the word around a physical address: 1, or 0 if there is no RAM */
int lay_holes(struct engine *e);
void forget_code_pages(struct engine *e);

#endif
