/* The filter bank. Prototype: a sinc in Blackman's window; its cutoff of 1.129 pi/64 is where two neighbours' powers add up to 1 within
   0.0011 (found by search), so that aliases of neighbours cancel (H. S. Malvar's and Rothweiler's condition) down to -59 dB.

   Band k sees h[n] cos((2k + 1)(n - 16) pi / 64); that cosine repeats with the other sign after 64, hence sums of 8 first, then 64 products. */
#include "subband.h"

static double fine_window[TAPS], fine_cosines[128];
static s32 window[TAPS], cosines[128]; /* times 2^20, 2^14 */

void make_bank(void)
{
    double sum = 0;
    for (int n = 0; n < TAPS; n++) {
        double x = n - 256, at = PI * x / 64 * 1.129, turn = 2 * PI * x / TAPS;
        fine_window[n] = (n == 256 ? 1 : sine(at) / at) * (0.42 + 0.5 * cosine(turn) + 0.08 * cosine(2 * turn));
        sum += fine_window[n];
    }
    for (int n = 0; n < TAPS; n++) {
        fine_window[n] *= (n & 64 ? -2 : 2) / sum;
        window[n] = DOWN(fine_window[n] * 1048576 + 0.5);
    }
    for (int i = 0; i < 128; i++) {
        fine_cosines[i] = cosine(i * PI / 64);
        cosines[i] = DOWN(fine_cosines[i] * 16384 + 0.5);
    }
}

void analyse(const s16 last[TAPS], s32 to[BANDS])
{
    s32 z[64];
    for (int i = 0; i < 64; i++) {
        s64 sum = 0;
        for (int j = 0; j < TAPS; j += 64)
            sum += (s64)window[i + j] * last[i + j];
        z[i] = (s32)(sum >> 12);
    }
    for (int k = 0; k < BANDS; k++) {
        s64 sum = 0;
        for (int i = 0; i < 64; i++)
            sum += (s64)z[i] * cosines[((2 * k + 1) * (i - 16)) & 127];
        to[k] = (s32)((sum + (1 << 17)) >> (8 + 14 - FRACTION));
    }
}

void analyse_finely(const s16 last[TAPS], s32 to[BANDS])
{
    double z[64];
    for (int i = 0; i < 64; i++) {
        z[i] = 0;
        for (int j = 0; j < TAPS; j += 64)
            z[i] += fine_window[i + j] * last[i + j];
    }
    for (int k = 0; k < BANDS; k++) {
        double sum = 0;
        for (int i = 0; i < 64; i++)
            sum += z[i] * fine_cosines[((2 * k + 1) * (i - 16)) & 127];
        to[k] = DOWN(sum * (1 << FRACTION) + 0.5);
    }
}

void synthesise(const s32 from[BANDS], s16 to[BANDS])
{
    static s32 v[16][64];
    static int newest;
    newest = (newest + 15) & 15;
    for (int i = 0; i < 64; i++) {
        s64 sum = 0;
        for (int k = 0; k < BANDS; k++)
            sum += (s64)from[k] * cosines[((2 * k + 1) * (i + 16)) & 127];
        v[newest][i] = (s32)(sum >> 14);
    }
    for (int o = 0; o < BANDS; o++) {
        s64 sum = 0;
        for (int q = 0; q < 16; q++)
            sum += (s64)window[o + 32 * q] * v[(newest + q) & 15][(o + 32 * q) & 63];
        s32 value = (s32)((sum * BANDS + (1 << (19 + FRACTION))) >> (20 + FRACTION));
        to[o] = (s16)(value > 32767 ? 32767 : value < -32768 ? -32768 : value);
    }
}

static void spectrum(double re[TAPS], double im[TAPS])
{
    for (u32 i = 1, j = 0; i < TAPS; i++) {
        u32 bit = TAPS / 2;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            double held = re[i];
            re[i] = re[j];
            re[j] = held;
        }
    }
    for (u32 half = 1; half < TAPS; half *= 2) {
        double step_re = cosine(PI / half), step_im = -sine(PI / half), w_re = 1, w_im = 0;
        for (u32 k = 0; k < half; k++) {
            for (u32 a = k; a < TAPS; a += 2 * half) {
                u32 b = a + half;
                double t_re = re[b] * w_re - im[b] * w_im, t_im = re[b] * w_im + im[b] * w_re;
                re[b] = re[a] - t_re, im[b] = im[a] - t_im;
                re[a] += t_re, im[a] += t_im;
            }
            double next = w_re * step_re - w_im * step_im;
            w_im = w_re * step_im + w_im * step_re;
            w_re = next;
        }
    }
}

/* A band hides what is 33 dB (in power 2^11) below it, and 8 dB less for each band further away. */
void masks_finely(const s16 last[TAPS], double masks[BANDS])
{
    static double re[TAPS], im[TAPS];
    double power[BANDS];
    for (int i = 0; i < TAPS; i++) {
        re[i] = last[i] * (0.5 - 0.5 * cosine(2 * PI * i / TAPS));
        im[i] = 0;
    }
    spectrum(re, im);
    for (int k = 0; k < BANDS; k++) {
        double sum = 1;
        for (int i = 8 * k; i < 8 * k + 8; i++)
            sum += re[i] * re[i] + im[i] * im[i];
        power[k] = logarithm_of_two(sum / TAPS);
    }
    for (int k = 0; k < BANDS; k++) {
        masks[k] = 0;
        for (int j = 0; j < BANDS; j++)
            masks[k] = MAX(masks[k], power[j] - 11 - 2.6 * (j > k ? j - k : k - j));
    }
}
