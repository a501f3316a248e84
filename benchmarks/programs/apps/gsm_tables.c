/* Tables 5.1 to 5.6 of GSM 06.10, and what encoder and decoder compute alike (4.2.8, 4.2.9, 4.2.15 to 4.2.17). */
#include "gsm.h"

static const s32 scale[8] = {20480, 20480, 20480, 20480, 13964, 15360, 8534, 9036}, offset[8] = {0, 0, 2048, -2560, 94, -1792, -341, -1144};
static const s32 least[8] = {-32, -32, -16, -16, -8, -8, -4, -4}, most[8] = {31, 31, 15, 15, 7, 7, 3, 3};
static const s32 inverse_scale[8] = {13107, 13107, 13107, 13107, 19223, 17476, 31454, 29708};
const s32 gain_limits[4] = {6554, 16384, 26214, 32767}, gains[4] = {3277, 11469, 21299, 32767};
const s32 impulse[11] = {-134, -374, 0, 2054, 5741, 8192, 5741, 2054, 0, -374, -134};
const s32 inverse_mantissas[8] = {29128, 26215, 23832, 21846, 20165, 18725, 17476, 16384};
const s32 mantissas[8] = {18431, 20479, 22527, 24575, 26623, 28671, 30719, 32767};
const u8 part_ends[4] = {13, 27, 40, 160};

s32 quantised_area(s32 area, int which)
{
    s32 value = saturated(saturated(times(scale[which], area) + offset[which]) + 256) >> 9;
    return MAX(least[which], MIN(most[which], value)) - least[which];
}

void decode_areas(const s32 coded[8], s32 areas[8])
{
    for (int i = 0; i < 8; i++) {
        s32 value = times_rounded(inverse_scale[i], saturated(((coded[i] + least[i]) * 1024) - offset[i] * 2));
        areas[i] = saturated(value + value);
    }
}

void coefficients(const s32 last[8], const s32 areas[8], int part, s32 to[8])
{
    for (int i = 0; i < 8; i++) {
        s32 a = last[i], b = areas[i], area;
        if (part == 0)
            area = saturated(saturated((a >> 2) + (b >> 2)) + (a >> 1));
        else if (part == 1)
            area = saturated((a >> 1) + (b >> 1));
        else if (part == 2)
            area = saturated(saturated((a >> 2) + (b >> 2)) + (b >> 1));
        else
            area = b;
        s32 size = positive(area);
        size = size < 11059 ? size * 2 : size < 20070 ? size + 11059 : saturated((size >> 2) + 26112);
        to[i] = area < 0 ? -size : size;
    }
}

void split_size(s32 size, s32 *exponent, s32 *mantissa)
{
    *exponent = size > 15 ? (size >> 3) - 1 : 0;
    *mantissa = size - *exponent * 8;
    if (!*mantissa) {
        *exponent = -4;
        *mantissa = 7;
        return;
    }
    for (; *mantissa <= 7; --*exponent)
        *mantissa = *mantissa * 2 + 1;
    *mantissa -= 8;
}

void pulses(const struct subframe *sub, s32 to[40])
{
    s32 exponent, mantissa;
    split_size(sub->size, &exponent, &mantissa);
    s32 shift = 6 - exponent, half = shift > 0 ? 1 << (shift - 1) : 0;
    for (int i = 0; i < 40; i++)
        to[i] = 0;
    for (int i = 0; i < 13; i++) {
        s32 value = times_rounded(mantissas[mantissa], (sub->pulse[i] * 2 - 7) * 4096);
        to[sub->grid + 3 * i] = saturated(value + half) >> shift;
    }
}
