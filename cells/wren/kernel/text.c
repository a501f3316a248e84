/* Small things: bytes, complaints, the arithmetic that ARMv5 has no instruction for, and what the compiler itself may call. */
#include "kernel.h"

struct eight {
    u32 word[8];
};

/* Eight words at a time are one LDM and one STM: most of what a kernel copies is pages. */
void copy(void *to, const void *from, u32 size)
{
    u8 *out = to;
    const u8 *in = from;
    if (!(((u32)to | (u32)from) & 3)) {
        for (u32 step = sizeof(struct eight); size >= step; size -= step, out += step, in += step)
            *(struct eight *)(void *)out = *(const struct eight *)(const void *)in;
        for (; size >= 4; size -= 4, out += 4, in += 4)
            *(u32 *)(void *)out = *(const u32 *)(const void *)in;
    }
    while (size--)
        *out++ = *in++;
}

void clear(void *at, u32 size)
{
    static const struct eight nothing;
    const struct eight *zeros = &nothing;
    u8 *out = at;
    __asm__("" : "+r"(zeros)); /* if the compiler knew what lies there, it would call what this function is for */
    if (!((u32)at & 3))
        for (; size >= sizeof *zeros; size -= sizeof *zeros, out += sizeof *zeros)
            *(struct eight *)(void *)out = *zeros;
    while (size--)
        *out++ = 0;
}

int equal(const void *one, const void *other, u32 size)
{
    for (const u8 *a = one, *b = other; size; size--)
        if (*a++ != *b++)
            return 0;
    return 1;
}

u32 length(const char *text)
{
    const char *end = text;
    while (*end)
        end++;
    return (u32)(end - text);
}

/* Shift and subtract: nothing here divides often. A divisor of 0 gives 0. */
u64 divide(u64 dividend, u32 divisor, u32 *remainder)
{
    u64 quotient = 0, rest = 0;
    for (int bit = 0; bit < 64; bit++) {
        rest = rest << 1 | dividend >> 63;
        dividend <<= 1;
        quotient <<= 1;
        if (divisor && rest >= divisor)
            rest -= divisor, quotient |= 1;
    }
    if (remainder)
        *remainder = (u32)rest;
    return quotient;
}

static void put(const char *text) { machine_console_write(text, length(text)); }

void complain(const char *what, const char *whom, u32 number)
{
    char digits[] = ": 0x00000000\r\n";
    for (char *at = digits + 11; number; number >>= 4)
        *at-- = "0123456789abcdef"[number & 15];
    put("wren: ");
    put(what);
    put(" ");
    put(whom);
    put(digits);
}

/* ---- what the compiler calls when a structure is copied or cleared (IHI 0043, 4.3.4) */

void __aeabi_memcpy(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memcpy4(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memcpy8(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memclr(void *to, unsigned long size) { clear(to, (u32)size); }
void __aeabi_memclr4(void *to, unsigned long size) { clear(to, (u32)size); }
void __aeabi_memclr8(void *to, unsigned long size) { clear(to, (u32)size); }
