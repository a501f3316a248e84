/* The ARM engine's face towards Python: one `struct vcpu` and the calls on it.
 *
 * build.py hands this header to cffi, so it holds plain declarations only. What the C files share among themselves is in
 * internal.h. README.md says how the parts work together and what is exact.
 */
#ifndef CELLVISOR_NATIVE_H
#define CELLVISOR_NATIVE_H

#include <stdint.h>

/* Why vcpu_run came back. */
#define STOP_NONE 0
#define STOP_LIMIT 1
#define STOP_WFI 2
#define STOP_HVC 3
#define STOP_FAULT 4
#define STOP_EXCEPTION 5
#define STOP_MARK 6

/* vcpu.trap: an exception's vector number. */
#define TRAP_UNDEFINED 1
#define TRAP_SWI 2
#define TRAP_PREFETCH_ABORT 3
#define TRAP_DATA_ABORT 4
#define TRAP_IRQ 6

/* Bits of vcpu.lines. Inputs of the CPU; an asynchronous abort that waits to be taken; code to be dropped, and upkeep of
 * the TLB to be taken over, at the next block (the engine's own). */
#define LINE_IRQ 1
#define LINE_FIQ 2
#define LINE_ABORT 4
#define LINE_FLUSH 8
#define LINE_SETTLE 16

/* Indices of the cost table: cycles of one instruction of each class. The multiple classes are per register. */
#define COST_ALU 0
#define COST_MULTIPLY 1
#define COST_LOAD 2
#define COST_STORE 3
#define COST_LOAD_MULTIPLE 4
#define COST_STORE_MULTIPLE 5
#define COST_BRANCH 6
#define COST_COPROCESSOR 7
#define COST_EXCEPTION 8
#define COST_CLASSES 9

/* What the CPU model has, found by asking it. */
#define FEATURE_V6 1
#define FEATURE_V7 2
#define FEATURE_VBAR 4
#define FEATURE_IFAR 8

/* Fault codes of our own; those below are Unicorn's errors, and 0x100 + n is its exception number n. */
#define FAULT_NO_REASON 0x80

struct vcpu {
    uint64_t cycles;  /* run so far: whole blocks count when they begin */
    uint64_t limit;   /* stop before the first block that begins at or after this many cycles; 0: at the next block */
    uint64_t insns;   /* instructions begun */
    uint64_t blocks;  /* translated blocks begun */
    uint32_t lines;   /* LINE_*: pending inputs. Change single bits only */
    int32_t stop;     /* STOP_*: why the last run ended */
    int64_t offset;   /* the owner's: virtual time = cycles + offset */
    uint64_t svc, undef, prefetch_aborts, data_aborts, irqs, fiqs;
    uint64_t waits, hvcs, yields;
    uint64_t code_flushes;  /* times the translated code was thrown away */
    uint64_t translations;  /* blocks decoded (misses of the cache of block costs) */
    uint64_t host_clocks;   /* blocks decoded that read a counter which follows the host's clock */
    uint32_t hvc;           /* immediate of the last HVC */
    uint32_t features;      /* FEATURE_* */
    uint32_t cached;        /* 1: block costs are cached by return address; 0: each block is decoded each time */
    uint32_t quick;         /* 1: no load or store of the guest's can be to where nothing is mapped, or have it stopped (quicken.c) */
    uint32_t quickened;     /* calls that were overwritten for that */
    uint32_t fault_code, fault_pc, fault_address;
    uint32_t deprivileged;  /* 1: an exception enters no vector, it ends the run: STOP_EXCEPTION, PC at the instruction (behind SVC) */
    uint32_t trap, trap_status, trap_address;
    uint64_t flush_at;      /* bytes of translated code after which it is thrown away */
    uint32_t cost[9];
    uint64_t vtlb_hits, vtlb_misses, vtlb_upkeep; /* vtlb.h: misses of the real TLB that the virtual one had, or had not; upkeep */
    uint64_t vtlb_cycles;   /* of `cycles`: what that cost */
    uint64_t vtlb_switches, vtlb_flushes; /* of the upkeep: another table base; a whole TLB forgotten */
    uint64_t cache_drops, cache_flushes;  /* c7: all of a cache given up; switches before which the guest has done that */
    uint64_t memory_cycles; /* of `cycles`: charged for lines of caches that come and go (cachesim.h) */
    uint32_t mark, mark_times; /* of the last STOP_MARK (count.h): r0 and r1 */
};

