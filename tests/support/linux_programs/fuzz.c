/* fuzz SEED COUNT: random calls on random devices with random arguments, half of them near what makes sense. */
#include "ulib.h"

enum { IOCTL = 54, PREAD = 180, PWRITE = 181 };

static const char *const DEVICES[] = {
    "/dev/fb0", "/dev/input/event0", "/dev/blk0", "/dev/channel/other", "/dev/picture", "/dev/account", "/dev/tty", "/dev/null",
};
static const char LETTERS[] = {'F', 'E', 'T', 0x12};
static u32 state;
static u8 memory[1 << 17];

static u32 draw(u32 below)
{
    state = state * 1664525 + 1013904223;
    return below ? (state >> 8) % below : state ^ state >> 15;
}

static u32 word(void)
{
    static const u32 EDGES[] = {0, 1, 2, 0xfff, 0x1000, 153600, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff};
    return draw(2) ? EDGES[draw(COUNT(EDGES))] : draw(2) ? draw(1 << 16) : draw(0);
}

static void *pointer(void) { return draw(3) ? memory + draw(sizeof memory - 4096) : (void *)word(); }

static u32 request(void)
{
    u32 numbers[] = {draw(256), 0x40 + draw(2), 0x20 + draw(32), draw(0x12)};
    return draw(4) << 30 | (draw(2) ? draw(256) : draw(1 << 14)) << 16 | (u32)LETTERS[draw(4)] << 8 | numbers[draw(4)];
}

static void act(int file)
{
    switch (draw(8)) {
    case 0: call(IOCTL, file, draw(4) ? request() : 0x4600 + draw(24), pointer()); break;
    case 1: read(file, pointer(), draw(2) ? draw(256) : word() & 0x1ffff); break;
    case 2: write(file, pointer(), draw(2) ? draw(256) : word() & 0x1ffff); break;
    case 3: lseek(file, (int)word(), (int)draw(4)); break;
    case 4: call(PREAD, file, pointer(), draw(512), 0, word(), draw(3)); break;
    case 5: call(PWRITE, file, pointer(), draw(512), 0, word(), draw(3)); break;
    case 6: {
        u32 size = draw(2) ? 153600 : word();
        void *at = mmap(0, size, (int)draw(8), (int)draw(4), file, draw(64));
        if ((u32)at < 0xfffff000u && draw(2))
            munmap(at, size);
        break;
    }
    default: {
        struct pollfd polled = {file, (u16)draw(0), 0};
        poll(&polled, 1, 0);
    }
    }
}

int main(int count, char **arguments, char **environment)
{
    int files[COUNT(DEVICES)];
    (void)count, (void)environment;
    state = number(arguments[1]);
    for (u32 i = 0; i < COUNT(DEVICES); i++)
        files[i] = open(DEVICES[i], O_RDWR | O_NONBLOCK, 0);
    for (u32 turn = number(arguments[2]); turn; turn--)
        act(files[draw(COUNT(files))]);
    printf("done\n");
    return 0;
}
