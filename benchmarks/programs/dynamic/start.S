/* Where a dynamically linked program begins: the loader has put argc, the arguments and its own exit function (r0) there, and the C
   library does the rest (ARM EABI of glibc from 2.34 on: initialisers are the library's business, the two words are 0). */
    .arm
    .section .text.start, "ax", %progbits
    .global _start
    .type _start, %function
_start:
    mov fp, #0
    mov lr, #0
    pop {r1}           /* argc */
    mov r2, sp         /* argv */
    push {r2}          /* the stack's end */
    push {r0}          /* to be called at exit */
    mov ip, #0
    push {ip}
    ldr r0, =main
    mov r3, #0
    bl __libc_start_main
    bl abort
