/* printf and its kin. There is no buffer that outlives a call: a forked child would write the same text again. */
#include "ulib.h"

typedef __builtin_va_list arguments;

struct text {
    char *at, *end; /* `end` is for the closing 0 */
};

static void put(struct text *text, char c)
{
    if (text->at < text->end)
        *text->at++ = c;
}

static void put_padded(struct text *text, const char *what, u32 length, u32 width, char padding)
{
    for (; width > length; width--)
        put(text, padding);
    for (; length; length--)
        put(text, *what++);
}

static void put_number(struct text *text, u32 value, u32 base, int negative, u32 width, char padding)
{
    char digits[12], *at = digits + sizeof digits;
    do
        *--at = "0123456789abcdef"[value % base];
    while (value /= base);
    if (negative)
        *--at = '-';
    put_padded(text, at, (u32)(digits + sizeof digits - at), width, padding);
}

static void put_string(struct text *text, const char *what, u32 width)
{
    u32 length = strlen(what);
    put_padded(text, what, length, 0, 0);
    for (; width > length; width--) /* columns of words begin on the left */
        put(text, ' ');
}

static const char *put_one(struct text *text, const char *format, arguments *rest)
{
    char padding = *format == '0' ? '0' : ' ';
    u32 width = 0;
    while (*format >= '0' && *format <= '9')
        width = width * 10 + (u32)(*format++ - '0');
    int value = 0;
    if (*format == 's')
        put_string(text, __builtin_va_arg(*rest, const char *), width);
    else if (*format == '%')
        put(text, '%');
    else
        value = __builtin_va_arg(*rest, int);
    if (*format == 'c')
        put(text, (char)value);
    if (*format == 'd')
        put_number(text, value < 0 ? -(u32)value : (u32)value, 10, value < 0, width, padding);
    if (*format == 'u' || *format == 'x')
        put_number(text, (u32)value, *format == 'u' ? 10 : 16, 0, width, padding);
    return format + 1;
}

static int fill(char *to, u32 size, const char *format, arguments *rest)
{
    struct text text = {to, to + size - 1};
    while (*format)
        if (*format != '%')
            put(&text, *format++);
        else
            format = put_one(&text, format + 1, rest);
    *text.at = 0;
    return text.at - to;
}

int snprintf(char *to, u32 size, const char *format, ...)
{
    arguments rest;
    __builtin_va_start(rest, format);
    int length = fill(to, size, format, &rest);
    __builtin_va_end(rest);
    return length;
}

int dprintf(int file, const char *format, ...)
{
    char line[256];
    arguments rest;
    __builtin_va_start(rest, format);
    int length = fill(line, sizeof line, format, &rest);
    __builtin_va_end(rest);
    return write_all(file, line, (u32)length);
}

int printf(const char *format, ...)
{
    char line[256];
    arguments rest;
    __builtin_va_start(rest, format);
    int length = fill(line, sizeof line, format, &rest);
    __builtin_va_end(rest);
    return write_all(1, line, (u32)length);
}
