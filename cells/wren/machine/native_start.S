/* The native kernel: how it gets to its virtual addresses, and the way to user mode and back. ARMv5TE, ARM state.

   Entry: r1 = INFO_ENTRY_MARK, r2 = the info page, which is the first page of RAM; SVC mode, MMU off, interrupts masked. We are
   relocated for KERNEL_BASE and lie physically: until the MMU is on, everything is relative to the pc.

   The boot table lies 16 KiB into RAM, between info page and image: sections of 1 MiB, all RAM at KERNEL_BASE, and the section
   that we run in where it is, for the moment of the change. It stays: native_tables.c makes the kernel's half of every address
   space of it. */

#include "info_page.h"
#include "note.h"

#define KERNEL_BASE 0xc0000000
#define BOOT_TABLE 0x4000
#define SECTION 0x40e       /* kernel only, domain 0, cached; bit 4 is one before ARMv6 (DDI 0100I, B4.7.2) */
#define SECTION_SMALL 0x41a /* the same before ARMv7: written through, so that memory is never older than a cache */
#define CONTROL_ON 0x3007   /* vectors at 0xffff0000, instruction cache, data cache, alignment, MMU (DDI 0100I, B3.4) */
#define CONTROL_OFF (3 << 28 | 1 << 24 | 1 << 9 | 1 << 8) /* AFE, TRE; VE; ROM and system protection */
#define CONTROL_XP (1 << 23) /* one: no rights for quarters of a page; so is ARMv7, and ARMv6 if asked */
#define MASKED_IRQ 0xd2     /* modes of the CPSR, with I and F set (A2.5) */
#define MASKED_SVC 0xd3
#define MASKED_ABT 0xd7
#define MASKED_UND 0xdb

    NOTES(FLAVOUR_NATIVE)

    .arm
    .section .text.start, "ax", %progbits
    .global _start
    .type _start, %function
_start:
    ldr r5, =INFO_ENTRY_MARK
    cmp r1, r5
    bne . /* started by something else: there is no console to say so */
    mrc p15, 0, r9, c0, c0, 0 /* MIDR: the architecture is 15 from ARMv7 on */
    and r9, r9, #0x000f0000
    cmp r9, #0x000f0000
    ldreq r8, =SECTION
    ldrne r8, =SECTION_SMALL

    add r4, r2, #BOOT_TABLE
    mov r0, r4
    mov r3, #0
    add r1, r4, #0x4000
1:  str r3, [r0], #4
    cmp r0, r1
    blo 1b

    adr r0, _start /* the section that we are in, where it is */
    mov r0, r0, lsr #20
    orr r1, r8, r0, lsl #20
    str r1, [r4, r0, lsl #2]

    ldr r5, [r2, #12] /* ram_size */
    orr r1, r8, r2
    add r0, r4, #KERNEL_BASE >> 18
2:  str r1, [r0], #4
    add r1, r1, #0x100000
    subs r5, r5, #0x100000
    bhi 2b

    cmp r9, #0x000f0000
    mov r0, #0
    mcr p15, 0, r0, c7, c10, 4 /* what was stored is in memory */
    mcr p15, 0, r0, c8, c7, 0  /* nothing old in the TLB */
    mcrne p15, 0, r0, c7, c7, 0 /* nor in the caches (they are empty on ARMv7, where that operation is none) */
    mcr p15, 0, r4, c2, c0, 0  /* translation table base */
    mov r0, #1
    mcr p15, 0, r0, c3, c0, 0  /* domain 0: permissions are checked; no other is open */
    mrc p15, 0, r0, c1, c0, 0
    ldr r1, =CONTROL_OFF
    bic r0, r0, r1
    ldr r1, =CONTROL_ON
    orr r0, r0, r1
    cmp r9, #0x000f0000
    orreq r0, r0, #CONTROL_XP
    bicne r0, r0, #CONTROL_XP
    ldr r3, =virtually
    mcr p15, 0, r0, c1, c0, 0
    mrc p15, 0, r0, c2, c0, 0 /* the change has happened when this comes back */
    mov r0, r0
    mov pc, r3
virtually:
    ldr r5, =scratch
    msr cpsr_c, #MASKED_IRQ
    mov sp, r5
    msr cpsr_c, #MASKED_ABT
    mov sp, r5
    msr cpsr_c, #MASKED_UND
    mov sp, r5
    msr cpsr_c, #MASKED_SVC
    ldr sp, =stack_end
    ldr r0, =native_boot
    stmia r0, {r2, r4}
    mov fp, #0
    mov lr, #0
    b kernel_main
    .ltorg

/* native_enter(registers). The kernel's own registers and that pointer are on its stack while the process runs. The process's sp
   and lr are banked, and reached from here by the "^" of ldm and stm. */
    .section .text.native, "ax", %progbits
    .global native_enter
    .type native_enter, %function
native_enter:
    stmfd sp!, {r4-r11, lr}
    str r0, [sp, #-4]!
    ldr r1, [r0, #64]
    msr spsr_cxsf, r1
    add r1, r0, #52
    ldmia r1, {sp, lr}^
    mov r0, r0 /* a banked register may not be used right behind it (A4.1.21) */
    ldr lr, [r0, #60]
    ldmia r0, {r0-r12}
    movs pc, lr

/* Entries: r0, r1, the pc and the psr into a scratch place, r0 = that place, r1 = the vector, SVC mode. lr is so far beyond the
   instruction as A2.6 says; that of an undefined Thumb instruction is nearer by 2, which C mends. */
    .macro enter name, vector, beyond
\name:
    .if \beyond
    sub lr, lr, #\beyond
    .endif
    stmia sp, {r0, r1, lr}
    mrs r0, spsr
    str r0, [sp, #12]
    tst r0, #15
    bne kernel_fault
    mov r0, sp
    mov r1, #\vector
    msr cpsr_c, #MASKED_SVC
    b leave
    .endm

    enter enter_undefined, 1, 4
    enter enter_prefetch_abort, 3, 4
    enter enter_data_abort, 4, 8
    enter enter_irq, 6, 4

enter_svc: /* nothing interrupts us, so what lies below the stack is a scratch place, too */
    sub sp, sp, #16
    stmia sp, {r0, r1, lr}
    mrs r0, spsr
    str r0, [sp, #12]
    mov r0, sp
    add sp, sp, #16
    mov r1, #2

leave:
    ldr lr, [sp], #4
    add lr, lr, #8
    stmia lr, {r2-r12}
    add lr, lr, #44
    stmia lr, {sp, lr}^
    mov r6, r1
    ldmia r0, {r2-r5} /* r0, r1, pc, psr */
    sub lr, lr, #52
    stmia lr, {r2, r3}
    add lr, lr, #60
    stmia lr, {r4, r5}
    mov r0, r6
    ldmfd sp!, {r4-r11, pc}

/* An exception of the kernel itself, which never makes one: native_panic(pc, psr) says so and ends the machine. */
kernel_fault:
    ldr r0, [sp, #8]
    ldr r1, [sp, #12]
    msr cpsr_c, #MASKED_SVC
    ldr sp, =stack_end
    b native_panic
    .ltorg

    .section .rodata.native, "a", %progbits
    .balign 4
    .global native_vectors
native_vectors:
    .rept 8
    ldr pc, [pc, #0x18] /* the table behind */
    .endr
    .word kernel_fault, enter_undefined, enter_svc, enter_prefetch_abort
    .word enter_data_abort, kernel_fault, enter_irq, kernel_fault

    .section .bss.native, "aw", %nobits
    .balign 8
scratch:
    .space 16
stack:
    .space 0x2000
stack_end:
