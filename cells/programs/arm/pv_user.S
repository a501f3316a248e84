/* The user process of pv_demo: copied to a page of its own, and run there. r4: how often, r5: which part, r6: an address in the
   kernel. Calls: svc #0 with the number in r7, argument and result in r0. */

#define EXIT 0
#define NULL_CALL 1
#define SHOW 2
#define MARK 3
#define KICK 4

    .arm
    .section .text.pv_user, "ax", %progbits
    .global pv_user_begin
pv_user_begin:
    mov r1, #0xb0000000
    orr r1, r1, #0x10000 /* where nothing is mapped yet */
    cmp r5, #0
    bne story
    mov r7, #NULL_CALL
    svc #0
    mov r0, #42
    str r0, [r1] /* a page fault */
    ldr r0, [r1]
    mov r7, #SHOW
    svc #0
    mov r7, #KICK
    svc #0 /* an event: the kernel is interrupted as soon as it lets us go on */
    ldr r2, [r6] /* the kernel's memory */
    mcr p15, 0, r0, c2, c0, 0 /* the table base: privileged */
    mov r7, #EXIT
    svc #0
story:
    mov r0, #1
    mov r7, #MARK
    svc #0
    mov r7, #NULL_CALL
again:
    subs r4, r4, #1
    blt done
    cmp r5, #1
    svceq #0
    strne r4, [r1]
    addne r1, r1, #0x1000
    b again
done:
    mov r0, #0
    mov r7, #MARK
    svc #0
    mov r7, #EXIT
    svc #0
    .ltorg
    .global pv_user_end
pv_user_end:
