/* Where wren begins under the microvisor, and its calls. All of it runs in user mode.

   Entry: r1 = INFO_ENTRY_MARK, r2 = the info page (virtual). There is nothing else here: a process runs as if the kernel had called a
   subroutine, the microvisor keeps the registers of both, and no exception ever comes to the kernel. */

#include "info_page.h"
#include "note.h"
#include "okl4.h"

    NOTES(FLAVOUR_OKL4)

    .arm
    .section .text.start, "ax", %progbits
    .global _start
    .type _start, %function
_start:
    adr r3, to_stack
    ldr r4, [r3]
    add r4, r4, r3
    add sp, r4, #STACK
    mov r0, r1
    mov r1, r2
    mov fp, #0
    mov lr, #0
    b okl4_begin
to_stack:
    .word stack - to_stack

/* r0 to r2 are what happened: a `struct trap`. */
    .section .text.okl4_run, "ax", %progbits
    .global okl4_run
    .type okl4_run, %function
okl4_run:
    mov r3, r2
    svc #OKL4_RUN
    stmia r3, {r0-r2}
    bx lr

/* The others change r0 alone. */
    .macro call name, number
    .section .text.\name, "ax", %progbits
    .global \name
    .type \name, %function
\name:
    svc #\number
    bx lr
    .endm

    call okl4_flush_page, OKL4_FLUSH_PAGE
    call okl4_flush_space, OKL4_FLUSH_SPACE
    call okl4_alarm, OKL4_ALARM
    call okl4_wait, OKL4_WAIT

    .section .bss.stack, "aw", %nobits
    .balign 8
stack:
    .space STACK
