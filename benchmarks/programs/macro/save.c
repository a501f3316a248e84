/* save make DIRECTORY: twenty files of 20 to 90 kB; save copy FROM TO COUNT: as many files, each a copy of one of these, written in pieces of
   4 KiB and brought to the medium (fsync) before the next: a camera's pictures on their way from one file system to another. */
#include "ulib.h"

enum { SOURCES = 20, SMALLEST = 20000, LARGEST = 90000, PIECE = 4096, CALL_FSYNC = 118 };
static u8 piece[PIECE];
static char path[128];

static int opened(const char *directory, u32 which, int flags)
{
    snprintf(path, sizeof path, "%s/image%u", directory, which);
    int file = open(path, flags, 0644);
    if (file < 0) {
        say(path, file);
        exit(1);
    }
    return file;
}

static void make(const char *directory)
{
    u32 state = 3;
    mkdir(directory, 0755);
    for (u32 i = 0; i < SOURCES; i++) {
        int file = opened(directory, i, O_CREAT | O_WRONLY | O_TRUNC);
        u32 size = SMALLEST + i * ((LARGEST - SMALLEST) / (SOURCES - 1));
        for (u32 done = 0; done < size; done += PIECE) {
            for (u32 k = 0; k < PIECE; k++) {
                state = state * 1664525 + 1013904223;
                piece[k] = (u8)(state >> 24);
            }
            write_all(file, piece, size - done < PIECE ? size - done : PIECE);
        }
        close(file);
    }
}

static int copy(const char *from, const char *to, u32 count)
{
    u32 bytes = 0;
    mkdir(to, 0755);
    for (u32 i = 0; i < count; i++) {
        int source = opened(from, i % SOURCES, O_RDONLY), target = opened(to, i, O_CREAT | O_WRONLY | O_TRUNC), got;
        while ((got = read(source, piece, PIECE)) > 0) {
            must(write_all(target, piece, (u32)got) == got, path);
            bytes += (u32)got;
        }
        call(CALL_FSYNC, target);
        close(source);
        close(target);
    }
    printf("%u files, %u bytes\n", count, bytes);
    return failures != 0;
}

int main(int count, char **arguments)
{
    if (count == 3 && !strcmp(arguments[1], "make"))
        return make(arguments[2]), failures != 0;
    if (count == 5 && !strcmp(arguments[1], "copy"))
        return copy(arguments[2], arguments[3], number(arguments[4]));
    printf("save make DIRECTORY | copy FROM TO COUNT\n");
    return 2;
}
