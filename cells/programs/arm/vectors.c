/* Exception vectors: put where the core looks for them, and the end of a guest that did not expect an exception.

   The vectors go to the first words of RAM, where the info page was before it was copied. RAM at 0: there they lie
   right already. VBAR: it is pointed there. Otherwise the MMU maps virtual address 0 to them, one-to-one everywhere
   else, by sections of 1 MiB. */
#include "guest.h"

enum { LDR_PC = 0xe59ff018 };   /* ldr pc, [pc, #0x18]: through the table behind the eight vectors */
enum { TABLE_OFFSET = 0x4000 }; /* of the translation table in RAM: 16 KiB that neither info page nor image use */
enum { SECTION = 0xc12 };       /* writable, domain 0, not cached; bit 4 is one before ARMv6 (DDI 0100I, B4) */
enum { SCTLR_M = 1, SCTLR_V = 1 << 13, SCTLR_VE = 1 << 24 };

void enter_undefined(void);
void enter_svc(void);
void enter_prefetch_abort(void);
void enter_data_abort(void);
void enter_reserved(void);
void enter_irq(void);
void enter_fiq(void);

static u32 read_sctlr(void)
{
    u32 value;
    __asm__ volatile("mrc p15, 0, %0, c1, c0, 0" : "=r"(value));
    return value;
}

static void write_sctlr(u32 value) { __asm__ volatile("mcr p15, 0, %0, c1, c0, 0" : : "r"(value) : "memory"); }

static void map_one_to_one(u32 vectors)
{
    u32 table = info.ram_base + TABLE_OFFSET;
    for (u32 section = 0; section < 4096; section++)
        store(table + section * 4, section << 20 | SECTION);
    store(table, (vectors & 0xfff00000) | SECTION);
    __asm__ volatile("mcr p15, 0, %0, c2, c0, 0\n" /* translation table base */
                     "mcr p15, 0, %1, c3, c0, 0\n" /* domain 0: permissions are checked */
                     "mcr p15, 0, %2, c8, c7, 0"   /* nothing old in the TLB */
                     :
                     : "r"(table), "r"(1), "r"(0)
                     : "memory");
    write_sctlr(read_sctlr() | SCTLR_M);
}

void vectors_start(void)
{
    static void (*const entries[8])(void) = {enter_reserved,   enter_undefined, enter_svc, enter_prefetch_abort,
                                             enter_data_abort, enter_reserved,  enter_irq, enter_fiq};
    u32 vectors = info.ram_base;
    for (u32 i = 0; i < 8; i++) {
        store(vectors + i * 4, LDR_PC);
        store(vectors + 32 + i * 4, (u32)entries[i]);
    }
    write_sctlr(read_sctlr() & ~(u32)(SCTLR_V | SCTLR_VE));
    if (info.vectors == VECTORS_VBAR)
        __asm__ volatile("mcr p15, 0, %0, c12, c0, 0" : : "r"(vectors) : "memory");
    else if (info.vectors == VECTORS_MMU)
        map_one_to_one(vectors);
}

/* From the vectors in start.S. `after` is LR, which lies by the vector's own distance beyond the instruction (ARM
   DDI 0100I, A2.6). */
void on_fault(u32 vector, u32 after, u32 spsr)
{
    static const char *const names[8] = {"reset",      "undefined instruction", "supervisor call", "prefetch abort",
                                         "data abort", "reserved",              "interrupt",       "fast interrupt"};
    static const unsigned char distance[8] = {0, 4, 4, 4, 8, 0, 4, 4};
    static u32 faults;
    if (!faults++)
        print("guest fault: %s at %x, cpsr %x\n", names[vector & 7], after - distance[vector & 7], spsr);
    shutdown(0x80 + vector);
}
