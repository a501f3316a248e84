/* tiff bw|dither|median IN.ppm OUT.tif: uncompressed TIFF 6.0, little-endian, of a picture: shades of gray as tiff2bw makes them (weights of
   libtiff's tool: 28, 59, 11 percent), one bit a pixel by Floyd and Steinberg as tiffdither, or a palette of 256 by Heckbert's median cut as
   tiffmedian. What MiBench converts is TIFF; here a PPM or PGM goes in. */
#include "kit.h"

static struct in *in;
static struct out *out;
static u32 width, height, planes;

static u32 header_number(void)
{
    int byte = byte_in(in);
    u32 value = 0;
    while (byte == ' ' || byte == '\n')
        byte = byte_in(in);
    for (; byte >= '0' && byte <= '9'; byte = byte_in(in))
        value = value * 10 + (u32)(byte - '0');
    return value;
}

static void open_picture(const char *path)
{
    in = reader(path);
    int letter = byte_in(in), digit = byte_in(in);
    planes = digit == '6' ? 3 : 1;
    width = header_number();
    height = header_number();
    if (letter != 'P' || (digit != '5' && digit != '6') || header_number() != 255 || !width || !height || width > 8192 || height > 8192)
        fail("not a PGM or PPM of 8 bits");
}

static void read_row(u8 *to)
{
    if (bytes_in(in, to, width * planes) != width * planes)
        fail("the picture ends early");
}

static void word_out(u32 value, int bytes)
{
    for (; bytes; bytes--, value >>= 8)
        byte_out(out, (int)(value & 255));
}

/* The directory stands ahead of the picture, so that rows can be written as they come: 8 bytes, a count, ten entries, a 0. */
enum { ENTRIES = 10, PALETTE = 8 + 2 + ENTRIES * 12 + 4 };
static void header(const char *path, u32 bits, u32 row, u32 photometric)
{
    u32 data = PALETTE + (photometric == 3 ? 3 * 256 * 2 : 0);
    const u32 entries[ENTRIES][3] = {
        {256, 4, width}, {257, 4, height}, {258, 3, bits}, {259, 3, 1}, {262, 3, photometric}, {273, 4, data}, {277, 3, 1},
        {278, 4, height}, {279, 4, row * height}, {photometric == 3 ? 320 : 284, 3, photometric == 3 ? PALETTE : 1},
    };
    out = writer(path);
    text_out(out, "II*");
    word_out(0, 1);
    word_out(8, 4);
    word_out(ENTRIES, 2);
    for (u32 i = 0; i < ENTRIES; i++) {
        word_out(entries[i][0], 2);
        word_out(entries[i][1], 2);
        word_out(entries[i][0] == 320 ? 3 * 256 : 1, 4);
        word_out(entries[i][2], 4);
    }
    word_out(0, 4);
}

static u32 gray_of(const u8 *pixel) { return planes == 1 ? pixel[0] : (pixel[0] * 28 + pixel[1] * 59 + pixel[2] * 11) / 100; }

static void to_gray(const char *path)
{
    u8 *row = room(width * planes), *gray = room(width);
    header(path, 8, width, 1);
    for (u32 y = 0; y < height; y++) {
        read_row(row);
        for (u32 x = 0; x < width; x++)
            gray[x] = (u8)gray_of(row + x * planes);
        bytes_out(out, gray, width);
    }
}

static void to_dither(const char *path)
{
    u8 *row = room(width * planes);
    s32 *here = room((width + 2) * sizeof *here), *below = room((width + 2) * sizeof *below);
    header(path, 1, (width + 7) / 8, 1);
    for (u32 y = 0; y < height; y++) {
        u32 bits = 0;
        read_row(row);
        for (u32 x = 0; x < width; x++) {
            s32 wanted = (s32)gray_of(row + x * planes) + here[x + 1] / 16, white = wanted > 127, error = wanted - white * 255;
            here[x + 2] += 7 * error;
            below[x] += 3 * error;
            below[x + 1] += 5 * error;
            below[x + 2] += error;
            bits = bits << 1 | (u32)white;
            if ((x & 7) == 7 || x + 1 == width)
                byte_out(out, (int)(bits << (7 - (x & 7)) & 255));
        }
        s32 *done = here;
        here = below;
        below = done;
        fill(below, 0, (width + 2) * sizeof *below);
    }
}