/* Device callbacks have Unicorn's signature: engine, offset, size, (value,) handle. */
typedef uint64_t (*device_read_t)(void *uc, uint64_t offset, unsigned int size, void *handle);
typedef void (*device_write_t)(void *uc, uint64_t offset, unsigned int size, uint64_t value, void *handle);

/* Find Unicorn's functions in the library at `path`. NULL, or what is missing. */
const char *native_load(const char *path);
/* Text of one of Unicorn's error codes. */
const char *native_error(int code);

/* A CPU with nothing mapped, its translator warm. NULL with *error set if that fails. */
struct vcpu *vcpu_open(int model, uint64_t code_buffer, const uint32_t *cost, int *error);
void vcpu_close(struct vcpu *v);
void *vcpu_handle(struct vcpu *v);
/* Power-on state, then CPSR for a privileged entry with interrupts masked, PC (bit 0: Thumb) and three arguments. */
void vcpu_reset(struct vcpu *v, uint32_t pc, uint32_t r0, uint32_t r1, uint32_t r2);
/* Run to the limit, taking interrupts on the way: STOP_*. */
int vcpu_run(struct vcpu *v);
/* The same for who answers system calls: first r0 becomes `answer` unless that is negative; r0 to r7 are in core[0..7] then,
 * and a system call has taken `charge` cycles. */
int vcpu_run_calls(struct vcpu *v, uint32_t *core, int64_t answer, uint32_t charge);

/* Everything is mapped: make ready what the first run would allocate. */
int vcpu_warm_up(struct vcpu *v);
int vcpu_map_ram(struct vcpu *v, uint64_t base, uint64_t size, void *host);
int vcpu_map_device(struct vcpu *v, uint64_t base, uint64_t size, device_read_t read, device_write_t write, void *handle);
/* Memory in which others make pages come and go; nothing of it is there at first. */
int vcpu_map_window(struct vcpu *v, uint64_t base, uint64_t size, void *host);
/* What pages of it are from now on: `rights` 0 nothing, 1 readable, 3 writable too. What does not fit is a synchronous abort. */
int vcpu_change_window(struct vcpu *v, uint64_t base, uint64_t size, int rights);
/* Somebody else wrote this physical memory: 1 if translated code is dropped for it (at once, or before the next block), else 0. */
int vcpu_dma_written(struct vcpu *v, uint64_t address, uint64_t length);
/* Drop the TLB alone: the guest's tables have changed. */
void vcpu_flush_tlb(struct vcpu *v);
/* Drop the TLB, and translated code as above. */
void vcpu_flush(struct vcpu *v);
int vcpu_translate(struct vcpu *v, uint32_t address, uint64_t *physical);

/* Registers by Unicorn's number; coprocessor registers of cp15 by their five coordinates. 0, or Unicorn's error. */
int vcpu_read_register(struct vcpu *v, int number, uint64_t *value);
int vcpu_write_register(struct vcpu *v, int number, uint64_t value);
int vcpu_read_cp15(struct vcpu *v, int crn, int opc1, int crm, int opc2, uint32_t *value);
int vcpu_write_cp15(struct vcpu *v, int crn, int opc1, int crm, int opc2, uint32_t value);
/* All seventeen at once: r0..r14, pc, CPSR, whose bit 5 says in which state pc goes on. */
void vcpu_read_core(struct vcpu *v, uint32_t *core);
void vcpu_write_core(struct vcpu *v, const uint32_t *core);
/* The exclusive monitor: two words, address (all ones: open) and value. Not there (1) before ARMv6. */
int vcpu_read_exclusive(struct vcpu *v, uint64_t *pair);
int vcpu_write_exclusive(struct vcpu *v, const uint64_t *pair);

/* Cycles of one instruction, for tests: `word` is an ARM word, or in Thumb state first halfword << 16 | second. */
uint32_t native_cost_arm(const uint32_t *cost, uint32_t word);
uint32_t native_cost_thumb(const uint32_t *cost, uint32_t first, uint32_t second, int wide);

#endif
