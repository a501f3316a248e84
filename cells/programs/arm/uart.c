/* Characters in and out, by polling. PL011: ARM DDI 0183 section 3.3. 16550 with its registers four bytes apart. */
#include "guest.h"

enum { PL011_DR = 0x00, PL011_FR = 0x18, PL011_LCRH = 0x2c, PL011_CR = 0x30, PL011_IMSC = 0x38 };
enum { NS_THR = 0x00, NS_IER = 0x04, NS_FCR = 0x08, NS_LCR = 0x0c, NS_LSR = 0x14 };

struct flag {
    u32 mask, value; /* the bits of the status register that matter, and what they are when the answer is no */
};

struct uart {
    void (*start)(u32 base);
    u32 status;              /* its status register */
    u32 enable, received;    /* its register that enables interrupts, and the bits of it for received characters */
    struct flag room, typed; /* it takes a character now; it has one for us */
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
        [UART_NONE] = {start_nothing, 0, 0, 0, {0, 0}, {0, 0}},
        [UART_PL011] = {start_pl011, PL011_FR, PL011_IMSC, 0x50, {0x20, 0x20}, {0x10, 0x10}},
        [UART_NS16550] = {start_ns16550, NS_LSR, NS_IER, 0x41, {0x20, 0x00}, {0x01, 0x00}},
    };
    return &table[info.uart_kind <= UART_NS16550 ? info.uart_kind : UART_NONE];
}

static int says(struct flag flag) { return (load(info.uart_base + uart()->status) & flag.mask) != flag.value; }

void uart_start(void) { uart()->start(info.uart_base); }

/* PL011: FIFO filled, and not filled for a while. 16550: data received; the PXA's needs its unit enabled (278693, table 10-7). */
void uart_listen(void)
{
    if (info.uart_kind != UART_NONE)
        store(info.uart_base + uart()->enable, uart()->received);
}

void uart_put(char c)
{
    if (info.uart_kind == UART_NONE)
        return;
    while (!says(uart()->room))
        ;
    store(info.uart_base, (u32)(unsigned char)c);
}

int uart_get(void)
{
    if (info.uart_kind == UART_NONE || !says(uart()->typed))
        return -1;
    return (int)(load(info.uart_base) & 0xff);
}