/* Colours by their upper five bits: a histogram of 32768, boxes of it, the fullest cut at its median along its longest side. */
enum { COLOURS = 256 };
struct box {
    u8 low[3], high[3];
    u32 count;
};
static u32 *histogram;
static struct box boxes[COLOURS];
static u32 made;

static u32 cell(const u32 at[3]) { return at[0] << 10 | at[1] << 5 | at[2]; }

static void counts_along(const struct box *box, int axis, u32 counts[32])
{
    u32 at[3];
    for (at[0] = box->low[0]; at[0] <= box->high[0]; at[0]++)
        for (at[1] = box->low[1]; at[1] <= box->high[1]; at[1]++)
            for (at[2] = box->low[2]; at[2] <= box->high[2]; at[2]++)
                counts[at[axis]] += histogram[cell(at)];
}

static void shrink(struct box *box)
{
    box->count = 0;
    for (int axis = 0; axis < 3; axis++) {
        u32 counts[32] = {0};
        counts_along(box, axis, counts);
        while (box->low[axis] < box->high[axis] && !counts[box->low[axis]])
            box->low[axis]++;
        while (box->low[axis] < box->high[axis] && !counts[box->high[axis]])
            box->high[axis]--;
        if (axis == 2)
            for (u32 i = 0; i < 32; i++)
                box->count += counts[i];
    }
}

static int cut(void)
{
    struct box *box = 0;
    for (u32 i = 0; i < made; i++) {
        struct box *b = boxes + i;
        if ((b->low[0] < b->high[0] || b->low[1] < b->high[1] || b->low[2] < b->high[2]) && (!box || b->count > box->count))
            box = b;
    }
    if (!box)
        return 0;
    int axis = 0;
    for (int i = 1; i < 3; i++)
        if (box->high[i] - box->low[i] > box->high[axis] - box->low[axis])
            axis = i;
    u32 counts[32] = {0}, sum = 0, at = box->low[axis];
    counts_along(box, axis, counts);
    while ((sum += counts[at]) * 2 < box->count && at + 1u < box->high[axis])
        at++;
    boxes[made] = *box;
    box->high[axis] = (u8)at;
    boxes[made].low[axis] = (u8)(at + 1);
    shrink(box);
    shrink(boxes + made++);
    return 1;
}

static void to_palette(const char *path)
{
    u8 *all = room(width * height * 3), *nearest;
    histogram = room(32768 * sizeof *histogram);
    nearest = room(32768);
    for (u32 y = 0; y < height; y++) {
        u8 *row = all + y * width * 3;
        read_row(row);
        for (u32 x = planes == 1 ? width : 0; x-- > 0;) /* gray: three times, from the end */
            row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = row[x];
        for (u32 x = 0; x < width; x++)
            histogram[(u32)(row[3 * x] >> 3) << 10 | (u32)(row[3 * x + 1] >> 3) << 5 | row[3 * x + 2] >> 3]++;
    }
    boxes[made++] = (struct box){{0, 0, 0}, {31, 31, 31}, 0};
    shrink(boxes);
    while (made < COLOURS && cut())
        continue;
    header(path, 8, width, 3);
    for (int c = 0; c < 3; c++)
        for (u32 i = 0; i < COLOURS; i++)
            word_out(i < made ? (u32)(boxes[i].low[c] + boxes[i].high[c] + 1) * 4 * 257 : 0, 2);
    for (u32 i = 0; i < made; i++) {
        u32 at[3];
        for (at[0] = boxes[i].low[0]; at[0] <= boxes[i].high[0]; at[0]++)
            for (at[1] = boxes[i].low[1]; at[1] <= boxes[i].high[1]; at[1]++)
                for (at[2] = boxes[i].low[2]; at[2] <= boxes[i].high[2]; at[2]++)
                    nearest[cell(at)] = (u8)i;
    }
    for (u32 i = 0; i < width * height; i++)
        byte_out(out, nearest[(u32)(all[3 * i] >> 3) << 10 | (u32)(all[3 * i + 1] >> 3) << 5 | all[3 * i + 2] >> 3]);
}

int app(int count, char **arguments)
{
    if (count != 4)
        fail("tiff bw|dither|median IN.ppm OUT.tif");
    open_picture(arguments[2]);
    if (same(arguments[1], "bw"))
        to_gray(arguments[3]);
    else if (same(arguments[1], "dither"))
        to_dither(arguments[3]);
    else if (same(arguments[1], "median"))
        to_palette(arguments[3]);
    else
        fail("tiff: bw, dither or median");
    finish(out);
    return 0;
}
