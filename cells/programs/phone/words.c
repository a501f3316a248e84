/* Text: proportional, from the font that all our programs share. A larger scale doubles the glyph once or twice, and each time rounds
   its stairs: a quarter of a pixel takes its two neighbours' colour where they agree and the opposite ones differ. */
#include "../font.h"
#include "draw.h"

void draw_glyph_pixel(int x, int y, colour colour);

struct glyph {
    u8 rows[FONT_ROWS];
    u8 first, width; /* columns that have ink */
};

#define SPACE_WIDTH 3
#define SIDE 5

static struct glyph glyph_of(char letter)
{
    struct glyph glyph = {.width = SPACE_WIDTH};
    u32 code = (u8)letter, ink = 0;
    if (code < FONT_FIRST || code > FONT_LAST)
        code = '?';
    memcpy(glyph.rows, font[code - FONT_FIRST], FONT_ROWS);
    for (u32 row = 0; row < FONT_ROWS; row++)
        ink |= glyph.rows[row];
    if (code >= '0' && code <= '9') { /* all as wide: a clock must not jump */
        glyph.width = SIDE;
    } else if (ink) {
        while (!(ink >> (SIDE - 1 - glyph.first) & 1))
            glyph.first++;
        glyph.width = SIDE - glyph.first;
        while (!(ink & 1))
            glyph.width--, ink >>= 1;
    }
    return glyph;
}

static int ink(const struct glyph *glyph, int x, int y, u32 doublings)
{
    if (!doublings)
        return x >= 0 && x < SIDE && y >= 0 && y < FONT_ROWS && glyph->rows[y] >> (SIDE - 1 - x) & 1;
    int half_x = x >> 1, half_y = y >> 1;
    int over = ink(glyph, half_x + (x & 1 ? 1 : -1), half_y, doublings - 1), other = ink(glyph, half_x - (x & 1 ? 1 : -1), half_y, doublings - 1);
    int down = ink(glyph, half_x, half_y + (y & 1 ? 1 : -1), doublings - 1), up = ink(glyph, half_x, half_y - (y & 1 ? 1 : -1), doublings - 1);
    if (over == down && over != up && down != other)
        return over;
    return ink(glyph, half_x, half_y, doublings - 1);
}

static u32 doublings_of(u32 scale) { return scale >= 4 ? 2 : scale >= 2 ? 1 : 0; }

void text(int x, int y, u32 scale, colour colour, const char *words)
{
    u32 doublings = doublings_of(scale);
    for (; *words; words++) {
        struct glyph glyph = glyph_of(*words);
        int from = glyph.first << doublings, width = glyph.width << doublings;
        for (int row = 0; row < FONT_ROWS << doublings; row++)
            for (int column = 0; column < width; column++)
                if (ink(&glyph, from + column, row, doublings))
                    draw_glyph_pixel(x + column, y + row, colour);
        x += width + (1 << doublings);
    }
}

u32 text_width(u32 scale, const char *words)
{
    u32 doublings = doublings_of(scale), width = 0;
    for (; *words; words++)
        width += (glyph_of(*words).width + 1u) << doublings;
    return width ? width - (1u << doublings) : 0;
}

void centred(struct area in, u32 scale, colour colour, const char *words)
{
    int width = (int)text_width(scale, words), height = 7 << doublings_of(scale);
    text(in.x + (in.width - width) / 2, in.y + (in.height - height) / 2, scale, colour, words);
}
