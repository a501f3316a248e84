/* A baseline JPEG becomes a PPM or PGM (T.81, annex F.2): sequential, Huffman, 8 bits, one or three components, sampled once or twice. */
#include "jpeg.h"

struct table {
    const u8 *symbols;
    s32 last[17]; /* the greatest code of each size, or -1 */
    s32 offset[17]; /* from a code to its symbol */
};
static struct table tables[2][4];
static struct component {
    u32 wide, high, quantiser, dc, ac, stride;
    s32 before;
    u8 *samples;
} component[3];
static const u8 *at, *end;
static u16 multipliers[4][64];
static u32 width, height, planes, widest, highest, restart;
static struct bits_in bits;

static u32 byte(void)
{
    if (at >= end)
        fail("the JPEG ends early");
    return *at++;
}
static u32 word(void)
{
    u32 high = byte();
    return high << 8 | byte();
}

static void huffman(const u8 *stop)
{
    while (at < stop) {
        u32 which = byte(), code = 0, total = 0;
        struct table *table = &tables[which >> 4 & 1][which & 3];
        const u8 *counts = at;
        if (end - at < 16)
            fail("a table ends early");
        at += 16;
        for (u32 size = 1; size <= 16; size++, code <<= 1) {
            table->offset[size] = (s32)total - (s32)code;
            code += counts[size - 1];
            total += counts[size - 1];
            table->last[size] = counts[size - 1] ? (s32)code - 1 : -1;
        }
        table->symbols = at;
        if (total > (u32)(end - at))
            fail("a table ends early");
        at += total;
    }
}

static void quantiser(const u8 *stop)
{
    while (at < stop) {
        u32 which = byte();
        for (int i = 0; i < 64; i++)
            multipliers[which & 3][zigzag[i]] = (u16)(which >> 4 ? word() : byte());
    }
}

static void frame(void)
{
    if (byte() != 8)
        fail("not 8 bits");
    height = word();
    width = word();
    planes = byte();
    if (!width || !height || width > 8192 || height > 8192 || (planes != 1 && planes != 3))
        fail("a size or number of components that is not for us");
    for (u32 i = 0; i < planes; i++) {
        byte();
        u32 sampling = byte();
        component[i].wide = planes == 1 ? 1 : sampling >> 4;
        component[i].high = planes == 1 ? 1 : sampling & 15;
        component[i].quantiser = byte() & 3;
        if (component[i].wide - 1 > 1 || component[i].high - 1 > 1)
            fail("sampled otherwise than once or twice");
        widest = MAX(widest, component[i].wide);
        highest = MAX(highest, component[i].high);
    }
}

static void scan(void)
{
    u32 count = byte();
    if (count != planes)
        fail("not one scan of all components");
    for (u32 i = 0; i < count; i++) {
        byte();
        u32 chosen = byte();
        component[i].dc = chosen >> 4 & 3;
        component[i].ac = chosen & 3;
    }
    at += 3;
}

/* Segments up to the scan's data. */
static void segments(void)
{
    if (word() != 0xffd8)
        fail("not a JPEG");
    for (;;) {
        u32 marker = word(), size = word();
        const u8 *stop = at + size - 2;
        if (size < 2 || stop > end)
            fail("a segment that is longer than the file");
        if (marker == 0xffc4)
            huffman(stop);
        else if (marker == 0xffdb)
            quantiser(stop);
        else if (marker == 0xffc0 && !planes)
            frame();
        else if (marker == 0xffdd)
            restart = word();
        else if (marker > 0xffc0 && marker < 0xffd0 && marker != 0xffc8 && marker != 0xffcc)
            fail("not a baseline JPEG");
        if (marker == 0xffda) {
            if (!planes)
                fail("no frame ahead of the scan");
            scan();
            at = stop;
            return;
        }
        at = stop;
    }
}

static u32 symbol(const struct table *table)
{
    s32 code = 0;
    if (!table->symbols)
        fail("a table is missing");
    for (u32 size = 1; size <= 16; size++) {
        code = code << 1 | (s32)peek_bit(&bits);
        if (code <= table->last[size])
            return table->symbols[code + table->offset[size]];
    }
    fail("no such code");
}

static s32 signed_bits(u32 size)
{
    s32 value = (s32)get_bits(&bits, size);
    return size && value < 1 << (size - 1) ? value - (1 << size) + 1 : value;
}

static void block_in(struct component *c, u8 *to)
{
    s16 block[64];
    const u16 *by = multipliers[c->quantiser];
    fill(block, 0, sizeof block);
    c->before += signed_bits(symbol(&tables[0][c->dc]) & 15);
    block[0] = (s16)(c->before * by[0]);
    for (u32 i = 1; i < 64; i++) {
        u32 coded = symbol(&tables[1][c->ac]), size = coded & 15, run = coded >> 4;
        if (!size && run != 15)
            break;
        i += run;
        s32 value = signed_bits(size);
        if (i < 64)
            block[zigzag[i]] = (s16)(value * by[zigzag[i]]);
    }
    inverse_dct(block);
    for (u32 i = 0; i < 64; i++)
        to[i / 8 * c->stride + i % 8] = (u8)clamped(block[i] + 128);
}

static void resynchronise(void)
{
    bits.count = 0;
    while (bits.at + 1 < end && (bits.at[0] != 255 || (bits.at[1] & 0xf8) != 0xd0))
        bits.at++;
    bits.at += 2;
    for (u32 i = 0; i < planes; i++)
        component[i].before = 0;
}

static void pixels_out(struct out *out)
{
    for (u32 y = 0; y < height; y++)
        for (u32 x = 0; x < width; x++) {
            s32 v[3] = {0, 0, 0};
            for (u32 i = 0; i < planes; i++) {
                const struct component *c = component + i;
                v[i] = c->samples[(y >> (highest - c->high)) * c->stride + (x >> (widest - c->wide))]; /* once or twice */
            }
            if (planes == 1) {
                byte_out(out, v[0]);
                continue;
            }
            s32 u = v[1] - 128, w = v[2] - 128; /* JFIF, times 2^16 */
            byte_out(out, clamped(v[0] + ((91881 * w + 32768) >> 16)));
            byte_out(out, clamped(v[0] - ((22554 * u + 46802 * w + 32768) >> 16)));
            byte_out(out, clamped(v[0] + ((116130 * u + 32768) >> 16)));
        }
}

void decode(const char *from, const char *to)
{
    u32 size;
    at = whole(from, &size);
    end = at + size;
    segments();
    u32 across = (width + 8 * widest - 1) / (8 * widest), down = (height + 8 * highest - 1) / (8 * highest);
    for (u32 i = 0; i < planes; i++) {
        component[i].stride = across * component[i].wide * 8;
        component[i].samples = room(component[i].stride * down * component[i].high * 8);
    }
    bits = (struct bits_in){at, end, 0, 0, 1};
    for (u32 n = 0; n < across * down; n++) {
        if (restart && n && n % restart == 0)
            resynchronise();
        for (u32 i = 0; i < planes; i++)
            for (u32 k = 0; k < component[i].wide * component[i].high; k++) {
                struct component *c = component + i;
                u32 x = n % across * c->wide + k % c->wide, y = n / across * c->high + k / c->wide;
                block_in(c, c->samples + y * 8 * c->stride + x * 8);
            }
    }
    struct out *out = writer(to);
    text_out(out, planes == 3 ? "P6\n" : "P5\n");
    number_out(out, (s32)width);
    text_out(out, " ");
    number_out(out, (s32)height);
    text_out(out, "\n255\n");
    pixels_out(out);
    finish(out);
}
