/* kit.h over the host's C library, for comparison. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "kit.h"

int open_file(const char *path, int write)
{
    int file = write ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : open(path, O_RDONLY);
    if (file < 0)
        fail(path);
    return file;
}

u32 read_some(int file, void *to, u32 size)
{
    ssize_t got = read(file, to, size);
    if (got < 0)
        fail("read");
    return (u32)got;
}

void write_some(int file, const void *from, u32 size)
{
    while (size) {
        ssize_t done = write(file, from, size);
        if (done <= 0)
            _exit(1);
        from = (const u8 *)from + done;
        size -= (u32)done;
    }
}

void close_file(int file) { close(file); }

void *more_memory(u32 size)
{
    void *got = calloc(1, size);
    if (!got)
        fail("no memory");
    return got;
}

void leave(int status) { _exit(status); }

int main(int count, char **arguments) { return app(count, arguments); }
