/* What every paravirtual kernel needs: its beginning, a console by hypercall, its page tables by sight. */
#include "pv.h"

#include <stdarg.h>

enum { XEN_CONSOLE_IO = 18, CONSOLE_WRITE = 0 };

u32 pv_table;
static u32 next_page;
static char line[128];
static u32 length;

void pv_begin(u32 table, u32 mark, const struct info_page *page);

static void stop(u32 status)
{
    for (;;)
        pv_basic(status, 0, 0, 0, 0, HYPERCALL_SHUTDOWN);
}

void pv_begin(u32 table, u32 mark, const struct info_page *page)
{
    if (mark != INFO_ENTRY_MARK || page->magic != INFO_MAGIC)
        stop(0xff);
    info = *page;
    pv_table = table;
    next_page = ((u32)image_end + PAGE - 1) & ~(u32)(PAGE - 1);
    pv_trap_table(pv_vectors);
    program();
    stop(0);
}

void shutdown(u32 status)
{
    stop(status);
    __builtin_unreachable();
}

/* Tables can be read like any other page of ours: a first-level entry holds its table's address above bit 9. */
u32 pv_slot(u32 virtual)
{
    u32 upper = load(pv_table + virtual / SECTION * 4);
    return (upper & ~0x3ffu) + virtual % SECTION / PAGE * 4;
}

u32 pv_take_page(void)
{
    u32 page = next_page;
    next_page += PAGE;
    return page;
}

static void flush(void)
{
    pv_xen(CONSOLE_WRITE, length, (u32)line, XEN_CONSOLE_IO);
    length = 0;
}

static void put(char c)
{
    line[length++] = c;
    if (c == '\n' || length == sizeof line)
        flush();
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
        case 'u': put_number(va_arg(arguments, u32), 10, 1); break;
        case 'x': put_number(va_arg(arguments, u32), 16, 8); break;
        case 's': put_text(va_arg(arguments, const char *)); break;
        default: put(*format);
        }
    }
    va_end(arguments);
}
