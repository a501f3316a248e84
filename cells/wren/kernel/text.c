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

/* ---- print: a line at a time, because a console may cost a hypercall each time */

static struct {
    char text[128];
    u32 used;
} line;

static void put(char c)
{
    line.text[line.used++] = c;
    if (c == '\n' || line.used == sizeof line.text) {
        machine_console_write(line.text, line.used);
        line.used = 0;
    }
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

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

static void put_signed(int value)
{
    if (value < 0)
        put('-');
    put_number(value < 0 ? -(u32)value : (u32)value, 10, 1);
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        switch (*++format) {
        case 'd': put_signed(va_arg(arguments, int)); break;
        case 'u': put_number(va_arg(arguments, u32), 10, 1); break;
        case 'x': put_number(va_arg(arguments, u32), 16, 8); break;
        case 's': put_text(va_arg(arguments, const char *)); break;
        case 'c': put((char)va_arg(arguments, int)); break;
        default: put(*format);
        }
    }
    va_end(arguments);
}

/* ---- what the compiler may call (IHI 0043, 4.3.4); __aeabi_memset has its last two arguments the other way round */

void *memcpy(void *to, const void *from, unsigned long size)
{
    copy(to, from, (u32)size);
    return to;
}

void *memset(void *to, int value, unsigned long size)
{
    for (u8 *out = to; size; size--)
        *out++ = (u8)value;
    return to;
}

void __aeabi_memcpy(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memcpy4(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memcpy8(void *to, const void *from, unsigned long size) { copy(to, from, (u32)size); }
void __aeabi_memclr(void *to, unsigned long size) { clear(to, (u32)size); }
void __aeabi_memclr4(void *to, unsigned long size) { clear(to, (u32)size); }
void __aeabi_memclr8(void *to, unsigned long size) { clear(to, (u32)size); }
void __aeabi_memset(void *to, unsigned long size, int value) { memset(to, value, size); }
