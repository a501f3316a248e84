/* Where an image begins, and where exceptions enter it. ARMv5TE, ARM state.

   Entry: r1 = INFO_ENTRY_MARK, r2 = the info page; MMU off, SVC mode, IRQ and FIQ masked. The loader has placed and
   relocated the image, and what lies beyond its file contents is zero. Every mode gets a stack of its own; then C
   takes over, for good. */

#include "info_page.h"

#define MODE_FIQ 0xd1 /* the mode numbers of the CPSR, with I and F set (ARM DDI 0100I, A2.5) */
#define MODE_IRQ 0xd2
#define MODE_SVC 0xd3
#define MODE_ABT 0xd7
#define MODE_UND 0xdb

    .arm
    .section .text.start, "ax", %progbits
    .global _start
    .type _start, %function
_start:
    adr r3, to_stacks /* everything relative to here: the image may lie anywhere */
    ldr r4, [r3]
    add r4, r4, r3
    ldr r5, =INFO_ENTRY_MARK
    cmp r1, r5
    bne . /* started by something else: there is no console to say so */
    msr cpsr_c, #MODE_FIQ
    add sp, r4, #0x200
    msr cpsr_c, #MODE_ABT
    add sp, r4, #0x200
    msr cpsr_c, #MODE_UND
    add sp, r4, #0x200
    msr cpsr_c, #MODE_IRQ
    add sp, r4, #0xa00
    msr cpsr_c, #MODE_SVC
    add sp, r4, #0x1a00
    mov r0, r2
    mov fp, #0
    mov lr, #0
    bl guest_start
    b .
to_stacks:
    .word stacks - to_stacks
    .ltorg

/* The IRQ vector: saves what C may change and comes back to the interrupted instruction. LR is 4 beyond it (ARM
   DDI 0100I, A2.6). */
    .global enter_irq
    .type enter_irq, %function
enter_irq:
    sub lr, lr, #4
    stmfd sp!, {r0-r3, ip, lr}
    bl on_interrupt
    ldmfd sp!, {r0-r3, ip, pc}^

/* All others are the end of the guest: on_fault(vector, LR, SPSR) does not return, so nothing need be kept. */
    .macro fault name, vector
    .global \name
    .type \name, %function
\name:
    mov r0, #\vector
    mov r1, lr
    mrs r2, spsr
    b on_fault
    .endm

    fault enter_undefined, 1
    fault enter_svc, 2
    fault enter_prefetch_abort, 3
    fault enter_data_abort, 4
    fault enter_reserved, 5
    fault enter_fiq, 7

    .section .bss.stacks, "aw", %nobits
    .balign 8
stacks:
    .space 0x1a00 /* 0.5 KiB for FIQ and both faults (they end the guest), 2 KiB for IRQ, 4 KiB for SVC */
