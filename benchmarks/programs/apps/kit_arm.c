/* kit.h over Linux's ARM EABI, without a C library; and what the compiler itself calls. */
#include "kit.h"

enum { EXIT = 248, READ = 3, WRITE = 4, OPEN = 5, CLOSE = 6, MMAP2 = 192, INTERRUPTED = -4 };
int call(int number, ...); /* start.S */

static void or_fail(int answer, const char *what)
{
    if ((u32)answer >= 0xfffff000)
        fail(what);
}

int open_file(const char *path, int write)
{
    int file = call(OPEN, path, write ? 01101 : 0, 0644); /* O_WRONLY, O_CREAT, O_TRUNC */
    or_fail(file, path);
    return file;
}

u32 read_some(int file, void *to, u32 size)
{
    int got;
    do
        got = call(READ, file, to, size);
    while (got == INTERRUPTED);
    or_fail(got, "read");
    return (u32)got;
}

void write_some(int file, const void *from, u32 size)
{
    while (size) {
        int done = call(WRITE, file, from, size);
        if (done == INTERRUPTED)
            continue;
        if (file != 2)
            or_fail(done, "write");
        if (done <= 0)
            return;
        from = (const u8 *)from + done;
        size -= (u32)done;
    }
}

void close_file(int file) { call(CLOSE, file); }

void *more_memory(u32 size)
{
    int at = call(MMAP2, 0, size, 3, 0x22, -1, 0); /* rw; private, anonymous */
    or_fail(at, "no memory");
    return (void *)at;
}

void leave(int status)
{
    call(EXIT, status);
    __builtin_unreachable();
}

void *memcpy(void *to, const void *from, u32 size)
{
    copy(to, from, size);
    return to;
}
void *memset(void *to, int value, u32 size)
{
    fill(to, value, size);
    return to;
}
void *memmove(void *to, const void *from, u32 size)
{
    if ((u8 *)to <= (const u8 *)from || (u8 *)to >= (const u8 *)from + size)
        return memcpy(to, from, size);
    for (u8 *out = to; size; size--)
        out[size - 1] = ((const u8 *)from)[size - 1];
    return to;
}
void __aeabi_memcpy(void *to, const void *from, u32 size) { copy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, u32 size) { copy(to, from, size); }
void __aeabi_memcpy8(void *to, const void *from, u32 size) { copy(to, from, size); }
void __aeabi_memset(void *to, u32 size, int value) { fill(to, value, size); }
void __aeabi_memclr(void *to, u32 size) { fill(to, 0, size); }
void __aeabi_memclr4(void *to, u32 size) { fill(to, 0, size); }
void __aeabi_memclr8(void *to, u32 size) { fill(to, 0, size); }
