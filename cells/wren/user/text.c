/* Strings and memory, byte by byte: short programs, short texts. Only copying has a fast way. */
#include "ulib.h"

u32 strlen(const char *text)
{
    u32 length = 0;
    while (text[length])
        length++;
    return length;
}

int strcmp(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return (u8)*one - (u8)*other;
}

char *strchr(const char *text, int character)
{
    for (; *text; text++)
        if (*text == (char)character)
            return (char *)text;
    return 0;
}

char *strcpy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
    return to;
}

void *memcpy(void *to, const void *from, u32 size)
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

void *memset(void *to, int value, u32 size)
{
    for (char *out = to; size; size--)
        *out++ = (char)value;
    return to;
}

int memcmp(const void *one, const void *other, u32 size)
{
    const u8 *left = one, *right = other;
    for (; size; size--, left++, right++)
        if (*left != *right)
            return *left - *right;
    return 0;
}

/* The names that the ARM run-time ABI gives them (IHI 0043, 4.3.4). */
void __aeabi_memcpy(void *to, const void *from, u32 size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, u32 size) { memcpy(to, from, size); }
void __aeabi_memcpy8(void *to, const void *from, u32 size) { memcpy(to, from, size); }
void __aeabi_memset(void *to, u32 size, int value) { memset(to, value, size); }
void __aeabi_memclr(void *to, u32 size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, u32 size) { memset(to, 0, size); }
void __aeabi_memclr8(void *to, u32 size) { memset(to, 0, size); }

static u32 digit(char c)
{
    if (c >= '0' && c <= '9')
        return (u32)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (u32)(c - 'a' + 10) : 16;
}

u32 number(const char *text)
{
    u32 base = text[0] == '0' && text[1] == 'x' ? 16 : 10, value = 0;
    for (text += base == 16 ? 2 : 0; digit(*text) < base; text++)
        value = value * base + digit(*text);
    return value;
}
