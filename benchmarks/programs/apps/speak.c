/* speak TEXT OUT: text is read by a rule a letter and spoken by four resonators in a row, in doubles, as rsynth does with Klatt's
   synthesizer: 16-bit samples of 8 kHz. */
#include "kit.h"

enum { RATE = 8000, STEP = 80, RESONATORS = 4 }; /* new formants each 10 ms */

/* How a sound is made: its formants in Hz, how much of voice and of noise is in it (0-100), how many steps it lasts. */
struct sound {
    char letter;
    u16 formant[3];
    u8 voice, noise, steps;
};
static const struct sound sounds[] = {
    {'a', {730, 1090, 2440}, 100, 0, 10}, {'e', {530, 1840, 2480}, 100, 0, 9}, {'i', {270, 2290, 3010}, 95, 0, 9},
    {'o', {570, 840, 2410}, 100, 0, 10},  {'u', {300, 870, 2240}, 95, 0, 9},   {'y', {270, 2100, 3000}, 90, 0, 6},
    {'l', {380, 880, 2575}, 70, 0, 6},    {'r', {420, 1300, 1600}, 70, 0, 6},  {'m', {280, 900, 2200}, 60, 0, 7},
    {'n', {280, 1700, 2600}, 60, 0, 7},   {'w', {300, 610, 2200}, 70, 0, 6},   {'v', {280, 1420, 2500}, 40, 20, 6},
    {'z', {280, 1720, 2560}, 40, 40, 7},  {'j', {280, 2000, 2800}, 40, 40, 6}, {'f', {340, 1100, 2080}, 0, 40, 7},
    {'s', {320, 1390, 2530}, 0, 60, 8},   {'h', {500, 1500, 2500}, 0, 30, 5},  {'c', {320, 1390, 2530}, 0, 50, 6},
    {'x', {320, 1390, 2530}, 0, 50, 6},   {'b', {200, 1100, 2150}, 50, 5, 4},  {'d', {200, 1600, 2600}, 50, 5, 4},
    {'g', {200, 1990, 2850}, 50, 5, 4},   {'p', {400, 1100, 2150}, 0, 25, 4},  {'t', {400, 1600, 2600}, 0, 30, 4},
    {'k', {300, 1990, 2850}, 0, 30, 4},   {'q', {300, 1990, 2850}, 0, 30, 4},  {' ', {500, 1500, 2500}, 0, 0, 6},
    {'.', {500, 1500, 2500}, 0, 0, 20},   {',', {500, 1500, 2500}, 0, 0, 10},
};

/* y[n] = a x[n] + b y[n - 1] + c y[n - 2]: rings at a frequency, dies with a bandwidth. */
struct resonator {
    double a, b, c, before, earlier;
};
static struct resonator chain[RESONATORS];
static double formant[3], voice, noise, pitch = 110, turn, phase, tilt;
static u32 seed = 1, steps;
static struct out *out;

static void tune(struct resonator *r, double frequency, double bandwidth)
{
    double radius = exponential(-PI * bandwidth / RATE);
    r->c = -radius * radius;
    r->b = 2 * radius * cosine(2 * PI * frequency / RATE);
    r->a = 1 - r->b - r->c;
}

static double source(void)
{
    double pulse, breath = noise ? ((double)(random_next(&seed) & 0xffff) * (1.0 / 32768) - 1) * noise : 0;
    phase += turn;
    if (phase >= 1)
        phase -= 1;
    pulse = phase < 0.6 ? phase * phase * (0.6 - phase) * 30 : 0; /* a glottis opens slowly and closes fast */
    tilt = 0.6 * tilt + 0.4 * (pulse - 0.32) * voice;
    return tilt + 0.05 * breath;
}

static void step(void)
{
    for (int i = 0; i < 3; i++)
        tune(chain + i, formant[i], 60 + 30 * i);
    turn = pitch / RATE;
    for (int n = 0; n < STEP; n++) {
        double x = source();
        for (int i = 0; i < RESONATORS; i++) {
            struct resonator *r = chain + i;
            double y = r->a * x + r->b * r->before + r->c * r->earlier;
            r->earlier = r->before;
            r->before = x = y;
        }
        s32 sample = DOWN(x * 120);
        sample = MAX(-32768, MIN(32767, sample));
        byte_out(out, sample & 255);
        byte_out(out, sample >> 8 & 255);
    }
    steps++;
}

/* A third of the way to the new sound in each step: that is how sounds run into each other. */
static void say(const struct sound *sound, double intonation)
{
    for (u32 n = 0; n < sound->steps; n++) {
        for (int i = 0; i < 3; i++)
            formant[i] += (sound->formant[i] - formant[i]) / 3;
        voice += (sound->voice - voice) / 3;
        noise += (sound->noise - noise) / 3;
        pitch += (intonation - pitch) / 8;
        step();
    }
}

int app(int count, char **arguments)
{
    u32 word = 0;
    if (count != 3)
        fail("speak TEXT OUT");
    struct in *in = reader(arguments[1]);
    out = writer(arguments[2]);
    tune(chain + 3, 3300, 250);
    formant[0] = 500, formant[1] = 1500, formant[2] = 2500;
    for (int byte; (byte = byte_in(in)) >= 0;) {
        int letter = byte >= 'A' && byte <= 'Z' ? byte + 32 : byte == '\n' ? ' ' : byte;
        word = letter == '.' ? 0 : word + (letter == ' ');
        for (u32 i = 0; i < COUNT_OF(sounds); i++)
            if (sounds[i].letter == letter)
                say(sounds + i, 130 - 4.0 * (word > 12 ? 12 : word));
    }
    finish(out);
    return 0;
}
