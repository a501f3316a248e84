/* Functions in Thumb state: 16-bit instructions, r0-r7. Called with bx, as the linker arranges it. */

    .thumb
    .section .text.thumb, "ax", %progbits

/* u32 thumb_sum(const u8 *data, u32 size) */
    .global thumb_sum
    .thumb_func
    .type thumb_sum, %function
thumb_sum:
    movs r2, r0
    movs r0, #0
    cmp r1, #0
    beq 2f
1:  ldrb r3, [r2]
    adds r0, r0, r3
    adds r2, r2, #1
    subs r1, r1, #1
    bne 1b
2:  bx lr

/* int thumb_call(int number, u32 first, u32 second) */
    .global thumb_call
    .thumb_func
    .type thumb_call, %function
thumb_call:
    push {r7, lr}
    movs r7, r0
    movs r0, r1
    movs r1, r2
    svc #0
    pop {r7, pc}

/* void thumb_handler(int signal): adds its number to thumb_seen */
    .global thumb_handler
    .thumb_func
    .type thumb_handler, %function
thumb_handler:
    ldr r1, =thumb_seen
    ldr r2, [r1]
    adds r2, r2, r0
    str r2, [r1]
    bx lr

/* int thumb_undefined(int kept): an instruction that is undefined for ever; a handler goes on behind it */
    .global thumb_undefined
    .thumb_func
    .type thumb_undefined, %function
thumb_undefined:
    .inst.n 0xde00
    bx lr
    .ltorg

    .section .bss.thumb, "aw", %nobits
    .balign 4
    .global thumb_seen
thumb_seen:
    .space 4
