/* The console as a terminal: what is typed passes a line discipline before a program sees it. In canonical mode that is lines,
   which can be edited until they end; keys that mean a signal go to the foreground group; what is typed is echoed. In raw mode
   the program gets every key at once. What programs write gets a carriage return before each line feed. */
#include "../files/files.h"

enum { INLCR = 0100, IGNCR = 0200, ICRNL = 0400, IXON = 02000, OPOST = 1, ONLCR = 4, CONTROL_MODES = 0001277 };
enum { ISIG = 1, ICANON = 2, ECHO = 010, ECHOE = 020, ECHOK = 040, ECHONL = 0100, ECHOCTL = 01000 };
enum { ECHOKE = 04000, IEXTEN = 0100000 };
enum { VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSUSP = 10, VWERASE = 14, CONTROLS = 19 };
enum { TCGETS = 0x5401, TCSETS, TCSETSW, TCSETSF, TCFLSH = 0x540b, TIOCSCTTY = 0x540e, TIOCGPGRP, TIOCSPGRP };
enum { TIOCGWINSZ = 0x5413, TIOCSWINSZ, FIONREAD = 0x541b };
enum { TYPED = 1024, END = 0x100 }; /* END: in the queue, where ^D was typed */

struct modes { /* struct termios of the system calls */
    u32 input, output, control, local;
    u8 line, keys[CONTROLS];
};

struct window {
    u16 rows, columns, width, height;
};

static struct terminal {
    struct modes modes;
    struct window window;
    u16 typed[TYPED];
    u32 head, ended, tail; /* read up to, complete lines up to, typed up to */
    int foreground;        /* process group */
    struct queue readers;
} terminal;

void console_start(void)
{
    static const u8 keys[CONTROLS] = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22};
    u32 local = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
    terminal.modes = (struct modes){ICRNL | IXON, OPOST | ONLCR, CONTROL_MODES, local, 0, {0}};
    copy(terminal.modes.keys, keys, sizeof keys);
    terminal.window = (struct window){24, 80, 0, 0};
    terminal.foreground = 1; /* the first process's group */
}

/* ---- Output */

static void put(const char *text, u32 size)
{
    char buffer[128];
    u32 used = 0;
    int returns = (terminal.modes.output & (OPOST | ONLCR)) == (OPOST | ONLCR);
    for (u32 i = 0; i < size; i++) {
        if (text[i] == '\n' && returns)
            buffer[used++] = '\r';
        buffer[used++] = text[i];
        if (used > sizeof buffer - 2)
            machine_console_write(buffer, used), used = 0;
    }
    machine_console_write(buffer, used);
}

static int write_console(struct file *file, struct span *from)
{
    char buffer[256];
    u32 done = 0;
    (void)file;
    while (from->size) {
        u32 part = from->size < sizeof buffer ? from->size : sizeof buffer;
        if (span_in(from, buffer, part))
            return done ? (int)done : -EFAULT;
        put(buffer, part);
        done += part;
    }
    return (int)done;
}

/* ---- Input: one key at a time */

static int has(u32 mode) { return (terminal.modes.local & mode) != 0; }

static int is_key(u32 c, u32 key) { return c && c == terminal.modes.keys[key]; }

static void echo(u32 c)
{
    char text[2] = {'^', (char)(c ^ 0x40)};
    if (!has(ECHO) && !(c == '\n' && has(ECHONL) && has(ICANON)))
        return;
    if ((c < ' ' || c == 127) && c != '\n' && c != '\t' && has(ECHOCTL))
        put(text, 2);
    else
        put((char[]){(char)c}, 1);
}

static void flush_input(void) { terminal.head = terminal.ended = terminal.tail; }

/* Keys that are signals. */
static int signal_key(u32 c)
{
    static const struct {
        u32 key;
        int signal;
    } table[] = {{VINTR, SIGINT}, {VQUIT, SIGQUIT}, {VSUSP, SIGTSTP}};
    for (u32 i = 0; i < 3; i++) {
        if (!is_key(c, table[i].key))
            continue;
        flush_input();
        echo(c);
        for (struct process *process = processes; process < processes + PROCESSES; process++)
            if (process->state != FREE && process->state != ZOMBIE && process->group == terminal.foreground)
                signal_send(process, table[i].signal);
        return 1;
    }
    return 0;
}

static u16 *typed(u32 position) { return &terminal.typed[position % TYPED]; }

/* Take the last key of the unfinished line back; 0: the line is empty. */
static int erase_one(void)
{
    if (terminal.tail == terminal.ended)
        return 0;
    u32 gone = *typed(--terminal.tail);
    if (has(ECHO) && has(ECHOE))
        put("\b \b\b \b", (gone < ' ' || gone == 127) && has(ECHOCTL) ? 6 : 3);
    return 1;
}

