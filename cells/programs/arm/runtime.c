/* The way from `_start` to the program, arguments, the little arithmetic that ARMv5 has no instruction for, and what
   the compiler itself may call. */
#include "guest.h"

struct info_page info;

void guest_start(const struct info_page *page)
{
    info = *page;
    console_start();
    if (info.magic != INFO_MAGIC || info.version != INFO_VERSION)
        shutdown(0xff);
    vectors_start();
    program();
    shutdown(0);
}

/* The text behind "name=" in "a=1 name=2", or 0. */
static const char *value_of(const char *name)
{
    const char *at = info.args;
    while (*at) {
        const char *expected = name;
        while (*expected && *at == *expected)
            at++, expected++;
        if (!*expected && *at == '=')
            return at + 1;
        while (*at && *at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    return 0;
}

static u32 digit(char c)
{
    if (c >= '0' && c <= '9')
        return (u32)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (u32)(c - 'a' + 10) : 16;
}

u32 argument(const char *name, u32 otherwise)
{
    const char *text = value_of(name);
    if (!text)
        return otherwise;
    u32 base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10;
    u32 value = 0;
    for (text += base == 16 ? 2 : 0; digit(*text) < base; text++)
        value = value * base + digit(*text);
    return value;
}

int argument_is(const char *name, const char *value)
{
    const char *text = value_of(name);
    if (!text)
        return 0;
    while (*value && *text == *value)
        text++, value++;
    return !*value && (!*text || *text == ' ');
}

/* Shift and subtract: ARMv5 has no divide instruction, and nothing here divides often. */
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

u32 scale(u32 value, u32 times, u32 per)
{
    u64 result = divide((u64)value * times, per, 0);
    return result > 0xffffffff ? 0xffffffff : (u32)result;
}

u32 take_pages(u32 count)
{
    static u32 taken;
    taken += count;
    return info.ram_base + info.ram_size - taken * INFO_PAGE_SIZE;
}

u32 processor_id(void)
{
    u32 midr;
    __asm__ volatile("mrc p15, 0, %0, c0, c0, 0" : "=r"(midr));
    return midr;
}

/* Sleeps until an interrupt is pending, masked or not. MIDR's architecture field is 15 from ARMv7 on, where WFI is an
   instruction; older cores have it as a coprocessor register (register c7 in the manuals of ARM926EJ-S and ARM1176). */
void wait_for_interrupt(void)
{
    if ((processor_id() >> 16 & 0xf) == 0xf)
        __asm__ volatile(".word 0xe320f003 @ wfi" : : : "memory");
    else
        __asm__ volatile("mcr p15, 0, %0, c7, c0, 4" : : "r"(0) : "memory");
}

void mask_interrupts(void)
{
    u32 cpsr;
    __asm__ volatile("mrs %0, cpsr\n orr %0, %0, #0x80\n msr cpsr_c, %0" : "=&r"(cpsr) : : "memory");
}

void unmask_interrupts(void)
{
    u32 cpsr;
    __asm__ volatile("mrs %0, cpsr\n bic %0, %0, #0x80\n msr cpsr_c, %0" : "=&r"(cpsr) : : "memory");
}

void *memcpy(void *to, const void *from, unsigned long size)
{
    char *out = to;
    const char *in = from;
    if (!(((u32)to | (u32)from) & 3))
        for (; size >= 4; size -= 4, out += 4, in += 4)
            *(u32 *)out = *(const u32 *)in;
    for (; size; size--)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int value, unsigned long size)
{
    for (char *out = to; size; size--)
        *out++ = (char)value;
    return to;
}

/* The names that the ARM run-time ABI gives them (IHI 0043, 4.3.4); memset has its last two arguments the other way
   round there. */
void __aeabi_memcpy(void *to, const void *from, unsigned long size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, unsigned long size) { memcpy(to, from, size); }
void __aeabi_memclr(void *to, unsigned long size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, unsigned long size) { memset(to, 0, size); }
