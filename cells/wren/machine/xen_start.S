/* Where wren begins under xen, where exceptions are handed to it, and its hypercalls. All of it runs in user mode.

   Entry: r0 = the first-level table (physical), r1 = INFO_ENTRY_MARK, r2 = the info page (virtual); virtual interrupts masked.

   Two logical modes share one CPU mode. `xen_enter` leaves a frame of its own making on the kernel's stack and asks for a return
   "from exception": the survey's t02. The upcall of the next exception (t20, t01) puts a frame with VSPSR, pc, sp and lr of the
   process at the same place of the same stack, and the vector finds there what xen_enter had left behind it. */

#include "info_page.h"
#include "note.h"
#include "xen_pv.h"

    NOTES(FLAVOUR_XEN)

    .arm
    .section .text.start, "ax", %progbits
    .global _start
    .type _start, %function
_start:
    adr r3, to_stack
    ldr r4, [r3]
    add r4, r4, r3
    add sp, r4, #STACK
    mov fp, #0
    mov lr, #0
    b xen_begin
to_stack:
    .word stack - to_stack

    .section .text.pv, "ax", %progbits
    .balign 32
    .global pv_vectors
pv_vectors:
    b .
    b from_undefined
    b from_swi
    b from_prefetch_abort
    b from_data_abort
    b .
    b from_irq
    b .

    .macro from name, trap
from_\name:
    stmfd sp!, {r0, r1}
    mov r1, #\trap
    b from_process
    .endm

    from undefined, PV_TRAP_UNDEFINED
    from swi, PV_TRAP_SWI
    from prefetch_abort, PV_TRAP_PREFETCH_ABORT
    from data_abort, PV_TRAP_DATA_ABORT
    from irq, PV_TRAP_IRQ

/* On the stack: r0 and r1 of the process; VSPSR, pc, sp, lr of the upcall; then what xen_enter has saved, the process's
   `struct registers` first. r1 = the trap. */
from_process:
    ldr r0, [sp, #8]
    and r0, r0, #PV_MODE_MASK
    cmp r0, #PV_KERNEL_MODE
    beq from_kernel
    ldr r0, [sp, #24]
    add r0, r0, #8
    stmia r0, {r2-r12}
    sub r0, r0, #8
    mov r4, r1
    ldmfd sp!, {r2, r3}
    stmia r0, {r2, r3}
    ldmfd sp!, {r5-r8}
    str r7, [r0, #52]
    str r8, [r0, #56]
    str r6, [r0, #60]
    str r5, [r0, #64]
    mov r0, r4
    ldmfd sp!, {r1, r4-r11, pc}

/* The kernel itself has run into something: it has no handlers for that, and ends. */
from_kernel:
    mov r0, r1
    add r1, sp, #8
    bic sp, sp, #7
    b xen_crashed

    .global xen_enter
    .type xen_enter, %function
xen_enter:
    stmfd sp!, {r0, r4-r11, lr}
    ldr r1, [r0, #64]
    bic r1, r1, #PV_MODE_MASK
    orr r1, r1, #PV_USER_MODE
    ldr r2, [r0, #60]
    ldr r3, [r0, #52]
    ldr r4, [r0, #56]
    stmfd sp!, {r1-r4}
    ldmia r0, {r0-r12}
    svc #PV_CALL_RETURN
    mov r0, #PV_TRAP_START /* refused: no exception has this number */
    mov r1, sp
    b xen_crashed

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

    .section .bss.stack, "aw", %nobits
    .balign 8
stack:
    .space STACK
