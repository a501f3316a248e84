/* generate KIND SIZE FILE [SEED]: inputs, the same on every machine. SIZE counts bytes of text, words, samples, or pixels of a side.
   text: sentences of a made-up language whose words are as often as a language's; words: its dictionary, one a line;
   wrong: text in which some words have an error; sound: 16-bit samples of chords with onsets, and noise; gray, picture: a PGM, a PPM;
   page: so many figures for `page`. */
#include "kit.h"

static struct out *out;
static u32 seed;

static u32 below(u32 limit) { return random_next(&seed) % limit; }

/* Word number n: syllables by the digits of a hash of n; frequent words are short. */
static u32 word_of(u32 n, char *to)
{
    static const char first[] = "bdfghklmnprstvw", middle[] = "aeiouaeio", *const last[] = {"", "n", "r", "s", "t", "l", "nd", "st"};
    u32 hash = n * 2654435761u + 12345, size = 0, syllables = n < 40 ? 1 : n < 600 ? 2 : 3;
    for (u32 i = 0; i < syllables; i++, hash = hash * 1664525 + 1013904223) {
        to[size++] = first[(hash >> 8) % 15];
        to[size++] = middle[(hash >> 14) % 9];
        for (const char *end = last[hash >> 20 & 7]; *end; end++)
            to[size++] = *end;
    }
    to[size] = 0;
    return size;
}

/* The n-th word is about 1/n as often as the first: a product of uniform numbers. */
static u32 some_word(void)
{
    u32 limit = 4000;
    limit = below(limit) + 1;
    limit = below(limit) + 1;
    return below(limit);
}

static void text(u32 size, int wrong)
{
    char word[32];
    for (u32 done = 0, at = 0, sentence = 0; done < size;) {
        u32 bytes = word_of(some_word(), word);
        if (wrong && below(25) == 0)
            word[below(bytes)] = (char)('a' + below(26));
        if (!sentence)
            word[0] = (char)(word[0] - 32);
        bytes_out(out, word, bytes);
        int ends = ++sentence > 5 && below(9) == 0, comma = !ends && below(12) == 0;
        text_out(out, ends ? "." : comma ? "," : "");
        at += bytes + 1;
        text_out(out, ends && below(6) == 0 ? "\n\n" : at > 70 ? "\n" : " ");
        at = at > 70 ? 0 : at;
        sentence = ends ? 0 : sentence;
        done += bytes + 1;
    }
    text_out(out, "\n");
}

static void words(u32 count)
{
    char word[32];
    for (u32 n = 0; n < count; n++) {
        bytes_out(out, word, word_of(n, word));
        text_out(out, "\n");
    }
}

/* A wave of 256 places between -4096 and 4096: two parabolas. */
static s32 arc(u32 place) { return (place & 128 ? -1 : 1) * (s32)((place & 127) * (128 - (place & 127))); }

/* Three notes at a time, each with overtones and a decay, by rotating integers: 14 bits of phase. */
static void sound(u32 samples)
{
    s16 wave[256];
    u32 phase[3] = {0, 0, 0}, pitch[3] = {0, 0, 0};
    s32 loud[3] = {0, 0, 0};
    for (u32 i = 0; i < 256; i++)
        wave[i] = (s16)((24 * arc(i) + 8 * arc(3 * i) + 4 * arc(7 * i)) >> 4);
    for (u32 n = 0; n < samples; n++) {
        s32 sum = (s32)(random_next(&seed) & 127) - 64;
        for (u32 v = 0; v < 3; v++) {
            if (loud[v] < 200) {
                pitch[v] = 60 + below(900);
                loud[v] = 4096;
            }
            phase[v] += pitch[v];
            sum += wave[phase[v] >> 6 & 255] * loud[v] >> 12;
            if (n % 8 == v)
                loud[v] -= 1 + (loud[v] >> 11);
        }
        byte_out(out, sum & 255);
        byte_out(out, sum >> 8 & 255);
    }
}

/* Slopes, circles with edges, and a little noise. */
static void picture(u32 side, int colours)
{
    s32 x0[8], y0[8], r[8], shade[8], rest[8];
    text_out(out, colours == 3 ? "P6\n" : "P5\n");
    number_out(out, (s32)side);
    text_out(out, " ");
    number_out(out, (s32)side);
    text_out(out, "\n255\n");
    for (u32 i = 0; i < 8; i++) {
        x0[i] = (s32)below(side), y0[i] = (s32)below(side);
        r[i] = (s32)(side / 16 + below(side / 4)), shade[i] = (s32)random_next(&seed);
    }
    s32 slope = 200 * 65536 / (s32)side;
    for (s32 y = 0; y < (s32)side; y++) {
        for (u32 i = 0; i < 8; i++)
            rest[i] = r[i] * r[i] - (y - y0[i]) * (y - y0[i]);
        for (s32 x = 0; x < (s32)side; x++) {
            s32 colour[3] = {20 + (x * slope >> 16), 20 + (y * slope >> 16), 20 + ((x + y) * slope >> 17)};
            for (u32 i = 0; i < 8; i++)
                if (rest[i] > 0 && (x - x0[i]) * (x - x0[i]) < rest[i])
                    for (u32 c = 0; c < 3; c++)
                        colour[c] = ((shade[i] >> (8 * c) & 255) * 3 + colour[c]) / 4;
            for (int c = 0; c < colours; c++)
                byte_out(out, MIN(255, colour[c] + (s32)(random_next(&seed) & 7)));
        }
    }
}

/* Leaves of four curves, in rows that `repeat` draws. */
static void numbers(u32 count, u32 limit)
{
    for (; count; count--) {
        number_out(out, (s32)below(limit));
        text_out(out, " ");
    }
}
static void page(u32 figures)
{
    for (u32 i = 0; i < figures; i++) {
        text_out(out, "gsave ");
        numbers(2, 560);
        text_out(out, "translate 0.");
        numbers(1, 10);
        text_out(out, "setgray ");
        number_out(out, (s32)below(4) + 1);
        text_out(out, " {\n");
        numbers(2, 60);
        text_out(out, "moveto ");
        for (u32 curve = 0; curve < 4; curve++) {
            numbers(6, 100);
            text_out(out, "curveto\n");
        }
        text_out(out, "closepath fill 30 20 translate 0.8 0.9 scale } repeat grestore\n");
    }
}

int app(int count, char **arguments)
{
    if (count < 4)
        fail("generate text|words|wrong|sound|gray|picture|page SIZE FILE [SEED]");
    const char *kind = arguments[1];
    u32 size = number(arguments[2]);
    out = writer(arguments[3]);
    seed = count > 4 ? number(arguments[4]) : 1;
    if (same(kind, "text") || same(kind, "wrong"))
        text(size, kind[0] == 'w');
    else if (same(kind, "words"))
        words(size);
    else if (same(kind, "sound"))
        sound(size);
    else if (same(kind, "gray") || same(kind, "picture"))
        picture(MAX(size, 16), kind[0] == 'p' ? 3 : 1);
    else if (same(kind, "page"))
        page(size);
    else
        fail("generate: no such kind");
    finish(out);
    return 0;
}
