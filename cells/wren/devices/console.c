/* The console as a terminal: what is typed passes a line discipline before a program sees it. A line can be edited until it ends,
   what is typed is echoed, ^C interrupts everybody, ^D ends the line without a character, or the file. What programs write gets a
   carriage return before each line feed. */
#include "../files/files.h"

enum { INTERRUPT = 3, END_OF_FILE = 4, BACKSPACE = 8, DELETE = 127 };
enum { TYPED = 1024, END = 0x100 }; /* END: in the queue, where ^D was typed */

static struct {
    u16 typed[TYPED];
    u32 head, ended, tail; /* read up to, complete lines up to, typed up to */
} terminal;

/* ---- output */

static void put(const char *text, u32 size)
{
    char buffer[128];
    u32 used = 0;
    for (u32 i = 0; i < size; i++) {
        if (text[i] == '\n')
            buffer[used++] = '\r';
        buffer[used++] = text[i];
        if (used > sizeof buffer - 2)
            machine_console_write(buffer, used), used = 0;
    }
    machine_console_write(buffer, used);
}

static int write_console(struct file *file, u32 from, u32 size)
{
    char buffer[256];
    u32 part;
    (void)file;
    for (u32 done = 0; done < size; done += part) {
        part = smaller(size - done, sizeof buffer);
        if (copy_in(buffer, from + done, part))
            return done ? (int)done : -EFAULT;
        put(buffer, part);
    }
    return (int)size;
}

/* ---- input, one key at a time */

static u16 *typed(u32 position) { return &terminal.typed[position % TYPED]; }

static int is_control(u32 c) { return (c < ' ' && c != '\n' && c != '\t') || c == DELETE; }

static void echo(u32 c) { put((char[]){'^', (char)(is_control(c) ? c ^ 0x40 : c)} + !is_control(c), 1 + (u32)is_control(c)); }

/* Take the last key of the unfinished line back. */
static void erase_one(void)
{
    if (terminal.tail != terminal.ended)
        put("\b \b\b \b", is_control(*typed(--terminal.tail)) ? 6 : 3);
}

/* One place stays free for what ends the line; without room a key is lost, as it is on a real terminal. */
static void enqueue(u32 c, int ends)
{
    if (terminal.tail - terminal.head >= (ends ? TYPED : TYPED - 1))
        return;
    *typed(terminal.tail++) = (u16)c;
    if (ends)
        terminal.ended = terminal.tail;
}

static void key(u32 c)
{
    switch (c) {
    case INTERRUPT:
        terminal.head = terminal.ended = terminal.tail;
        echo(c);
        for (struct process *process = processes; process < processes + PROCESSES; process++)
            signal_send(process, SIGINT);
        break;
    case END_OF_FILE: enqueue(END, 1); break;
    case BACKSPACE:
    case DELETE: erase_one(); break;
    default:
        c = c == '\r' ? '\n' : c;
        echo(c);
        enqueue(c, c == '\n');
    }
}

void console_interrupt(void)
{
    int c;
    u32 before = terminal.ended;
    while ((c = machine_console_read()) >= 0)
        key((u32)c & 0xff);
    if (terminal.ended != before)
        wake(&terminal);
}

/* ---- reading: up to the end of one line, or END, which is taken and not delivered */

static int read_console(struct file *file, u32 to, u32 size)
{
    u32 done = 0, c = 0;
    (void)file;
    if (size && terminal.head == terminal.ended)
        return wait_on(&terminal, NEVER);
    while (done < size && terminal.head != terminal.ended && c != '\n' && c != END) {
        c = *typed(terminal.head);
        char byte = (char)c;
        if (c != END && copy_out(to + done, &byte, 1))
            return done ? (int)done : -EFAULT;
        terminal.head++, done += c != END;
    }
    if (done && c != '\n' && c != END && terminal.head != terminal.ended && *typed(terminal.head) == END)
        terminal.head++; /* it ended this line, which filled the reader's buffer: it is no end of the file */
    return (int)done;
}

static u32 poll_console(struct file *file)
{
    (void)file;
    return (terminal.head != terminal.ended ? POLL_IN : 0) | POLL_OUT;
}

const struct file_operations console_operations = {.read = read_console, .write = write_console, .poll = poll_console};