static void erase_word(void)
{
    while (terminal.tail != terminal.ended && *typed(terminal.tail - 1) == ' ')
        erase_one();
    while (terminal.tail != terminal.ended && *typed(terminal.tail - 1) != ' ')
        erase_one();
}

/* Keys that edit the line. */
static int edit_key(u32 c)
{
    if (is_key(c, VERASE) || c == '\b')
        erase_one();
    else if (is_key(c, VKILL))
        while (erase_one())
            ;
    else if (is_key(c, VWERASE))
        erase_word();
    else
        return 0;
    return 1;
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
    if (c == '\r' && terminal.modes.input & IGNCR)
        return;
    if (c == '\r' && terminal.modes.input & ICRNL)
        c = '\n';
    else if (c == '\n' && terminal.modes.input & INLCR)
        c = '\r';
    if (has(ISIG) && signal_key(c))
        return;
    if (!has(ICANON)) {
        echo(c);
        enqueue(c, 1);
    } else if (is_key(c, VEOF)) {
        enqueue(END, 1);
    } else if (!edit_key(c)) {
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
        ready(&terminal.readers);
}

/* ---- Reading */

static u32 available(void) { return (has(ICANON) ? terminal.ended : terminal.tail) - terminal.head; }

/* Canonical: up to the end of one line, or END, which is taken and not delivered. */
static int read_typed(struct span *to)
{
    u32 limit = available(), done = 0, head = terminal.head;
    int ended = 0;
    while (done < limit && to->size && !ended) {
        u32 c = *typed(head);
        char byte = (char)c;
        ended = has(ICANON) && (c == '\n' || c == END);
        if (c != END && span_out(to, &byte, 1))
            return done ? (int)done : -EFAULT;
        head++, done += c != END;
        terminal.head = head;
    }
    if (done && !ended && has(ICANON) && head != terminal.ended && *typed(head) == END)
        terminal.head++; /* it ended this line, which filled the reader's buffer: it is no end of the file */
    return (int)done;
}

/* Raw mode with VMIN 0: a read ends by itself after VTIME tenths of a second, with what there is. */
static u64 end_of_wait(void)
{
    if (has(ICANON) || terminal.modes.keys[VMIN])
        return NEVER;
    if (!current->call.deadline)
        current->call.deadline = machine_time() + terminal.modes.keys[VTIME] * 100000000ull;
    return current->call.deadline;
}

static int read_console(struct file *file, struct span *to)
{
    u32 least = has(ICANON) ? 1 : terminal.modes.keys[VMIN];
    if (!to->size)
        return 0;
    if (least > to->size)
        least = to->size;
    if (available() && available() >= least)
        return read_typed(to);
    if (!may_wait(file))
        return available() ? read_typed(to) : -EAGAIN;
    return wait_on(&terminal.readers, end_of_wait());
}

static u32 poll_console(struct file *file)
{
    (void)file;
    return (available() ? POLL_IN : 0) | POLL_OUT;
}

/* ---- ioctl */

static int set_modes(u32 argument, int flush)
{
    struct modes modes;
    if (copy_in(&modes, argument, sizeof modes))
        return -EFAULT;
    if (flush)
        flush_input();
    terminal.modes = modes;
    if (!has(ICANON)) /* a line that was begun can be read now */
        terminal.ended = terminal.tail;
    ready(&terminal.readers);
    return 0;
}

static int set_foreground(u32 argument)
{
    int group;
    if (copy_in(&group, argument, sizeof group))
        return -EFAULT;
    if (group <= 0)
        return -EINVAL;
    terminal.foreground = group;
    return 0;
}

static int control_console(struct file *file, u32 request, u32 argument)
{
    u32 waiting = available();
    (void)file;
    switch (request) {
    case TCGETS: return copy_out(argument, &terminal.modes, sizeof terminal.modes);
    case TCSETS:
    case TCSETSW: return set_modes(argument, 0);
    case TCSETSF: return set_modes(argument, 1);
    case TCFLSH: flush_input(); return 0;
    case TIOCSCTTY: terminal.foreground = current->group; return 0;
    case TIOCGPGRP: return copy_out(argument, &terminal.foreground, sizeof terminal.foreground);
    case TIOCSPGRP: return set_foreground(argument);
    case TIOCGWINSZ: return copy_out(argument, &terminal.window, sizeof terminal.window);
    case TIOCSWINSZ: return copy_in(&terminal.window, argument, sizeof terminal.window);
    case FIONREAD: return copy_out(argument, &waiting, sizeof waiting);
    default: return -ENOTTY;
    }
}

const struct file_operations console_operations = {
    .read = read_console, .write = write_console, .control = control_console, .poll = poll_console};
