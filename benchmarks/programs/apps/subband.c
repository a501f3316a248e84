/* subband encode|fast|decode IN OUT [BITS]: 16-bit samples in frames of 384: of each band a scale and as many bits as its noise needs to hide, out
   of BITS for a frame. `encode` filters and masks in doubles, as lame does; `fast` in integers, as the decoder does (and libmad). */
#include "dct.h"
#include "subband.h"

static s32 levels[SLOTS][BANDS], scales[64];
static s16 last[TAPS];

static void make_scales(void)
{
    for (int i = 0; i < 64; i++)
        scales[i] = DOWN(power_of_two(i / 3.0) + 1);
}

static void take(const s16 *samples, s32 to[BANDS], int fine)
{
    for (int i = TAPS; i-- > BANDS;)
        last[i] = last[i - BANDS];
    for (int i = 0; i < BANDS; i++)
        last[BANDS - 1 - i] = samples[i];
    if (fine)
        analyse_finely(last, to);
    else
        analyse(last, to);
}

static u32 scale_of(int band)
{
    s32 most = 0;
    u32 index = 0;
    for (int slot = 0; slot < SLOTS; slot++)
        most = MAX(most, levels[slot][band] < 0 ? -levels[slot][band] : levels[slot][band]);
    while (index < 63 && scales[index] <= most)
        index++;
    return most ? index : 0;
}

/* In integers: log2 of the power of what is louder, three scales to a doubling of the level. */
static void masks_fast(const u32 scale[BANDS], double masks[BANDS])
{
    for (int k = 0; k < BANDS; k++) {
        s32 most = 0;
        for (int j = 0; j < BANDS; j++)
            most = MAX(most, (s32)scale[j] * 2 - 50 - 8 * (j > k ? j - k : k - j));
        masks[k] = most / 3;
    }
}

/* Bits go one by one to the band whose noise stands out most: a bit more lowers its power by 2 in log2. */
static void allocate(const u32 scale[BANDS], const double masks[BANDS], s32 budget, u32 bits[BANDS])
{
    double noise[BANDS];
    for (int k = 0; k < BANDS; k++) {
        bits[k] = 0;
        noise[k] = scale[k] * (2 / 3.0) - 2 * FRACTION - masks[k];
    }
    for (;;) {
        int worst = -1;
        for (int k = 0; k < BANDS; k++)
            if (bits[k] < 15 && scale[k] && noise[k] > 0 && (worst < 0 || noise[k] > noise[worst]))
                worst = k;
        s32 price = worst < 0 ? 0 : bits[worst] ? SLOTS : 2 * SLOTS + 6;
        if (worst < 0 || price > budget)
            return;
        budget -= price;
        noise[worst] -= bits[worst] ? 2 : 3;
        bits[worst] += bits[worst] ? 1 : 2;
    }
}

static void frame_out(struct bits_out *put, u32 budget, int fine)
{
    u32 scale[BANDS], bits[BANDS];
    double masks[BANDS];
    for (int k = 0; k < BANDS; k++)
        scale[k] = scale_of(k);
    if (fine)
        masks_finely(last, masks);
    else
        masks_fast(scale, masks);
    allocate(scale, masks, (s32)budget - 4 * BANDS, bits);
    for (int k = 0; k < BANDS; k++)
        put_bits(put, bits[k], 4);
    for (int k = 0; k < BANDS; k++)
        if (bits[k])
            put_bits(put, scale[k], 6);
    for (int slot = 0; slot < SLOTS; slot++)
        for (int k = 0; k < BANDS; k++)
            if (bits[k]) {
                s32 steps = (1 << bits[k]) - 1, scaled = scales[scale[k]];
                put_bits(put, (u32)((s64)(levels[slot][k] + scaled) * steps / (2 * scaled)), bits[k]);
            }
}

static void encode(char **arguments, u32 budget, int fine)
{
    struct in *in = reader(arguments[2]);
    struct out *out = writer(arguments[3]);
    struct bits_out put = {out, 0, 0, 0};
    s16 samples[FRAME];
    for (u32 got; (got = bytes_in(in, samples, sizeof samples));) {
        fill((u8 *)samples + got, 0, sizeof samples - got);
        for (int slot = 0; slot < SLOTS; slot++)
            take(samples + slot * BANDS, levels[slot], fine);
        put_bits(&put, 0xfff, 12);
        frame_out(&put, budget, fine);
        put_rest(&put);
    }
    finish(out);
}

static void decode(char **arguments)
{
    u32 size;
    const u8 *data = whole(arguments[2], &size);
    struct bits_in get = {data, data + size, 0, 0, 0};
    struct out *out = writer(arguments[3]);
    s16 samples[BANDS];
    while (get.at < get.end) {
        u32 scale[BANDS] = {0}, bits[BANDS];
        if (get_bits(&get, 12) != 0xfff)
            fail("not a frame of subband");
        for (int k = 0; k < BANDS; k++)
            bits[k] = get_bits(&get, 4);
        for (int k = 0; k < BANDS; k++)
            if (bits[k])
                scale[k] = get_bits(&get, 6);
        for (int slot = 0; slot < SLOTS; slot++) {
            for (int k = 0; k < BANDS; k++) {
                s32 steps = (1 << bits[k]) - 1, scaled = scales[scale[k]];
                levels[0][k] = bits[k] ? (s32)((s64)(2 * get_bits(&get, bits[k]) + 1) * scaled / steps) - scaled : 0;
            }
            synthesise(levels[0], samples);
            bytes_out(out, samples, sizeof samples);
        }
        get.count = 0;
    }
    finish(out);
}

int app(int count, char **arguments)
{
    if (count < 4)
        fail("subband encode|fast|decode IN OUT [BITS]");
    u32 budget = count > 4 ? number(arguments[4]) : FRAME * 2;
    make_bank();
    make_scales();
    if (same(arguments[1], "decode"))
        decode(arguments);
    else
        encode(arguments, budget, same(arguments[1], "encode"));
    return 0;
}
