/* Small things: bytes, text, the console, the arithmetic that ARMv5 has no instruction for, and what the compiler itself may
   call. */
#include "kernel.h"

#include <stdarg.h>

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

int same(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
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

/* ---- print: what goes wrong, and is rare */

static void put_text(const char *text) { machine_console_write(text, length(text)); }

static void put_number(u32 value, u32 base, u32 digits)
{
    char text[11], *at = text + 10;
    *at = 0;
    for (; value || digits; digits -= digits ? 1 : 0) {
        u32 digit;
        value = (u32)divide(value, base, &digit);
        *--at = "0123456789abcdef"[digit];
    }
    put_text(at);
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            machine_console_write(format, 1);
            continue;
        }
        switch (*++format) {
        case 'd': put_number(va_arg(arguments, u32), 10, 1); break;
        case 'x': put_number(va_arg(arguments, u32), 16, 8); break;
        case 's': put_text(va_arg(arguments, const char *));
        }
    }
    va_end(arguments);
}

/* ---- what the compiler calls when a structure is copied or cleared (IHI 0043, 4.3.4) */

void __aeabi_memcpy(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memcpy4(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memcpy8(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memclr(void *to, unsigned long size) { clear(to, (u32)size); }
void __aeabi_memclr4(void *to, unsigned long size) { clear(to, (u32)size); }
void __aeabi_memclr8(void *to, unsigned long size) { clear(to, (u32)size); }
