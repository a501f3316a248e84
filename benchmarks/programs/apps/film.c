/* film encode WIDTH HEIGHT FRAMES OUT [QUANTISER] or decode IN [OUT]: the frames of an encoder are drawn: a slope that scrolls and squares that
   move over it. The decoder prints a checksum of each twelfth picture; with OUT it writes all, as YUV 4:2:0. */
#include "film.h"

u32 width, height, quantiser;
static struct picture now, past;
static struct bits_out put;
static struct bits_in get;

struct picture new_picture(void)
{
    struct picture made;
    for (int i = 0; i < 3; i++)
        made.plane[i] = room(width * height >> (i ? 2 : 0));
    return made;
}

u32 stride_of(int plane) { return plane ? width / 2 : width; }

void predict(s16 to[64], const struct picture *from, int plane, s32 x, s32 y)
{
    u32 stride = stride_of(plane);
    const u8 *p = from->plane[plane] + y * (s32)stride + x;
    for (u32 i = 0; i < 64; i++)
        to[i] = p[i / 8 * stride + i % 8];
}

void rebuild(struct picture *to, int plane, s32 x, s32 y, const s16 expected[64], s16 levels[64])
{
    u32 stride = stride_of(plane);
    u8 *p = to->plane[plane] + y * (s32)stride + x;
    for (int i = 0; i < 64; i++)
        levels[i] = (s16)(levels[i] * (s32)quantiser);
    inverse_dct(levels);
    for (u32 i = 0; i < 64; i++)
        p[i / 8 * stride + i % 8] = (u8)clamped(expected[i] + levels[i]);
}

/* ---- numbers in bits: zeroes as many as the number plus one has bits behind its first, then these bits (Golomb) */
static void number_put(u32 value)
{
    u32 size = 0;
    for (u32 rest = ++value; rest >>= 1;)
        size++;
    put_bits(&put, 0, size);
    put_bits(&put, value, size + 1);
}
static void signed_put(s32 value) { number_put(value > 0 ? 2 * (u32)value - 1 : 2 * (u32)-value); }
static u32 number_get(void)
{
    u32 size = 0;
    while (!peek_bit(&get))
        if (++size > 15)
            fail("the film is damaged");
    return (1u << size | get_bits(&get, size)) - 1;
}
static s32 signed_get(void)
{
    u32 value = number_get();
    return value & 1 ? (s32)(value / 2 + 1) : -(s32)(value / 2);
}

static void levels_put(const s16 levels[64])
{
    u32 run = 0;
    for (int i = 0; i < 64; i++, run++)
        if (levels[zigzag[i]]) {
            number_put(run);
            signed_put(levels[zigzag[i]]);
            run = (u32)-1;
        }
    number_put(64);
}
static void levels_get(s16 levels[64])
{
    fill(levels, 0, 64 * sizeof *levels);
    for (u32 i = 0, run; (run = number_get()) < 64; i++) {
        i += run;
        if (i > 63)
            fail("the film is damaged");
        levels[zigzag[i]] = (s16)signed_get();
    }
}

/* ---- the six blocks of 16 x 16 pixels at (x, y); `moved`: from the picture before */
static void place_of(int block, s32 x, s32 y, s32 to[2])
{
    to[0] = block < 4 ? x + block % 2 * 8 : x / 2;
    to[1] = block < 4 ? y + block / 2 * 8 : y / 2;
}
static void expectation(s16 to[64], int block, const s32 place[2], int moved, const s32 motion[2])
{
    int plane = block < 4 ? 0 : block - 3;
    if (moved)
        predict(to, &past, plane, place[0] + (plane ? halved(motion[0]) : motion[0]), place[1] + (plane ? halved(motion[1]) : motion[1]));
    else
        for (int i = 0; i < 64; i++)
            to[i] = 128;
}

static void encode_blocks(const struct picture *drawn, s32 x, s32 y, int moved, const s32 motion[2])
{
    for (int block = 0; block < 6; block++) {
        s16 expected[64], levels[64];
        s32 place[2];
        int plane = block < 4 ? 0 : block - 3;
        place_of(block, x, y, place);
        expectation(expected, block, place, moved, motion);
        predict(levels, drawn, plane, place[0], place[1]);
        for (int i = 0; i < 64; i++)
            levels[i] = (s16)(levels[i] - expected[i]);
        dct(levels);
        for (int i = 0; i < 64; i++)
            levels[i] = (s16)(levels[i] / (s32)quantiser);
        levels_put(levels);
        rebuild(&now, plane, place[0], place[1], expected, levels);
    }
}
static void decode_blocks(s32 x, s32 y, int moved, const s32 motion[2])
{
    for (int block = 0; block < 6; block++) {
        s16 expected[64], levels[64];
        s32 place[2];
        place_of(block, x, y, place);
        expectation(expected, block, place, moved, motion);
        levels_get(levels);
        rebuild(&now, block < 4 ? 0 : block - 3, place[0], place[1], expected, levels);
    }
}

