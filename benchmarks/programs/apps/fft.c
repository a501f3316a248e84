/* fft WAVES SIZE [fixed|inverse]: sums WAVES sines into SIZE points and transforms them, as MiBench's fft; prints a checksum of the result
   and the strongest line. In doubles, or in 16-bit fixed point scaled by a half at each pass; `inverse` transforms back and prints the
   largest error in units of 1e-9. */
#include "kit.h"

struct point {
    double re, im;
};

static void swap_bits(void *points, u32 size, u32 each)
{
    u8 *base = points, held[sizeof(struct point)];
    for (u32 i = 1, j = 0; i < size; i++) {
        u32 bit = size >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            copy(held, base + i * each, each);
            copy(base + i * each, base + j * each, each);
            copy(base + j * each, held, each);
        }
    }
}

static void transform(struct point *x, u32 size, double sign)
{
    swap_bits(x, size, sizeof *x);
    for (u32 half = 1; half < size; half *= 2) {
        double turn = sign * PI / half, step_re = cosine(turn), step_im = sine(turn);
        for (u32 start = 0; start < size; start += 2 * half) {
            double re = 1, im = 0;
            for (u32 k = start; k < start + half; k++) {
                struct point *a = x + k, *b = a + half;
                double t_re = b->re * re - b->im * im, t_im = b->re * im + b->im * re, next = re * step_re - im * step_im;
                b->re = a->re - t_re, b->im = a->im - t_im;
                a->re += t_re, a->im += t_im;
                im = re * step_im + im * step_re;
                re = next;
            }
        }
    }
}

static void transform_fixed(s16 (*x)[2], u32 size)
{
    s16 *sines = room(size * 2);
    for (u32 i = 0; i < size; i++)
        sines[i] = (s16)DOWN(sine(2 * PI * i / size) * 32767 + 0.5);
    swap_bits(x, size, sizeof *x);
    for (u32 half = 1; half < size; half *= 2)
        for (u32 k = 0; k < half; k++) {
            u32 angle = k * (size / 2 / half);
            s32 re = sines[(angle + size / 4) & (size - 1)], im = -sines[angle];
            for (u32 i = k; i < size; i += 2 * half) {
                s16 *a = x[i], *b = x[i + half];
                s32 t_re = (b[0] * re - b[1] * im) >> 15, t_im = (b[0] * im + b[1] * re) >> 15;
                b[0] = (s16)((a[0] - t_re) >> 1), b[1] = (s16)((a[1] - t_im) >> 1);
                a[0] = (s16)((a[0] + t_re) >> 1), a[1] = (s16)((a[1] + t_im) >> 1);
            }
        }
}

static double *waves_of(u32 waves, u32 size)
{
    double *sum = room(size * sizeof *sum);
    u32 seed = 1;
    for (u32 w = 0; w < waves; w++) {
        double high = random_next(&seed) % 1000, often = random_next(&seed) % (size / 2);
        for (u32 i = 0; i < size; i++)
            sum[i] += high * sine(2 * PI * (double)((u32)often * i % size) / size);
    }
    return sum;
}

static u32 mixed(u32 sum, s32 value) { return (sum << 5 | sum >> 27) ^ (u32)value; }

static void told(const char *what, u32 value)
{
    struct out *out = writer(0);
    text_out(out, what);
    text_out(out, " ");
    number_out(out, (s32)value);
    text_out(out, "\n");
    finish(out);
}

static void in_fixed(const double *wave, u32 waves, u32 size)
{
    s16(*x)[2] = room(size * sizeof *x);
    u32 sum = 0, strongest = 0;
    s32 most = -1;
    for (u32 i = 0; i < size; i++)
        x[i][0] = (s16)DOWN(wave[i] * 32 / waves);
    transform_fixed(x, size);
    for (u32 i = 0; i < size / 2; i++) {
        s32 strength = x[i][0] * x[i][0] + x[i][1] * x[i][1];
        if (strength > most)
            most = strength, strongest = i;
        sum = mixed(sum, strength);
    }
    told("line", strongest);
    told("sum", sum);
}

static void in_doubles(const double *wave, u32 size, int inverse)
{
    struct point *x = room(size * sizeof *x);
    u32 sum = 0, strongest = 0;
    double most = -1, error = 0;
    for (u32 i = 0; i < size; i++)
        x[i].re = wave[i];
    transform(x, size, -1);
    for (u32 i = 0; i < size / 2; i++) {
        double strength = x[i].re * x[i].re + x[i].im * x[i].im;
        if (strength > most)
            most = strength, strongest = i;
        sum = mixed(sum, (s32)(x[i].im * 16));
    }
    told("line", strongest);
    told("sum", sum);
    if (inverse) {
        transform(x, size, 1);
        for (u32 i = 0; i < size; i++)
            error = MAX(error, MAX(x[i].re / size - wave[i], wave[i] - x[i].re / size));
        told("error", (u32)(error * 1e9));
    }
}

int app(int count, char **arguments)
{
    u32 waves = count > 2 ? number(arguments[1]) : 0, size = count > 2 ? number(arguments[2]) : 0;
    if (!waves || size < 4 || size > 65536 || size & (size - 1))
        fail("fft WAVES SIZE [fixed|inverse]: SIZE is a power of two, 4 to 65536");
    double *wave = waves_of(waves, size);
    if (count > 3 && same(arguments[3], "fixed"))
        in_fixed(wave, waves, size);
    else
        in_doubles(wave, size, count > 3);
    return 0;
}
