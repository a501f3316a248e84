/* adpcm encode|decode IN OUT: IMA ADPCM of 16-bit little-endian samples, four bits each, the first of a byte in its high half;
   blocks of 1000 samples, as MiBench's rawcaudio and rawdaudio read them. */
#include "kit.h"

static const s8 change[16] = {-1, -1, -1, -1, 2, 4, 6, 8, -1, -1, -1, -1, 2, 4, 6, 8};
static int value, index;

/* The recommendation's table: each step is about 1.1 times the one before it. */
static const s16 step[89] = {
    7,    8,    9,    10,   11,   12,   13,   14,   16,   17,   19,   21,   23,    25,    28,    31,    34,    37,
    41,   45,   50,   55,   60,   66,   73,   80,   88,   97,   107,  118,  130,   143,   157,   173,   190,   209,
    230,  253,  279,  307,  337,  371,  408,  449,  494,  544,  598,  658,  724,   796,   876,   963,   1060,  1166,
    1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026,  4428,  4871,  5358,  5894,  6484,
    7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794, 32767,
};

static void follow(u32 code, int difference)
{
    value += code & 8 ? -difference : difference;
    value = MAX(-32768, MIN(32767, value));
    index += change[code];
    index = MAX(0, MIN(88, index));
}

static u32 encoded(int sample)
{
    int size = step[index], left = sample - value, made = size >> 3;
    u32 code = 0;
    if (left < 0) {
        code = 8;
        left = -left;
    }
    for (u32 bit = 4; bit; bit >>= 1, size >>= 1)
        if (left >= size) {
            code |= bit;
            left -= size;
            made += size;
        }
    follow(code, made);
    return code;
}

static int decoded(u32 code)
{
    int size = step[index], made = size >> 3;
    for (u32 bit = 4; bit; bit >>= 1, size >>= 1)
        if (code & bit)
            made += size;
    follow(code, made);
    return value;
}

/* MiBench's programs read and write blocks without stdio: so many system calls are what its row of Fig. 16 is about. */
enum { SAMPLES = 1000 };
static s16 samples[SAMPLES];
static u8 codes[SAMPLES / 2];

static u32 full(int file, void *to, u32 size)
{
    u32 filled = 0, got;
    while (filled < size && (got = read_some(file, (u8 *)to + filled, size - filled)))
        filled += got;
    return filled;
}

int app(int count, char **arguments)
{
    if (count != 4)
        fail("adpcm encode|decode IN OUT");
    int encode = same(arguments[1], "encode"), in = open_file(arguments[2], 0), out = open_file(arguments[3], 1);
    u32 got;
    while (encode && (got = full(in, samples, sizeof samples) / 2)) {
        for (u32 i = 0; i < got; i++) {
            u32 code = encoded(samples[i]);
            codes[i / 2] = (u8)(i & 1 ? codes[i / 2] | code : code << 4);
        }
        write_some(out, codes, (got + 1) / 2);
    }
    while (!encode && (got = full(in, codes, sizeof codes))) {
        for (u32 i = 0; i < 2 * got; i++)
            samples[i] = (s16)decoded(i & 1 ? codes[i / 2] & 15u : codes[i / 2] >> 4);
        write_some(out, samples, 4 * got);
    }
    close_file(in);
    close_file(out);
    return 0;
}