/* ---- motion: steps of 4, 2 and 1 to the best of eight neighbours */
static u32 difference(const struct picture *drawn, s32 x, s32 y, s32 dx, s32 dy, u32 enough)
{
    const u8 *a = drawn->plane[0] + y * (s32)width + x, *b = past.plane[0] + (y + dy) * (s32)width + x + dx;
    u32 sum = 0;
    for (int row = 0; row < 16 && sum < enough; row++, a += width, b += width)
        for (int i = 0; i < 16; i++)
            sum += (u32)(a[i] > b[i] ? a[i] - b[i] : b[i] - a[i]);
    return sum;
}
static void search(const struct picture *drawn, s32 x, s32 y, s32 motion[2])
{
    u32 best = difference(drawn, x, y, 0, 0, 0xffffffff);
    motion[0] = motion[1] = 0;
    for (s32 step = 4; step; step /= 2) {
        s32 from_x = motion[0], from_y = motion[1];
        for (int i = 0; i < 9; i++) {
            s32 dx = from_x + (i % 3 - 1) * step, dy = from_y + (i / 3 - 1) * step;
            if (i == 4 || x + dx < 0 || y + dy < 0 || x + dx > (s32)width - 16 || y + dy > (s32)height - 16)
                continue;
            u32 found = difference(drawn, x, y, dx, dy, best);
            if (found < best)
                best = found, motion[0] = dx, motion[1] = dy;
        }
    }
}

static void draw(struct picture *to, u32 frame)
{
    u32 left[5], top[5];
    for (u32 i = 0; i < 5; i++) {
        left[i] = (i * 37 + frame * (i + 1)) % width;
        top[i] = (i * 29 + frame * (5 - i)) % height;
    }
    for (u32 y = 0; y < height; y++)
        for (u32 x = 0; x < width; x++) {
            u32 u = x + 2 * frame, v = y + frame, shade = (u * u / 64 + v * 3 + ((u ^ v) & 7)) & 255;
            for (u32 i = 0; i < 5; i++)
                if (x - left[i] < 24 && y - top[i] < 24)
                    shade = 40 * i + (x - left[i]) * 2;
            to->plane[0][y * width + x] = (u8)shade;
            if (!(x & 1) && !(y & 1)) {
                to->plane[1][y / 2 * (width / 2) + x / 2] = (u8)(u + 64);
                to->plane[2][y / 2 * (width / 2) + x / 2] = (u8)(v * 2);
            }
        }
}

static void exchange(void)
{
    struct picture held = now;
    now = past;
    past = held;
}

static void sizes_are(u32 wide, u32 high)
{
    width = wide, height = high;
    if (!wide || !high || wide % 16 || high % 16 || wide > 2048 || high > 2048 || !quantiser || quantiser > 255)
        fail("film: sizes are multiples of 16");
    now = new_picture(), past = new_picture();
}

static void encode(char **arguments, u32 scale)
{
    u32 frames = number(arguments[4]);
    quantiser = scale;
    sizes_are(number(arguments[2]), number(arguments[3]));
    struct picture drawn = new_picture();
    struct out *out = writer(arguments[5]);
    put = (struct bits_out){out, 0, 0, 0};
    const u32 head[4] = {width, height, quantiser, frames};
    for (int i = 0; i < 4; i++)
        put_bits(&put, head[i], 16);
    for (u32 frame = 0; frame < frames; frame++) {
        draw(&drawn, frame);
        for (s32 y = 0; y < (s32)height; y += 16)
            for (s32 x = 0; x < (s32)width; x += 16) {
                s32 motion[2] = {0, 0};
                int moved = frame % EVERY > 0;
                if (moved) {
                    search(&drawn, x, y, motion);
                    signed_put(motion[0]);
                    signed_put(motion[1]);
                }
                encode_blocks(&drawn, x, y, moved, motion);
            }
        exchange();
    }
    put_rest(&put);
    finish(out);
}

static void decode(const char *path, const char *to)
{
    u32 size, head[4];
    const u8 *data = whole(path, &size);
    struct out *out = to ? writer(to) : 0, *told = writer(0);
    get = (struct bits_in){data, data + size, 0, 0, 0};
    for (int i = 0; i < 4; i++)
        head[i] = get_bits(&get, 16);
    quantiser = head[2];
    sizes_are(head[0], head[1]);
    for (u32 frame = 0; frame < head[3]; frame++) {
        for (s32 y = 0; y < (s32)height; y += 16)
            for (s32 x = 0; x < (s32)width; x += 16) {
                s32 motion[2] = {0, 0};
                int moved = frame % EVERY > 0;
                if (moved) {
                    motion[0] = signed_get();
                    motion[1] = signed_get();
                    if (x + motion[0] < 0 || y + motion[1] < 0 || x + motion[0] > (s32)width - 16 || y + motion[1] > (s32)height - 16)
                        fail("the film is damaged");
                }
                decode_blocks(x, y, moved, motion);
            }
        u32 sum = 0;
        for (u32 i = 0; frame % EVERY == EVERY - 1 && i < width * height; i++)
            sum = (sum << 5 | sum >> 27) ^ now.plane[0][i];
        if (sum) {
            hex_out(told, sum);
            text_out(told, "\n");
        }
        for (int i = 0; out && i < 3; i++)
            bytes_out(out, now.plane[i], width * height >> (i ? 2 : 0));
        exchange();
    }
    finish(told);
    if (out)
        finish(out);
}

int app(int count, char **arguments)
{
    if (count >= 6 && same(arguments[1], "encode"))
        encode(arguments, count > 6 ? number(arguments[6]) : 12);
    else if (count >= 3 && same(arguments[1], "decode"))
        decode(arguments[2], count > 3 ? arguments[3] : 0);
    else
        fail("film encode WIDTH HEIGHT FRAMES OUT [QUANTISER] | decode IN [OUT]");
    return 0;
}
