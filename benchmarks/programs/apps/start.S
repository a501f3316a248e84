/* Where an application begins on ARM Linux, and its way into the kernel: `call(number, ...)` with up to six arguments. */
    .arm
    .section .text.start, "ax", %progbits
    .global _start
    .type _start, %function
_start:
    mov fp, #0
    mov lr, #0
    ldr r0, [sp]
    add r1, sp, #4
    bl app
    bl leave

#include "call.S" /* wren's */
