/* Where a program begins, the one way into the kernel, and the way back from a signal handler. ARMv5TE, ARM state.

   Linux's ARM EABI: at entry sp points to argc, the argument pointers, 0, the environment, 0. A system call has its number in r7,
   arguments in r0-r5, its answer in r0: a value, or a negative error number. */

#include "numbers.h"

    .arm
    .section .text.start, "ax", %progbits
    .global _start
    .type _start, %function
_start:
    mov fp, #0
    mov lr, #0
    ldr r0, [sp]
    add r1, sp, #4
    add r2, r1, r0, lsl #2
    add r2, r2, #4
    bl main
    mov r7, #CALL_EXIT_GROUP
    svc #0

#include "call.S"

/* Handlers return to one of these: the kernel left the interrupted registers on the stack. */
    .section .text.restore, "ax", %progbits
    .global restore_plain
    .type restore_plain, %function
restore_plain:
    mov r7, #CALL_SIGRETURN
    svc #0
    .global restore_with_info
    .type restore_with_info, %function
restore_with_info:
    mov r7, #CALL_RT_SIGRETURN
    svc #0

/* Division, as the compiler asks for it (IHI 0043, 4.3.1): quotient in r0, remainder in r1. Shift and subtract: ARMv5 has no
   instruction for it. Signed division: nothing here divides negative numbers. */
    .section .text.divide, "ax", %progbits
    .global __aeabi_uidivmod
    .global __aeabi_uidiv
    .type __aeabi_uidivmod, %function
    .type __aeabi_uidiv, %function
__aeabi_uidivmod:
__aeabi_uidiv:
    mov r2, r0  /* the dividend's bits leave to the left */
    mov r3, #32
    mov r0, #0  /* quotient */
    mov ip, #0  /* remainder */
1:  movs r2, r2, lsl #1
    adc ip, ip, ip
    mov r0, r0, lsl #1
    cmp ip, r1
    subhs ip, ip, r1
    addhs r0, r0, #1
    subs r3, r3, #1
    bne 1b
    mov r1, ip
    bx lr
