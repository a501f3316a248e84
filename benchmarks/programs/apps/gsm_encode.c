/* GSM 06.10, 5.2: from samples to the parameters of a frame. Numbers in brackets are the recommendation's sections. */
#include "gsm.h"

static s32 offset_before, filtered_low, filtered_high, emphasised, history[8], areas_before[8];
static s32 residual[280]; /* 120 reconstructed, then 160 of this frame */

/* Places that a number can be shifted left without losing its sign's meaning. */
static s32 places(s32 value)
{
    s32 count = 0;
    u32 size = value < 0 ? ~(u32)value : (u32)value;
    for (; size < 0x40000000 && count < 31; size = size << 1 | (value < 0))
        count++;
    return count;
}

/* Bits of a / b, where 0 <= a <= b. */
static s32 divided(s32 a, s32 b)
{
    s32 result = 0;
    for (int i = 0; i < 15; i++) {
        result <<= 1;
        a <<= 1;
        if (a >= b) {
            a -= b;
            result++;
        }
    }
    return result;
}

/* Without its direct part, and with its high notes louder [5.2.1 to 5.2.3]. */
static void prepare(const s16 *samples, s32 s[160])
{
    for (int i = 0; i < 160; i++) {
        s32 now = (samples[i] >> 3) * 4, change = saturated(now - offset_before);
        offset_before = now;
        s32 low = times_rounded(filtered_low, 32735), sum = change * 32768 + low;
        s64 whole = (s64)filtered_high * 32735 + sum;
        whole = whole > 0x7fffffff ? 0x7fffffff : whole < -0x80000000ll ? -0x80000000ll : whole;
        filtered_high = (s32)(whole >> 15);
        filtered_low = (s32)whole - filtered_high * 32768;
        s32 rounded = saturated((s32)((whole + 16384) >> 15)), less = times_rounded(emphasised, -28180);
        emphasised = rounded;
        s[i] = saturated(rounded + less);
    }
}

/* How alike the frame is to itself, moved by 0 to 8 samples [5.2.4]. */
static void correlate(s32 s[160], s32 to[9])
{
    s32 largest = 0, shift;
    for (int i = 0; i < 160; i++)
        largest = MAX(largest, positive(s[i]));
    shift = largest ? MAX(0, 4 - places(largest << 16)) : 0;
    for (int i = 0; shift && i < 160; i++)
        s[i] = times_rounded(s[i], 16384 >> (shift - 1));
    for (int k = 0; k < 9; k++) {
        s32 sum = 0;
        for (int i = k; i < 160; i++)
            sum += s[i] * s[i - k];
        to[k] = sum * 2;
    }
    for (int i = 0; i < 160; i++)
        s[i] *= 1 << shift;
}

/* Schur's recursion [5.2.5]. */
static void reflect(const s32 sums[9], s32 r[8])
{
    s32 p[9], k[9];
    fill(r, 0, 8 * sizeof *r);
    if (!sums[0])
        return;
    s32 shift = places(sums[0]);
    for (int i = 0; i < 9; i++)
        p[i] = k[i] = (s32)((u32)sums[i] << shift) >> 16;
    for (int n = 0; n < 8; n++) {
        s32 size = positive(p[1]);
        if (p[0] < size)
            return;
        r[n] = divided(size, p[0]);
        if (p[1] > 0)
            r[n] = -r[n];
        if (n == 7)
            return;
        p[0] = saturated(p[0] + times_rounded(p[1], r[n]));
        for (int m = 1; m < 8 - n; m++) {
            s32 next = p[m + 1];
            p[m] = saturated(next + times_rounded(k[m], r[n]));
            k[m] = saturated(k[m] + times_rounded(next, r[n]));
        }
    }
}

static s32 area_of(s32 r) /* [5.2.6] */
{
    s32 size = positive(r);
    size = size < 22118 ? size >> 1 : size < 31130 ? size - 11059 : (size - 26112) * 4;
    return r < 0 ? -size : size;
}

/* The lattice [5.2.10]. */
static void filter(const s32 r[8], s32 *s, int count)
{
    for (; count; count--, s++) {
        s32 ahead = *s, behind = *s;
        for (int i = 0; i < 8; i++) {
            s32 held = history[i];
            history[i] = behind;
            behind = saturated(held + times_rounded(r[i], ahead));
            ahead = saturated(ahead + times_rounded(r[i], held));
        }
        *s = ahead;
    }
}

