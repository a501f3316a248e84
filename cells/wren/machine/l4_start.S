/* Where wren begins as a task of the microkernel, its system calls, and what the signal threads of its processes do. All of it
   runs in user mode.

   Entry: r1 = INFO_ENTRY_MARK, r2 = the info page (virtual). */

#include "info_page.h"
#include "l4.h"
#include "note.h"

    NOTES(FLAVOUR_L4)

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
    b l4_begin
to_stack:
    .word stack - to_stack

/* The microkernel changes r0 alone. */
    .macro call name, number
    .section .text.\name, "ax", %progbits
    .global \name
    .type \name, %function
\name:
    svc #\number
    bx lr
    .endm

    call l4_call_ipc, L4_CALL_IPC
    call l4_call_task_new, L4_CALL_TASK_NEW
    call l4_call_task_delete, L4_CALL_TASK_DELETE
    call l4_call_map, L4_CALL_MAP
    call l4_call_unmap, L4_CALL_UNMAP
    call l4_call_exchange, L4_CALL_EXCHANGE
    call l4_call_utcb, L4_CALL_UTCB

/* A signal thread tells the server that it is there, or that it is done, and waits for the next message; then it forces the main
   thread beside it into an exception. It needs no stack: its sp is the main thread's number. */
    .section .rodata.signal, "a", %progbits
    .balign 4
    .global l4_signal_begin, l4_signal_end
l4_signal_begin:
    mov r0, #L4_ROOT
    mov r1, #L4_ROOT
    svc #L4_CALL_IPC
    mov r0, sp
    mov r3, #L4_EXCHANGE_FORCE
    svc #L4_CALL_EXCHANGE
    b l4_signal_begin
l4_signal_end:

    .section .bss.stack, "aw", %nobits
    .balign 8
stack:
    .space STACK
