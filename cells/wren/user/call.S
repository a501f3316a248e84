/* int call(int number, ...): up to six arguments. C hands over the first four words in registers, the others on the stack. For both
   libraries: wren's (start.S) and that of the benchmark applications (benchmarks/programs/apps/start.S). */
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