/* Where in the last 120 the 40 samples at d have been already, and how loud [5.2.11]. */
static void find_lag(const s32 *d, struct subframe *to)
{
    s32 largest = 0, scaled[40], best = 0, power = 0;
    for (int i = 0; i < 40; i++)
        largest = MAX(largest, positive(d[i]));
    s32 room_left = largest ? places(largest << 16) : 0, shift = room_left > 6 ? 0 : 6 - room_left;
    for (int i = 0; i < 40; i++)
        scaled[i] = d[i] >> shift;
    to->lag = 40;
    for (s32 lag = 40; lag <= 120; lag++) {
        s32 sum = 0;
        for (int i = 0; i < 40; i++)
            sum += scaled[i] * d[i - lag];
        if (sum > best) {
            best = sum;
            to->lag = lag;
        }
    }
    best = best * 2 >> (6 - shift);
    for (int i = 0; i < 40; i++) {
        s32 value = d[i - to->lag] >> 3;
        power += value * value;
    }
    power *= 2;
    to->gain = 0;
    if (best <= 0)
        return;
    if (best >= power) {
        to->gain = 3;
        return;
    }
    s32 normal = places(power), share = (s32)((u32)best << normal) >> 16, all = (s32)((u32)power << normal) >> 16;
    while (to->gain < 3 && share > times(all, gain_limits[to->gain]))
        to->gain++;
}

/* Thirteen of the forty, every third, from where they are strongest; and how large they are [5.2.13 to 5.2.15]. */
static void choose_pulses(const s32 error[40], struct subframe *to)
{
    s32 smooth[40], strongest = -1, largest = 0, exponent = 0, mantissa;
    for (int i = 0; i < 40; i++) {
        s32 sum = 4096;
        for (int k = 0; k < 11; k++)
            if (i + k >= 5 && i + k < 45)
                sum += error[i + k - 5] * impulse[k];
        smooth[i] = saturated(sum >> 13);
    }
    for (s32 grid = 0; grid < 4; grid++) {
        s32 sum = 0;
        for (int i = 0; i < 13; i++)
            sum += (smooth[grid + 3 * i] >> 2) * (smooth[grid + 3 * i] >> 2);
        if (sum > strongest) {
            strongest = sum;
            to->grid = grid;
        }
    }
    for (int i = 0; i < 13; i++)
        largest = MAX(largest, positive(smooth[to->grid + 3 * i]));
    for (s32 rest = largest >> 9; rest > 0 && exponent < 6; rest >>= 1)
        exponent++;
    to->size = (largest >> (exponent + 5)) + exponent * 8;
    split_size(to->size, &exponent, &mantissa);
    for (int i = 0; i < 13; i++) {
        s32 value = saturated(smooth[to->grid + 3 * i] * (1 << (6 - exponent)));
        to->pulse[i] = (times(value, inverse_mantissas[mantissa]) >> 12) + 4;
    }
}

static void subframe(s32 *d, struct subframe *to)
{
    s32 expected[40], error[40], sent[40];
    find_lag(d, to);
    for (int i = 0; i < 40; i++) {
        expected[i] = times_rounded(gains[to->gain], d[i - to->lag]);
        error[i] = saturated(d[i] - expected[i]);
    }
    choose_pulses(error, to);
    pulses(to, sent);
    for (int i = 0; i < 40; i++)
        d[i] = saturated(sent[i] + expected[i]);
}

void analyse(const s16 samples[160], struct frame *to)
{
    s32 s[160], sums[9], r[8], areas[8];
    prepare(samples, s);
    correlate(s, sums);
    reflect(sums, r);
    for (int i = 0; i < 8; i++)
        to->area[i] = quantised_area(area_of(r[i]), i);
    decode_areas(to->area, areas);
    for (int part = 0, from = 0; part < 4; from = part_ends[part++]) {
        coefficients(areas_before, areas, part, r);
        filter(r, s + from, part_ends[part] - from);
    }
    copy(areas_before, areas, sizeof areas);
    copy(residual + 120, s, sizeof s);
    for (int i = 0; i < 4; i++)
        subframe(residual + 120 + 40 * i, to->sub + i);
    copy(residual, residual + 160, 120 * sizeof *residual);
}
