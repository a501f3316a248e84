/* sectors: reads and writes /dev/blk0 at any place and length, by several processes, one of which is killed on the way. */
#include "ulib.h"

enum { SIZE = 20000, SPACE = 40000, PLACE = 1234567, CHUNK = 777 };
static u8 wanted[SPACE], found[SPACE];

static u32 random = 1;
static u32 next(u32 limit)
{
    random = random * 1103515245 + 12345;
    return (random >> 8) % limit;
}

static int read_at(int file, void *to, u32 size, u32 place)
{
    lseek(file, (int)place, SEEK_SET);
    return read(file, to, size);
}

static int write_at(int file, const void *from, u32 size, u32 place)
{
    lseek(file, (int)place, SEEK_SET);
    return write(file, from, size);
}

static void any_range(int file)
{
    read_at(file, wanted, SPACE, PLACE);
    for (u32 i = 0; i < 30; i++) {
        u32 at = next(SPACE - 1), size = 1 + next(i % 3 ? 600 : SPACE - at - 1);
        if (size > SPACE - at)
            size = SPACE - at;
        memset(wanted + at, (int)i + 'A', size);
        must(write_at(file, wanted + at, size, PLACE + at) == (int)size, "a write is whole");
        at = next(SPACE - 1), size = 1 + next(SPACE - at);
        must(read_at(file, found, size, PLACE + at) == (int)size, "a read is whole");
        must(!memcmp(found, wanted + at, size), "what was written is read");
    }
    must(read_at(file, found, SPACE, PLACE) == SPACE && !memcmp(found, wanted, SPACE), "all of it");
}

/* Some readers at a time: each finds the same; one is killed while it waits. */
static void together(void)
{
    int children[4], status, file;
    for (u32 i = 0; i < COUNT(children); i++) {
        children[i] = fork();
        if (children[i])
            continue;
        file = open("/dev/blk0", O_RDONLY, 0); /* with an offset of its own */
        for (u32 at = 0; at < SIZE || !i; at += CHUNK) { /* the first one for ever */
            must(read_at(file, found, CHUNK, PLACE + at % SIZE) == CHUNK, "a read is whole");
            must(!memcmp(found, wanted + at % SIZE, CHUNK), "the same for all");
        }
        exit(failures);
    }
    sleep_ms(3);
    kill(children[0], SIGKILL);
    for (u32 i = 0; i < COUNT(children); i++) {
        status = wait_for(children[i]);
        must(status == (i ? 0 : SIGKILL), "its end");
    }
}

static void ends(int file)
{
    struct stat stat;
    u8 byte;
    int size = lseek(file, 0, SEEK_END);
    say("bytes", size);
    say("fstat", fstat(file, &stat));
    must((int)stat.size == size && (stat.mode & S_IFMT) == 0060000, "size and kind");
    say("read at the end", read(file, &byte, 1));
    say("write at the end", write(file, &byte, 1));
    say("the last byte", read_at(file, &byte, 100, (u32)size - 1));
    say("a bad pointer", read_at(file, (void *)0xc0000000, 100, 0));
    say("half of it bad", write_at(file, (void *)0xbffffff0, 100, 0));
}

int main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    int file = open("/dev/blk0", O_RDWR, 0);
    say("open", file);
    ends(file);
    any_range(file);
    say("one after another", failures);
    together();
    say("together", failures);
    return failures;
}
