/* The outside: frame buffer, touch screen, channels to the other cells, and two ways out of the cell (pictures, figures). Each may
   be missing: then the phone does without it. Structures and numbers: Linux's fb.h, input.h, kernel documentation. */
#include "phone.h"

#define FBIOPAN_DISPLAY 0x4606
#define FRAME_BYTES (SCREEN_WIDTH * SCREEN_HEIGHT * 2)

enum { EV_SYN, EV_KEY, EV_ABS = 3, BTN_TOUCH = 0x14a, ABS_X = 0, ABS_Y = 1 };
struct input_event {
    u32 seconds, microseconds;
    u16 type, code;
    int value;
};

/* struct fb_var_screeninfo: what of the picture is to be shown. */
struct variable {
    u32 xres, yres, xres_virtual, yres_virtual, xoffset, yoffset, rest[34];
};

static const char *const channels[PEERS] = {[PEER_BREW] = "/dev/channel/brew", [PEER_AMSS] = "/dev/channel/amss"};
static int frame_buffer = -1, touch_screen = -1, peers[PEERS] = {-1, -1}, pictures = -1, figures = -1;

static int ioctl(int file, u32 what, void *with) { return call(CALL_IOCTL, file, what, with); }

void devices_open(void)
{
    frame_buffer = open("/dev/fb0", O_RDWR, 0);
    void *mapped = mmap(0, FRAME_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, frame_buffer, 0);
    if ((u32)mapped > -4096u) {
        printf("ui: no frame buffer: %s\n", error_name((int)mapped));
        exit(1);
    }
    screen = mapped;
    touch_screen = open("/dev/input/event0", O_RDONLY | O_NONBLOCK, 0);
    pictures = open("/dev/picture", O_WRONLY, 0);
    figures = open("/dev/account", O_WRONLY, 0);
}

void flush(int line, int lines)
{
    struct variable part = {.xres = SCREEN_WIDTH, .yres = (u32)lines, .yoffset = (u32)line};
    ioctl(frame_buffer, FBIOPAN_DISPLAY, &part);
}

/* ---- the other cells */

/* A peer that is gone takes its channel with it: it is opened again when somebody wants to talk. */
static void lost(u32 peer)
{
    if (peers[peer] >= 0)
        close(peers[peer]);
    peers[peer] = -1;
    gone(peer);
}

int tell(u32 peer, u32 kind, u32 a, u32 b, u32 c, const char *text)
{
    struct message message = {kind, a, b, c, {0}};
    u32 length = strlen(text);
    memcpy(message.text, text, length < MESSAGE_TEXT ? length : MESSAGE_TEXT);
    if (peers[peer] < 0)
        peers[peer] = open(channels[peer], O_RDWR | O_NONBLOCK, 0);
    if (peers[peer] < 0)
        return peers[peer];
    int written = write(peers[peer], &message, sizeof message);
    if (written < 0 && written != -EAGAIN)
        lost(peer);
    return written == sizeof message ? 0 : written < 0 ? written : -EIO;
}

int hear(u32 peer, struct message *to)
{
    if (peers[peer] < 0)
        return 0;
    int length = read(peers[peer], to, sizeof *to);
    if (length == sizeof *to)
        return 1;
    if (length < 0 && length != -EAGAIN && length != -EINTR)
        lost(peer);
    return 0; /* what is no message is dropped */
}

/* ---- the touch screen: what has changed up to a SYN is one thing */

static int event(const struct input_event *event, struct touch *pen)
{
    if (event->type == EV_ABS)
        *(event->code == ABS_X ? &pen->x : &pen->y) = event->value;
    if (event->type == EV_KEY && event->code == BTN_TOUCH) {
        pen->changed = pen->down != event->value;
        pen->down = event->value;
    }
    return event->type == EV_SYN;
}

int touched(struct touch *pen)
{
    struct input_event next;
    pen->changed = 0;
    while (touch_screen >= 0 && read(touch_screen, &next, sizeof next) == sizeof next)
        if (event(&next, pen))
            return 1;
    return 0;
}

void wait_for_anything(u32 milliseconds)
{
    struct pollfd files[PEERS + 1];
    u32 count = 0;
    const int all[] = {touch_screen, peers[PEER_BREW], peers[PEER_AMSS]};
    for (u32 i = 0; i < COUNT(all); i++)
        if (all[i] >= 0)
            files[count++] = (struct pollfd){all[i], POLLIN, 0};
    poll(files, count, (int)milliseconds);
}

/* ---- out of the cell */

/* The picture is what this process sees in the pages that it shares with the others. */
int take_picture(void) { return pictures < 0 ? pictures : write_all(pictures, screen, FRAME_BYTES); }

void account(const char *name, u32 value)
{
    char line[40];
    int length = snprintf(line, sizeof line, "%s %u\n", name, value);
    if (figures >= 0)
        write(figures, line, (u32)length);
}
