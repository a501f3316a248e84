/* A PPM or PGM becomes a JPEG: 16 x 16 pixels at a time, four blocks of brightness and one of each colour (T.81, annexes F.1 and A.2). */
#include "jpeg.h"

static struct out *out;
static struct bits_out bits;
static u8 divisors[2][64];
static u16 codes[2][256];
static u8 sizes[2][256]; /* of DC and AC symbols */
static s32 before[3];
static u32 width, height, planes;

static void word_out(u32 value)
{
    byte_out(out, (int)(value >> 8));
    byte_out(out, (int)(value & 255));
}

static void codes_of(const u8 counts[16], const u8 *symbols, int which)
{
    u32 code = 0;
    for (u32 size = 1; size <= 16; size++, code <<= 1)
        for (u32 i = 0; i < counts[size - 1]; i++, symbols++) {
            codes[which][*symbols] = (u16)code++;
            sizes[which][*symbols] = (u8)size;
        }
}

static void segment(u32 marker, u32 size)
{
    word_out(marker);
    word_out(size + 2);
}

static void headers(u32 quality)
{
    u32 scale = quality < 50 ? 5000 / MAX(quality, 1) : 200 - 2 * MIN(quality, 100); /* as IJG's library scales */
    u32 tables = planes == 3 ? 2 : 1;
    word_out(0xffd8);
    for (u32 t = 0; t < tables; t++) {
        segment(0xffdb, 65);
        byte_out(out, (int)t);
        for (int i = 0; i < 64; i++) {
            u32 value = (quantisers[t][zigzag[i]] * scale + 50) / 100;
            divisors[t][zigzag[i]] = (u8)MAX(1, MIN(255, value));
            byte_out(out, divisors[t][zigzag[i]]);
        }
    }
    segment(0xffc0, 6 + 3 * planes);
    byte_out(out, 8);
    word_out(height);
    word_out(width);
    byte_out(out, (int)planes);
    for (u32 i = 0; i < planes; i++) {
        byte_out(out, (int)i + 1);
        byte_out(out, i || planes == 1 ? 0x11 : 0x22);
        byte_out(out, i > 0);
    }
    segment(0xffc4, 1 + 16 + sizeof dc_symbols);
    byte_out(out, 0);
    bytes_out(out, dc_counts, 16);
    bytes_out(out, dc_symbols, sizeof dc_symbols);
    segment(0xffc4, 1 + 16 + sizeof ac_symbols);
    byte_out(out, 0x10);
    bytes_out(out, ac_counts, 16);
    bytes_out(out, ac_symbols, sizeof ac_symbols);
    segment(0xffda, 4 + 2 * planes);
    byte_out(out, (int)planes);
    for (u32 i = 0; i < planes; i++)
        word_out((i + 1) << 8);
    byte_out(out, 0);
    word_out(0x3f00);
    codes_of(dc_counts, dc_symbols, 0);
    codes_of(ac_counts, ac_symbols, 1);
}

static u32 bits_of(u32 value)
{
    u32 size = 0;
    for (; value; value >>= 1)
        size++;
    return size;
}

/* A symbol, and the value's own bits: negative ones less 1 (F.1.2.1). */
static void coded(int table, u32 run, s32 value)
{
    u32 size = bits_of((u32)(value < 0 ? -value : value)), symbol = run << 4 | size;
    put_bits(&bits, codes[table][symbol], sizes[table][symbol]);
    if (size)
        put_bits(&bits, (u32)(value < 0 ? value - 1 : value), size);
}

static void block_out(s16 block[64], int component)
{
    const u8 *divisor = divisors[component > 0];
    u32 run = 0;
    dct(block);
    for (int i = 0; i < 64; i++) {
        int place = zigzag[i], by = divisor[place], value = block[place];
        value = value < 0 ? -((-value + by / 2) / by) : (value + by / 2) / by;
        if (!i) {
            coded(0, 0, value - before[component]);
            before[component] = value;
        } else if (!value) {
            run++;
        } else {
            for (; run > 15; run -= 16)
                put_bits(&bits, codes[1][0xf0], sizes[1][0xf0]);
            coded(1, run, value);
            run = 0;
        }
    }
    if (run)
        put_bits(&bits, codes[1][0], sizes[1][0]);
}

/* Planes of a band of rows, brightness and two colours at full size, edges repeated; then blocks of them. */
static s16 *plane[3];
static u32 stride;

static void convert(const u8 *row, u32 y)
{
    for (u32 x = 0; x < stride; x++) {
        const u8 *p = row + MIN(x, width - 1) * planes;
        u32 at = y * stride + x;
        if (planes == 1) {
            plane[0][at] = (s16)(p[0] - 128);
            continue;
        }
        s32 r = p[0], g = p[1], b = p[2]; /* the weights of JFIF, times 2^16 */
        plane[0][at] = (s16)(((19595 * r + 38470 * g + 7471 * b + 32768) >> 16) - 128);
        plane[1][at] = (s16)((-11059 * r - 21709 * g + 32768 * b + 32767) >> 16);
        plane[2][at] = (s16)((32768 * r - 27439 * g - 5329 * b + 32767) >> 16);
    }
}

static void whole_block(int component, u32 x, u32 y)
{
    s16 block[64];
    for (u32 i = 0; i < 64; i++)
        block[i] = plane[component][(y + i / 8) * stride + x + i % 8];
    block_out(block, component);
}

static void halved_block(int component, u32 x)
{
    s16 block[64];
    for (u32 i = 0; i < 64; i++) {
        const s16 *p = plane[component] + i / 8 * 2 * stride + x + i % 8 * 2;
        block[i] = (s16)((p[0] + p[1] + p[stride] + p[stride + 1] + 2) >> 2);
    }
    block_out(block, component);
}

static u32 header_number(struct in *in)
{
    int byte = byte_in(in);
    u32 value = 0;
    while (byte == ' ' || byte == '\n')
        byte = byte_in(in);
    for (; byte >= '0' && byte <= '9'; byte = byte_in(in))
        value = value * 10 + (u32)(byte - '0');
    return value;
}

void encode(const char *from, const char *to, u32 quality)
{
    struct in *in = reader(from);
    int letter = byte_in(in), digit = byte_in(in);
    planes = digit == '6' ? 3 : 1;
    width = header_number(in);
    height = header_number(in);
    if (letter != 'P' || (digit != '5' && digit != '6') || header_number(in) != 255 || !width || !height || width > 8192 || height > 8192)
        fail("not a PGM or PPM of 8 bits");
    u32 band = planes == 3 ? 16 : 8;
    stride = (width + band - 1) / band * band;
    u8 *row = room(width * planes);
    for (u32 i = 0; i < planes; i++)
        plane[i] = room(stride * band * sizeof(s16));
    out = writer(to);
    bits = (struct bits_out){out, 0, 0, 1};
    headers(quality);
    for (u32 top = 0; top < height; top += band) {
        for (u32 y = 0; y < band; y++) {
            if (top + y < height && bytes_in(in, row, width * planes) != width * planes)
                fail("the picture ends early");
            convert(row, y);
        }
        for (u32 x = 0; x < stride; x += band) {
            for (u32 i = 0; i < (planes == 3 ? 4 : 1); i++)
                whole_block(0, x + i % 2 * 8, i / 2 * 8);
            for (int i = 1; i < (int)planes; i++)
                halved_block(i, x);
        }
    }
    put_rest(&bits);
    word_out(0xffd9);
    finish(out);
}
