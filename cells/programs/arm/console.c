/* Characters out, by polling. PL011: ARM DDI 0183 section 3.3. 16550 with its registers four bytes apart. */
#include "guest.h"

#include <stdarg.h>

enum { PL011_DR = 0x00, PL011_FR = 0x18, PL011_LCRH = 0x2c, PL011_CR = 0x30, PL011_IMSC = 0x38 };
enum { NS_THR = 0x00, NS_IER = 0x04, NS_FCR = 0x08, NS_LCR = 0x0c, NS_LSR = 0x14 };

struct uart {
    void (*start)(u32 base);
    u32 status;     /* its status register, */
    u32 full_mask;  /* the bits of it that matter, */
    u32 full_value; /* and what they are when it takes no character now */
};

static void start_nothing(u32 base) { (void)base; }

static void start_pl011(u32 base)
{
    store(base + PL011_IMSC, 0);
    store(base + PL011_LCRH, 0x70); /* 8 bits, FIFOs on */
    store(base + PL011_CR, 0x301);  /* receive, transmit, on */
}

static void start_ns16550(u32 base)
{
    store(base + NS_LCR, 0x03); /* 8 bits, one stop bit, divisor latch closed */
    store(base + NS_IER, 0);
    store(base + NS_FCR, 0x01); /* FIFOs on */
}

static const struct uart *uart(void)
{
    static const struct uart table[] = {
        [UART_NONE] = {start_nothing, 0, 0, 0},
        [UART_PL011] = {start_pl011, PL011_FR, 0x20, 0x20},
        [UART_NS16550] = {start_ns16550, NS_LSR, 0x20, 0x00},
    };
    return &table[info.uart_kind <= UART_NS16550 ? info.uart_kind : UART_NONE];
}

static void put_raw(const struct uart *to, char c)
{
    if (to == uart() && info.uart_kind == UART_NONE)
        return;
    while ((load(info.uart_base + to->status) & to->full_mask) == to->full_value)
        ;
    store(info.uart_base, (u32)(unsigned char)c);
}

static void put(char c)
{
    if (c == '\n')
        put_raw(uart(), '\r');
    put_raw(uart(), c);
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

void console_start(void) { uart()->start(info.uart_base); }

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
