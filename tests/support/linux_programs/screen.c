/* screen [show | draw | liar]: the frame buffer. `show` draws red above, waits until somebody has drawn below (a message from "other"
   if there is such a channel), flushes, and tells what it sees; `draw` draws green below; `liar` asks for what there is not. */
#include "ulib.h"

enum { WIDTH = 320, HEIGHT = 240, SIZE = WIDTH * HEIGHT * 2, RED = 0xf800, GREEN = 0x07e0 };
enum { IOCTL = 54, GET_VARIABLE = 0x4600, GET_FIXED = 0x4602, PAN = 0x4606, SYNC = 0x40044620 };
enum { XRES, YRES, XOFFSET = 4, YOFFSET, BITS };

static u32 variable[40], fixed[17];

static int control(int file, u32 request, void *what) { return call(IOCTL, file, request, what); }

static u16 *map(int file)
{
    void *pixels = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    must((u32)pixels < 0xfffff000u, "mmap");
    return pixels;
}

static void fill(u16 *pixels, int from, int to, u16 colour)
{
    for (int at = from * WIDTH; at < to * WIDTH; at++)
        pixels[at] = colour;
}

static int show(int file)
{
    u16 *pixels = map(file), word;
    char message[64];
    say("variable", control(file, GET_VARIABLE, variable));
    say("fixed", control(file, GET_FIXED, fixed));
    printf("%d x %d, %d bits, line of %d bytes, %d bytes\n", variable[XRES], variable[YRES], variable[BITS], fixed[11], fixed[5]);
    fill(pixels, 0, 120, RED);
    int other = open("/dev/channel/other", O_RDWR, 0);
    if (other >= 0)
        say("told", read(other, message, sizeof message));
    say("pan", control(file, PAN, variable));
    say("sync", control(file, SYNC, &word));
    say("seek", lseek(file, 120 * WIDTH * 2, SEEK_SET));
    read(file, &word, 2);
    printf("below: %04x by read, %04x in the mapping\n", word, pixels[120 * WIDTH]);
    word = 0x001f; /* a blue line, by write and a flush of that line alone */
    lseek(file, 239 * WIDTH * 2, SEEK_SET);
    for (int at = 0; at < WIDTH; at++)
        write(file, &word, 2);
    say("behind the end", write(file, &word, 2));
    variable[YOFFSET] = 239, variable[YRES] = 1;
    say("pan", control(file, PAN, variable));
    say("sync", control(file, SYNC, &word));
    if (other >= 0)
        say("tell", write(other, "seen", 4));
    printf("shown\n");
    sleep_ms(1000); /* when it ends, its part of the screen becomes dark */
    return failures;
}

static int draw(int file)
{
    u16 *pixels = map(file);
    char message[64];
    fill(pixels, 120, 240, GREEN);
    say("pan without a display", control(file, PAN, variable));
    int show = open("/dev/channel/ui", O_RDWR, 0);
    say("tell", write(show, "drawn", 5));
    say("told", read(show, message, sizeof message));
    printf("above: %04x, last: %04x\n", pixels[0], pixels[239 * WIDTH]);
    return failures;
}

static int liar(int file)
{
    char name[4];
    int status, child = fork();
    if (!child) { /* in a child: what it does with the mapping may be its end */
        volatile u16 *pixels = mmap(0, 1 << 20, PROT_READ, MAP_SHARED, file, 0);
        printf("read %04x\n", pixels[0]);
        say("beyond the screen", pixels[(160 << 10) / 2]);
        exit(0);
    }
    status = wait_for(child);
    printf("ended by signal %d\n", status & 0x7f);
    say("to execute", (int)mmap(0, SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0));
    say("a bad pointer", control(file, GET_VARIABLE, (void *)0xdead0000));
    say("none", control(file, PAN, 0));
    control(file, GET_VARIABLE, variable);
    variable[YOFFSET] = 0x80000000;
    say("far below", control(file, PAN, variable));
    variable[YOFFSET] = 200, variable[YRES] = 0xffffffff;
    say("very high", control(file, PAN, variable));
    say("unknown", control(file, 0x46ff, variable));
    say("seek", lseek(file, -1, SEEK_SET));
    say("far seek", lseek(file, 0x7fffffff, SEEK_SET));
    say("read there", read(file, name, 4));
    say("write there", write(file, name, 4));
    int reader = open("/dev/fb0", O_RDONLY, 0);
    say("to write what was opened to read", (int)mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0));
    void *private = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0);
    *(volatile u16 *)private = 0x1234;
    lseek(reader, 0, SEEK_SET);
    u16 word = 1;
    read(reader, &word, 2);
    printf("a private write is private: %04x\n", word);
    return failures;
}

int main(int count, char **arguments, char **environment)
{
    int file = open("/dev/fb0", O_RDWR, 0);
    (void)environment;
    must(file >= 0, "open");
    const char *what = count > 1 ? arguments[1] : "show";
    return *what == 's' ? show(file) : *what == 'd' ? draw(file) : liar(file);
}
