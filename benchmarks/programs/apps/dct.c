/* Eight points by sums and differences first: 22 multiplications instead of 64. Constants: cos(k pi / 16) / 2 * 2^13. */
#include "dct.h"

enum { C1 = 4017, C2 = 3784, C3 = 3406, C4 = 2896, C5 = 2276, C6 = 1567, C7 = 799 };

const u8 zigzag[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

static void eight(s32 *x, int stride, int shift)
{
    s32 *p[8], s[4], d[4], half = 1 << (shift - 1);
    for (int i = 0; i < 8; i++)
        p[i] = x + i * stride;
    for (int i = 0; i < 4; i++) {
        s[i] = *p[i] + *p[7 - i];
        d[i] = *p[i] - *p[7 - i];
    }
    *p[0] = ((s[0] + s[1] + s[2] + s[3]) * C4 + half) >> shift;
    *p[4] = ((s[0] - s[1] - s[2] + s[3]) * C4 + half) >> shift;
    *p[2] = ((s[0] - s[3]) * C2 + (s[1] - s[2]) * C6 + half) >> shift;
    *p[6] = ((s[0] - s[3]) * C6 - (s[1] - s[2]) * C2 + half) >> shift;
    *p[1] = (d[0] * C1 + d[1] * C3 + d[2] * C5 + d[3] * C7 + half) >> shift;
    *p[3] = (d[0] * C3 - d[1] * C7 - d[2] * C1 - d[3] * C5 + half) >> shift;
    *p[5] = (d[0] * C5 - d[1] * C1 + d[2] * C7 + d[3] * C3 + half) >> shift;
    *p[7] = (d[0] * C7 - d[1] * C5 + d[2] * C3 - d[3] * C1 + half) >> shift;
}

static void eight_back(s32 *x, int stride, int shift)
{
    s32 v[8], a[4], b[4], half = 1 << (shift - 1);
    for (int i = 0; i < 8; i++)
        v[i] = x[i * stride];
    s32 e0 = (v[0] + v[4]) * C4, e1 = (v[0] - v[4]) * C4, f0 = v[2] * C2 + v[6] * C6, f1 = v[2] * C6 - v[6] * C2;
    a[0] = e0 + f0, a[1] = e1 + f1, a[2] = e1 - f1, a[3] = e0 - f0;
    b[0] = v[1] * C1 + v[3] * C3 + v[5] * C5 + v[7] * C7;
    b[1] = v[1] * C3 - v[3] * C7 - v[5] * C1 - v[7] * C5;
    b[2] = v[1] * C5 - v[3] * C1 + v[5] * C7 + v[7] * C3;
    b[3] = v[1] * C7 - v[3] * C5 + v[5] * C3 - v[7] * C1;
    for (int i = 0; i < 4; i++) {
        x[i * stride] = (a[i] + b[i] + half) >> shift;
        x[(7 - i) * stride] = (a[i] - b[i] + half) >> shift;
    }
}

/* Rows keep three bits of fraction, which columns take off. */
static void both_ways(s16 block[64], void (*once)(s32 *x, int stride, int shift))
{
    s32 x[64];
    for (int i = 0; i < 64; i++)
        x[i] = block[i];
    for (int i = 0; i < 8; i++)
        once(x + 8 * i, 1, 10);
    for (int i = 0; i < 8; i++)
        once(x + i, 8, 16);
    for (int i = 0; i < 64; i++)
        block[i] = (s16)x[i];
}

void dct(s16 block[64]) { both_ways(block, eight); }
void inverse_dct(s16 block[64]) { both_ways(block, eight_back); }

void put_bits(struct bits_out *bits, u32 value, u32 count)
{
    bits->held = bits->held << count | (value & ((1u << count) - 1));
    for (bits->count += count; bits->count >= 8; bits->count -= 8) {
        int byte = bits->held >> (bits->count - 8) & 255;
        byte_out(bits->to, byte);
        if (byte == 255 && bits->stuffed)
            byte_out(bits->to, 0);
    }
}

void put_rest(struct bits_out *bits)
{
    if (bits->count & 7)
        put_bits(bits, 255, 8 - (bits->count & 7));
}

u32 peek_bit(struct bits_in *bits)
{
    if (!bits->count) {
        u32 byte = bits->at < bits->end ? *bits->at++ : 255;
        if (byte == 255 && bits->stuffed && bits->at < bits->end) {
            if (*bits->at)
                bits->at--; /* a marker: not ours */
            else
                bits->at++;
        }
        bits->held = byte;
        bits->count = 8;
    }
    return bits->held >> --bits->count & 1;
}

u32 get_bits(struct bits_in *bits, u32 count)
{
    u32 value = 0;
    for (; count; count--)
        value = value << 1 | peek_bit(bits);
    return value;
}
