/* Pictures of the menu and the status bar, drawn by code. A menu icon is a tile of 56 x 56 pixels; coordinates of lines are halves. */
#include "phone.h"

#define WHITE 0xffffff

static void bounce(int x, int y)
{
    round_fill((struct area){x + 12, y + 41, 32, 3}, 1, 0x7a2d10);
    disc(x + 33, y + 22, 24, 0xfff1e0);
    disc(x + 30, y + 19, 8, WHITE);
    for (int i = 0; i < 3; i++)
        line(2 * x + 22 + 6 * i, 2 * y + 74 - 12 * i, 2 * x + 28 + 6 * i, 2 * y + 66 - 12 * i, 2, 0xffd9b0);
}

static void film(int x, int y)
{
    round_fill((struct area){x + 10, y + 15, 36, 28}, 3, 0x1d1030);
    for (int i = 0; i < 6; i++) {
        fill((struct area){x + 12 + 6 * i, y + 17, 3, 3}, WHITE);
        fill((struct area){x + 12 + 6 * i, y + 38, 3, 3}, WHITE);
    }
    triangle((int[6]){x + 22, y + 22, x + 22, y + 36, x + 36, y + 29}, WHITE);
}

static void clock(int x, int y)
{
    disc(x + 28, y + 28, 38, WHITE);
    ring(x + 28, y + 28, 38, 4, 0x14485c);
    line(2 * x + 56, 2 * y + 56, 2 * x + 56, 2 * y + 32, 3, 0x14485c);
    line(2 * x + 56, 2 * y + 56, 2 * x + 72, 2 * y + 64, 3, 0x14485c);
    disc(x + 28, y + 28, 5, 0xd64541);
}

/* A bow with two ends, leaning to the left; its ends are `size` from the middle. */
void draw_handset(int x, int y, u32 size, colour colour)
{
    static const signed char bow[] = {-13, -11, -11, -2, -3, 9, 9, 13};
    int step = (int)size;
    for (u32 i = 0; i + 2 < sizeof bow; i += 2)
        line(2 * x + bow[i] * step / 8, 2 * y + bow[i + 1] * step / 8, 2 * x + bow[i + 2] * step / 8, 2 * y + bow[i + 3] * step / 8,
             size * 3 / 4, colour);
    line(2 * x - 12 * step / 8, 2 * y - 12 * step / 8, 2 * x - 6 * step / 8, 2 * y - 7 * step / 8, size, colour);
    line(2 * x + 7 * step / 8, 2 * y + 8 * step / 8, 2 * x + 12 * step / 8, 2 * y + 12 * step / 8, size, colour);
}

static void dial(int x, int y) { draw_handset(x + 28, y + 28, 14, WHITE); }

static void list(int x, int y)
{
    round_fill((struct area){x + 12, y + 10, 32, 36}, 3, 0xfdf6e3);
    for (int i = 0; i < 4; i++) {
        disc(x + 18, y + 17 + 8 * i, 5, i == 1 ? 0xd64541 : 0x2e8b57);
        fill((struct area){x + 23, y + 16 + 8 * i, i == 2 ? 12 : 17, 2}, 0x8a7f6a);
    }
}

static void about(int x, int y)
{
    disc(x + 28, y + 28, 38, WHITE);
    disc(x + 28, y + 19, 6, 0x34495e);
    line(2 * x + 56, 2 * y + 52, 2 * x + 56, 2 * y + 74, 5, 0x34495e);
}

static const struct {
    colour top, bottom;
    void (*draw)(int x, int y);
} icons[] = {
    [ICON_BOUNCE] = {0xf7a14b, 0xd9541e, bounce}, [ICON_FILM] = {0xa46be0, 0x5a2ea6, film}, [ICON_CLOCK] = {0x4fc3d9, 0x1c7c9c, clock},
    [ICON_DIAL] = {0x5fd068, 0x1f8f3a, dial},     [ICON_LOG] = {0xf2d14e, 0xc9961a, list},  [ICON_ABOUT] = {0x8fa3b8, 0x4d6073, about},
};

void icon(u32 which, int x, int y, int pressed)
{
    colour top = icons[which].top, bottom = icons[which].bottom;
    round_fill((struct area){x + 1, y + 3, 56, 56}, 12, 0x050b18);
    round_gradient((struct area){x, y, 56, 56}, 12, pressed ? mix(top, 0, 90) : mix(top, WHITE, 40), pressed ? mix(bottom, 0, 90) : bottom);
    icons[which].draw(x, y);
}

void draw_signal(int x, int y, u32 level, int there)
{
    for (int i = 0; i < 4; i++)
        fill((struct area){x + 5 * i, y + 9 - 3 * i, 4, 3 + 3 * i}, !there ? 0x7a2f36 : (u32)i < level ? 0x7fe08a : 0x4a5568);
}

void draw_battery(int x, int y, u32 percent)
{
    round_fill((struct area){x, y, 22, 11}, 2, 0xc8d2e0);
    fill((struct area){x + 22, y + 3, 2, 5}, 0xc8d2e0);
    fill((struct area){x + 1, y + 1, 20, 9}, 0x101828);
    fill((struct area){x + 2, y + 2, (int)(18 * percent / 100), 7}, percent > 20 ? 0x7fe08a : 0xff5c57);
}

void draw_camera(int x, int y, colour colour)
{
    round_fill((struct area){x, y + 2, 16, 10}, 2, colour);
    fill((struct area){x + 5, y, 6, 3}, colour);
    disc(x + 8, y + 7, 7, 0x101828);
    disc(x + 8, y + 7, 4, colour);
}
