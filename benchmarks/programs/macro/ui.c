/* ui make DIRECTORY [ICONS]: pictures of an interface as files; ui load DIRECTORY [OUT]: maps each, draws it into a screen of 240 x 320 pixels of
   16 bits, blends what is half transparent, and writes the screen: what a phone's interface does when it comes up.

   A file: width, height (16 bits each), then runs: a count, an opacity of 0 to 15, a colour of 16 bits. */
#include "ulib.h"

enum { WIDTH = 240, HEIGHT = 320, ICONS = 60 };
static u16 screen[WIDTH * HEIGHT];
static char path[128];

static const char *name_of(const char *directory, u32 icon)
{
    snprintf(path, sizeof path, "%s/icon%u", directory, icon);
    return path;
}

static int opened(const char *name, int flags)
{
    int file = open(name, flags, 0644);
    must(file >= 0, name);
    if (file < 0)
        exit(1);
    return file;
}

static void make(const char *directory, u32 icons)
{
    static u8 data[65536];
    u32 state = 7;
    mkdir(directory, 0755);
    for (u32 icon = 0; icon < icons; icon++) {
        u32 wide = 16 + icon % 7 * 16, high = 16 + icon % 5 * 24, size = 4, left = wide * high;
        data[0] = (u8)wide, data[1] = 0, data[2] = (u8)high, data[3] = 0;
        while (left) {
            state = state * 1664525 + 1013904223;
            u32 run = (state >> 28) + 1;
            run = run < left ? run : left;
            left -= run;
            data[size++] = (u8)run;
            data[size++] = state >> 24 & 15;
            data[size++] = (u8)(state >> 8);
            data[size++] = (u8)(state >> 16);
        }
        int file = opened(name_of(directory, icon), O_CREAT | O_WRONLY | O_TRUNC);
        must(write_all(file, data, size) == (int)size, path);
        close(file);
    }
}

/* Red and blue in one multiplication, green in the other. */
static u16 blended(u32 under, u32 over, u32 opacity)
{
    u32 part = opacity + (opacity >> 3), rest = 16 - part;
    u32 red_blue = ((over & 0xf81f) * part + (under & 0xf81f) * rest) >> 4 & 0xf81f;
    u32 green = ((over & 0x07e0) * part + (under & 0x07e0) * rest) >> 4 & 0x07e0;
    return (u16)(red_blue | green);
}

static void draw(const u8 *data, u32 size, u32 left, u32 top)
{
    u32 wide = data[0], high = data[2], x = 0, y = 0;
    for (u32 at = 4; at + 4 <= size && y < high; at += 4)
        for (u32 run = data[at]; run && y < high; run--) {
            u32 column = left + x, row = top + y;
            if (column < WIDTH && row < HEIGHT) {
                u16 *pixel = screen + row * WIDTH + column;
                *pixel = blended(*pixel, data[at + 2] | (u32)data[at + 3] << 8, data[at + 1]);
            }
            if (++x == wide)
                x = 0, y++;
        }
}

static void load(const char *directory, const char *to)
{
    struct stat status;
    u32 sum = 0;
    for (u32 i = 0; i < WIDTH * HEIGHT; i++)
        screen[i] = (u16)(i / WIDTH / 10 << 5);
    for (u32 icon = 0; !stat(name_of(directory, icon), &status); icon++) {
        int file = opened(path, O_RDONLY);
        u8 *data = mmap(0, (u32)status.size, PROT_READ, MAP_PRIVATE, file, 0);
        close(file);
        draw(data, (u32)status.size, icon * 53 % WIDTH, icon * 31 % HEIGHT);
        munmap(data, (u32)status.size);
    }
    if (to) {
        int file = opened(to, O_CREAT | O_WRONLY);
        write_all(file, screen, sizeof screen);
        close(file);
    }
    for (u32 i = 0; i < WIDTH * HEIGHT; i++)
        sum = (sum << 5 | sum >> 27) ^ screen[i];
    printf("screen %08x\n", sum);
}

int main(int count, char **arguments)
{
    if (count > 2 && !strcmp(arguments[1], "make"))
        make(arguments[2], count > 3 ? number(arguments[3]) : ICONS);
    else if (count > 2 && !strcmp(arguments[1], "load"))
        load(arguments[2], count > 3 ? arguments[3] : 0);
    else
        return printf("ui make DIRECTORY [ICONS] | load DIRECTORY [OUT]\n"), 2;
    return failures != 0;
}
