/* What every image is linked with: texts, and what the compiler calls by itself. */
#include "rtos.h"

void *memcpy(void *to, const void *from, unsigned long length)
{
    u8 *out = to;
    const u8 *in = from;
    while (length--)
        *out++ = *in++;
    return to;
}

void *memset(void *to, int value, unsigned long length)
{
    u8 *out = to;
    while (length--)
        *out++ = (u8)value;
    return to;
}

u32 text_length(const char *text)
{
    u32 length = 0;
    while (text[length])
        length++;
    return length;
}

void print(const char *text)
{
    rtos_call(RTOS_PRINT, (u32)text, text_length(text), 0, 0);
}

/* Decimal by subtraction: CPUs without a divider would need a library. */
static char *put_number(char *to, u32 number)
{
    static const u32 powers[] = {1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    int begun = 0;
    for (int i = 0; i < 10; i++) {
        char digit = '0';
        while (number >= powers[i]) {
            number -= powers[i];
            digit++;
        }
        begun |= digit != '0' || i == 9;
        if (begun)
            *to++ = digit;
    }
    return to;
}

void print_number(const char *text, u32 number)
{
    char line[80];
    char *end = line;
    while (*text && end < line + 64)
        *end++ = *text++;
    end = put_number(end, number);
    *end++ = '\n';
    rtos_call(RTOS_PRINT, (u32)line, (u32)(end - line), 0, 0);
}
