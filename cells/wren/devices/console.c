/* The console as a terminal: what is typed passes a line discipline before a program sees it. The last character of a line can be
   taken back until it ends, what is typed is echoed, ^C interrupts everybody, ^D ends the line without a character, or the file.
   What programs write gets a carriage return before each line feed. */
#include "../files/files.h"

enum { INTERRUPT = 3, END_OF_FILE = 4, BACKSPACE = 8, DELETE = 127, TYPED = 1024, CHUNK = 128 };

static struct {
    u8 typed[TYPED];       /* END_OF_FILE: ^D */
    u32 head, ended, tail; /* read up to, complete lines up to, typed up to */
} terminal;

/* ---- output, at most a CHUNK */

static void put(const char *text, u32 size)
{
    char line[2 * CHUNK];
    u32 used = 0;
    for (u32 i = 0; i < size; i++) {
        if (text[i] == '\n')
            line[used++] = '\r';
        line[used++] = text[i];
    }
    machine_console_write(line, used);
}

static int write_console(struct file *file, u32 from, u32 size)
{
    char text[CHUNK];
    size = smaller(size, 16 * PAGE); /* nobody else runs meanwhile */
    (void)file;
    for (u32 done = 0, part; done < size; done += part) {
        part = smaller(size - done, CHUNK);
        if (copy_in(text, from + done, part))
            return done ? (int)done : -EFAULT;
        put(text, part);
    }
    return (int)size;
}

/* ---- input, one key at a time */

/* One place stays free for what ends the line; without room a key is lost, as it is on a real terminal. */
static void enqueue(u8 c, int ends)
{
    if (terminal.tail - terminal.head >= (ends ? TYPED : TYPED - 1))
        return;
    terminal.typed[terminal.tail++ % TYPED] = c;
    if (ends)
        terminal.ended = terminal.tail;
}

static void key(char c)
{
    c = c == '\r' ? '\n' : c;
    if (c == INTERRUPT) {
        terminal.head = terminal.ended = terminal.tail;
        put("^C", 2);
        for (struct process *process = processes; process < processes + PROCESSES; process++)
            signal_send(process, SIGINT);
    } else if (c == END_OF_FILE) {
        enqueue(END_OF_FILE, 1);
    } else if (c == BACKSPACE || c == DELETE) {
        if (terminal.tail != terminal.ended)
            terminal.tail--, put("\b \b", 3);
    } else if (c >= ' ' || c == '\n' || c == '\t') {
        put(&c, 1);
        enqueue((u8)c, c == '\n');
    }
}

void console_interrupt(void)
{
    int c;
    u32 before = terminal.ended;
    while ((c = machine_console_read()) >= 0)
        key((char)c);
    if (terminal.ended != before)
        wake(&terminal);
}

/* ---- reading: up to the end of one line, or ^D, which is taken and not delivered */

static int read_console(struct file *file, u32 to, u32 size)
{
    u32 done = 0;
    (void)file;
    if (size && terminal.head == terminal.ended)
        return wait_on(&terminal, NEVER);
    for (u8 c = 0; done < size && terminal.head != terminal.ended && c != '\n'; done++) {
        c = terminal.typed[terminal.head % TYPED];
        if (c != END_OF_FILE && copy_out(to + done, &c, 1))
            return done ? (int)done : -EFAULT;
        terminal.head++;
        if (c == END_OF_FILE)
            break;
    }
    return (int)done;
}

static u32 poll_console(struct file *file)
{
    (void)file;
    return (terminal.head != terminal.ended ? POLL_IN : 0) | POLL_OUT;
}

const struct file_operations console_operations = {
    .kind = DEVICE, .read = read_console, .write = write_console, .poll = poll_console};
