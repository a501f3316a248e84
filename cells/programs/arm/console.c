/* Text for people, on the UART. */
#include "guest.h"

#include <stdarg.h>

static void put(char c)
{
    if (c == '\n')
        uart_put('\r');
    uart_put(c);
}

static void put_text(const char *text)
{
    while (*text)
        put(*text++);
}

static void put_decimal(u32 value)
{
    char digits[11], *at = digits + 10;
    *at = 0;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    put_text(at);
}

static void put_hex(u32 value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        put("0123456789abcdef"[value >> shift & 15]);
}

void console_start(void) { uart_start(); }

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
        case 'u': put_decimal(va_arg(arguments, u32)); break;
        case 'x': put_hex(va_arg(arguments, u32)); break;
        case 's': put_text(va_arg(arguments, const char *)); break;
        case 'c': put((char)va_arg(arguments, int)); break;
        default: put(*format);
        }
    }
    va_end(arguments);
}
