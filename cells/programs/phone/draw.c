/* Rectangles and round shapes. A soft edge is found by counting which of 16 points of a pixel lie inside: no square root, no table. */
#include "draw.h"

u16 *screen;
const struct area whole_screen = {0, 0, SCREEN_WIDTH, SCREEN_HEIGHT};
static int left, top, right = SCREEN_WIDTH, bottom = SCREEN_HEIGHT;

static int larger(int one, int other) { return one > other ? one : other; }
static int smaller(int one, int other) { return one < other ? one : other; }

void clip(struct area to)
{
    left = larger(to.x, 0), top = larger(to.y, 0);
    right = smaller(to.x + to.width, SCREEN_WIDTH), bottom = smaller(to.y + to.height, SCREEN_HEIGHT);
}

colour mix(colour one, colour other, u32 part)
{
    u32 rest = 256 - part;
    u32 red_blue = ((one & 0xff00ff) * rest + (other & 0xff00ff) * part) >> 8 & 0xff00ff;
    return red_blue | (((one & 0xff00) * rest + (other & 0xff00) * part) >> 8 & 0xff00);
}

static u16 pixel_of(colour colour) { return (u16)((colour >> 8 & 0xf800) | (colour >> 5 & 0x7e0) | (colour >> 3 & 0x1f)); }

static colour colour_of(u16 pixel)
{
    u32 red = pixel >> 11, green = pixel >> 5 & 63, blue = pixel & 31;
    return (red << 3 | red >> 2) << 16 | (green << 2 | green >> 4) << 8 | (blue << 3 | blue >> 2);
}

/* `covered` of 16 parts of a pixel inside of the clip. */
static void blend(int x, int y, u32 covered, colour colour)
{
    u16 *at = screen + y * SCREEN_WIDTH + x;
    if (covered == 16)
        *at = pixel_of(colour);
    else if (covered)
        *at = pixel_of(mix(colour_of(*at), colour, covered * 16));
}

static struct area clipped(struct area area)
{
    int x = larger(area.x, left), y = larger(area.y, top);
    return (struct area){x, y, smaller(area.x + area.width, right) - x, smaller(area.y + area.height, bottom) - y};
}

void fill(struct area area, colour colour)
{
    area = clipped(area);
    u16 pixel = pixel_of(colour);
    for (int y = area.y; y < area.y + area.height; y++) {
        u16 *to = screen + y * SCREEN_WIDTH + area.x;
        for (int count = area.width; count > 0; count--)
            *to++ = pixel;
    }
}

