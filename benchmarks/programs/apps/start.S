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

    .section .text.call, "ax", %progbits
    .global call
    .type call, %function
call:
    push {r4, r5, r7, lr}
    mov r7, r0
    mov r0, r1
    mov r1, r2
    mov r2, r3
    ldr r3, [sp, #16]
    ldr r4, [sp, #20]
    ldr r5, [sp, #24]
    svc #0
    pop {r4, r5, r7, pc}
