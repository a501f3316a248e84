/* The first task of an image: main, and its end. */
    .section .text.start, "ax"
    .globl _start
_start:
    push {r4, lr}
    bl main
    pop {r4, pc}