/* Bayer's order of 4 x 4 thresholds: what 5:6:5 cannot show is spread over neighbours. */
static const u8 thresholds[4][4] = {{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};

static u32 at_most(u32 value) { return value > 255 ? 255 : value; }

static u16 dithered(colour colour, int x, int y)
{
    u32 more = thresholds[y & 3][x & 3];
    u32 red = at_most((colour >> 16) + more / 2), green = at_most((colour >> 8 & 255) + more / 4);
    return pixel_of(red << 16 | green << 8 | at_most((colour & 255) + more / 2));
}

void gradient(struct area area, colour top, colour bottom)
{
    struct area inside = clipped(area);
    for (int y = inside.y; y < inside.y + inside.height; y++) {
        colour colour = mix(top, bottom, (u32)(y - area.y) * 256 / (u32)area.height);
        u16 repeated[4], *to = screen + y * SCREEN_WIDTH;
        for (int x = 0; x < 4; x++)
            repeated[x] = dithered(colour, x, y);
        for (int x = inside.x; x < inside.x + inside.width; x++)
            to[x] = repeated[x & 3];
    }
}

/* How many of 16 points of the pixel (x, y) from a centre lie within `squared` of it; all in eighths of a pixel. */
static u32 covered_by_disc(int x, int y, int squared)
{
    u32 found = 0;
    for (int down = 1; down < 8; down += 2)
        for (int over = 1; over < 8; over += 2)
            found += (x + over) * (x + over) + (y + down) * (y + down) <= squared;
    return found;
}

static void round_shape(struct area area, u32 radius, colour top, colour bottom, int flat)
{
    struct area inside = clipped(area);
    int round = (int)radius, squared = round * round * 64;
    for (int y = inside.y; y < inside.y + inside.height; y++) {
        colour colour = flat ? top : mix(top, bottom, (u32)(y - area.y) * 256 / (u32)area.height);
        int up = y - area.y - round, down = y - (area.y + area.height - round);
        int from_y = up < 0 ? up : down >= 0 ? down : 0, corner = up < 0 || down >= 0;
        for (int x = inside.x; x < inside.x + inside.width; x++) {
            int before = x - area.x - round, after = x - (area.x + area.width - round);
            if (corner && (before < 0 || after >= 0))
                blend(x, y, covered_by_disc((before < 0 ? before : after) * 8, from_y * 8, squared), colour);
            else
                screen[y * SCREEN_WIDTH + x] = flat ? pixel_of(colour) : dithered(colour, x, y);
        }
    }
}

void round_gradient(struct area area, u32 radius, colour top, colour bottom) { round_shape(area, radius, top, bottom, 0); }
void round_fill(struct area area, u32 radius, colour colour) { round_shape(area, radius, colour, colour, 1); }

static void band(int x, int y, u32 radius, int inner, colour colour)
{
    int outer = (int)radius * 4, reach = (int)radius / 2 + 1, hole = inner > 0 ? inner * inner * 16 : -1;
    struct area area = clipped((struct area){x - reach, y - reach, 2 * reach, 2 * reach});
    for (int at_y = area.y; at_y < area.y + area.height; at_y++)
        for (int at_x = area.x; at_x < area.x + area.width; at_x++) {
            int over = (at_x - x) * 8, down = (at_y - y) * 8;
            u32 covered = covered_by_disc(over, down, outer * outer);
            blend(at_x, at_y, covered - (hole < 0 ? 0 : covered_by_disc(over, down, hole)), colour);
        }
}

void disc(int x, int y, u32 radius, colour colour) { band(x, y, radius, -1, colour); }
void ring(int x, int y, u32 radius, u32 width, colour colour) { band(x, y, radius, (int)(radius - width), colour); }

/* Is the point, from the line's beginning, within `width` of it? Without division: distances times the length, squared. */
static int near(int x, int y, int along_x, int along_y, int width)
{
    int length = along_x * along_x + along_y * along_y, along = x * along_x + y * along_y;
    if (along <= 0)
        return x * x + y * y <= width * width;
    if (along >= length)
        return (x - along_x) * (x - along_x) + (y - along_y) * (y - along_y) <= width * width;
    long long off = x * along_y - y * along_x;
    return off * off <= (long long)width * width * length;
}

void line(int x, int y, int to_x, int to_y, u32 width, colour colour)
{
    int reach = (int)width + 2, first_x = (smaller(x, to_x) - reach) / 2, first_y = (smaller(y, to_y) - reach) / 2;
    int last_x = (larger(x, to_x) + reach) / 2, last_y = (larger(y, to_y) + reach) / 2;
    struct area area = clipped((struct area){first_x, first_y, last_x - first_x + 1, last_y - first_y + 1});
    for (int at_y = area.y; at_y < area.y + area.height; at_y++)
        for (int at_x = area.x; at_x < area.x + area.width; at_x++) {
            u32 covered = 0; /* in eighths of a pixel from here on */
            for (int point = 0; point < 16; point++)
                covered += near(at_x * 8 + 1 + point % 4 * 2 - x * 4, at_y * 8 + 1 + point / 4 * 2 - y * 4, (to_x - x) * 4,
                                (to_y - y) * 4, (int)width * 2);
            blend(at_x, at_y, covered, colour);
        }
}

static int side(const int *from, const int *to, int x, int y)
{
    return (to[0] - from[0]) * (y - from[1]) - (to[1] - from[1]) * (x - from[0]) >= 0;
}

void triangle(const int corners[6], colour colour)
{
    int scaled[6];
    for (int i = 0; i < 6; i++)
        scaled[i] = corners[i] * 8;
    int first_x = smaller(corners[0], smaller(corners[2], corners[4])), first_y = smaller(corners[1], smaller(corners[3], corners[5]));
    int last_x = larger(corners[0], larger(corners[2], corners[4])), last_y = larger(corners[1], larger(corners[3], corners[5]));
    struct area area = clipped((struct area){first_x, first_y, last_x - first_x, last_y - first_y});
    for (int y = area.y; y < area.y + area.height; y++)
        for (int x = area.x; x < area.x + area.width; x++) {
            u32 covered = 0;
            for (int point = 0; point < 16; point++) {
                int at_x = x * 8 + 1 + point % 4 * 2, at_y = y * 8 + 1 + point / 4 * 2;
                int sides = side(scaled, scaled + 2, at_x, at_y) + side(scaled + 2, scaled + 4, at_x, at_y)
                    + side(scaled + 4, scaled, at_x, at_y);
                covered += sides == 3 || sides == 0;
            }
            blend(x, y, covered, colour);
        }
}

void draw_glyph_pixel(int x, int y, colour colour); /* for text.c, which knows no clip */
void draw_glyph_pixel(int x, int y, colour colour)
{
    if (x >= left && x < right && y >= top && y < bottom)
        screen[y * SCREEN_WIDTH + x] = pixel_of(colour);
}
