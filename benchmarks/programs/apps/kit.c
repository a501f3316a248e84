/* Files, memory and text of kit.h, over what kit_arm.c or kit_host.c has. */
#include "kit.h"

/* By words, as C libraries do, however the two lie to each other: words of `from` are put together of two. Little-endian. */
void copy(void *to, const void *from, u32 size)
{
    u8 *out = to;
    const u8 *in = from;
    for (; size && (__UINTPTR_TYPE__)out & 3; size--)
        *out++ = *in++;
    u32 shift = ((u32)(__UINTPTR_TYPE__)in & 3) * 8;
    if (!shift)
        for (; size >= 4; size -= 4, out += 4, in += 4)
            *(u32 *)out = *(const u32 *)in;
    else if (size >= 8) {
        const u32 *word = (const u32 *)(in - shift / 8);
        for (u32 low = *word++; size >= 8; size -= 4, out += 4, in += 4) {
            *(u32 *)out = low >> shift | *word << (32 - shift);
            low = *word++;
        }
    }
    while (size--)
        *out++ = *in++;
}

void fill(void *to, int value, u32 size)
{
    u8 *out = to;
    for (; size && ((u32)(__UINTPTR_TYPE__)out & 3); size--)
        *out++ = (u8)value;
    u32 four = (u8)value * 0x01010101u;
    for (; size >= 4; size -= 4, out += 4)
        *(u32 *)out = four;
    while (size--)
        *out++ = (u8)value;
}

u32 length(const char *text)
{
    u32 size = 0;
    while (text[size])
        size++;
    return size;
}

int same(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

u32 number(const char *text)
{
    u32 value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (u32)(*text - '0');
    return value;
}

void *room(u32 size)
{
    static u8 *next, *last;
    size = (size + 7) & ~7u;
    if (size > (u32)(last - next)) {
        u32 piece = MAX(size, 65536u);
        next = more_memory(piece);
        last = next + piece;
    }
    void *given = next;
    next += size;
    return given;
}

struct in *reader(const char *path)
{
    struct in *in = room(sizeof *in);
    in->file = open_file(path, 0);
    return in;
}

static int refill(struct in *in)
{
    in->at = 0;
    in->filled = read_some(in->file, in->buffer, sizeof in->buffer);
    return in->filled > 0;
}

int byte_in(struct in *in)
{
    if (in->at == in->filled && !refill(in))
        return -1;
    return in->buffer[in->at++];
}

u32 bytes_in(struct in *in, void *to, u32 size)
{
    u32 done = 0;
    while (done < size && (in->at < in->filled || refill(in))) {
        u32 part = MIN(size - done, in->filled - in->at);
        copy((u8 *)to + done, in->buffer + in->at, part);
        in->at += part;
        done += part;
    }
    return done;
}

struct out *writer(const char *path)
{
    struct out *out = room(sizeof *out);
    out->file = path ? open_file(path, 1) : 1;
    return out;
}

static void flush(struct out *out)
{
    if (out->filled)
        write_some(out->file, out->buffer, out->filled);
    out->filled = 0;
}

void byte_out(struct out *out, int byte)
{
    if (out->filled == sizeof out->buffer)
        flush(out);
    out->buffer[out->filled++] = (u8)byte;
}

void bytes_out(struct out *out, const void *from, u32 size)
{
    while (size) {
        if (out->filled == sizeof out->buffer)
            flush(out);
        u32 part = MIN(size, (u32)sizeof out->buffer - out->filled);
        copy(out->buffer + out->filled, from, part);
        out->filled += part;
        from = (const u8 *)from + part;
        size -= part;
    }
}

void text_out(struct out *out, const char *text) { bytes_out(out, text, length(text)); }

void number_out(struct out *out, s32 value)
{
    char digits[12];
    int at = 12;
    u32 rest = value < 0 ? 0u - (u32)value : (u32)value;
    do
        digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        digits[--at] = '-';
    bytes_out(out, digits + at, (u32)(12 - at));
}

void hex_out(struct out *out, u32 value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        byte_out(out, "0123456789abcdef"[value >> shift & 15]);
}

void finish(struct out *out)
{
    flush(out);
    if (out->file != 1)
        close_file(out->file);
}

u8 *whole(const char *path, u32 *size)
{
    struct in *in = reader(path);
    u32 held = 65536, filled = 0;
    u8 *data = room(held);
    for (;;) {
        filled += bytes_in(in, data + filled, held - 1 - filled);
        if (filled < held - 1)
            break;
        u8 *larger = room(held * 2);
        copy(larger, data, filled);
        data = larger;
        held *= 2;
    }
    close_file(in->file);
    *size = filled;
    return data;
}

u32 random_next(u32 *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

void fail(const char *what)
{
    write_some(2, what, length(what));
    write_some(2, "\n", 1);
    leave(1);
}
