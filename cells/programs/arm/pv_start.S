/* Where a paravirtual kernel begins, where exceptions are handed to it, and its calls. All of it runs in user mode.

   Entry: r0 = the first-level table (physical), r1 = INFO_ENTRY_MARK, r2 = the info page; virtual interrupts masked. */

#include "info_page.h"
#include "pv.h"

    .arm
    .section .text.start, "ax", %progbits
    .global _start
    .type _start, %function
_start:
    adr r3, to_stack
    ldr r4, [r3]
    add r4, r4, r3
    add sp, r4, #0x2000
    mov fp, #0
    mov lr, #0
    b pv_begin
to_stack:
    .word stack - to_stack

    .section .text.pv, "ax", %progbits
    .balign 32
    .global pv_vectors
pv_vectors:
    b .
    b enter_undefined
    b enter_swi
    b enter_prefetch_abort
    b enter_data_abort
    b .
    b enter_irq
    b .

/* The upcall has put VSPSR, pc, sp and lr on our stack; the other registers are as they were. */
    .macro enter name, trap
enter_\name:
    sub sp, sp, #4
    stmfd sp!, {r0-r12}
    mov r0, #\trap
    b entered
    .endm

    enter undefined, PV_TRAP_UNDEFINED
    enter swi, PV_TRAP_SWI
    enter prefetch_abort, PV_TRAP_PREFETCH_ABORT
    enter data_abort, PV_TRAP_DATA_ABORT
    enter irq, PV_TRAP_IRQ
entered:
    mov r1, sp
    bl pv_trap
    ldmfd sp!, {r0-r12}
    add sp, sp, #4
    svc #PV_CALL_RETURN
    b . /* refused */

    .macro call name, number
    .global \name
    .type \name, %function
\name:
    svc #\number
    bx lr
    .endm

    call pv_trap_table, PV_CALL_TRAP_TABLE
    call pv_mmu_update, PV_CALL_MMU_UPDATE
    call pv_mmu, PV_CALL_MMU
    call pv_fault, PV_CALL_FAULT
    call pv_mask, PV_CALL_MASK

    .global pv_xen
    .type pv_xen, %function
pv_xen:
    mov r12, r3
    svc #PV_CALL_XEN
    bx lr

    .global pv_basic
    .type pv_basic, %function
pv_basic:
    stmfd sp!, {r4, lr}
    ldr r4, [sp, #8]
    ldr r12, [sp, #12]
    svc #PV_CALL_BASIC
    ldmfd sp!, {r4, pc}

/* pv_start_process(pc, sp, r4, r5, r6): a frame of our own making, then return "from exception". */
    .global pv_start_process
    .type pv_start_process, %function
pv_start_process:
    ldr r6, [sp]
    bic sp, sp, #7
    mov r4, r2
    mov r5, r3
    mov r3, #0
    mov r2, r1
    mov r1, r0
    mov r0, #PV_USER_MODE
    stmfd sp!, {r0-r3}
    svc #PV_CALL_RETURN
    b .

    .section .bss.stack, "aw", %nobits
    .balign 8
stack:
    .space 0x2000
