/* work: one kind of work, many times: `work getppid 100000`. Who measures runs it with two counts; the difference is the work.
   Kinds: getppid (a system call that does nothing), fork (a child that ends at once), exec (a child that becomes this program
   again), loop (six integer instructions), crc (CRC-32 of 64 KiB, bit by bit), sort (8192 words, heapsort), sha256, dct, search
   (of 64 KiB each). Prints a number that depends on all of it. */
#include "ulib.h"

#define BYTES 65536u
#define WORDS 8192u

static u32 words[BYTES / 4];

/* xorshift32 (Marsaglia 2003). */
static u32 next(u32 x)
{
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ x << 5;
}

static void fill(u32 count, u32 seed)
{
    for (u32 i = 0; i < count; i++)
        words[i] = seed = next(seed);
}

static u32 calls(u32 times)
{
    u32 sum = 0;
    while (times--)
        sum += (u32)getppid() != 0;
    return sum;
}

static u32 forks(u32 times)
{
    u32 sum = 0;
    while (times--) {
        int child = fork();
        if (!child)
            exit(0);
        sum += wait_for(child) >= 0;
    }
    return sum;
}

static const char *self;

static u32 execs(u32 times)
{
    static char *const nothing[] = {0};
    char *arguments[] = {"work", "nothing", 0};
    u32 sum = 0;
    while (times--)
        sum += run(self, arguments, nothing) == 0;
    return sum;
}

static u32 loop(u32 times)
{
    u32 a = 1, b = 2, c = 3;
    for (u32 i = 0; i < times; i++)
        __asm__ volatile("add %0, %0, %1\n\teor %1, %1, %2\n\tsub %2, %2, %0" : "+r"(a), "+r"(b), "+r"(c));
    return a ^ b ^ c;
}

static u32 crc(u32 times)
{
    u32 sum = 0;
    fill(BYTES / 4, 1);
    while (times--) {
        u32 rest = ~sum;
        for (u32 i = 0; i < BYTES; i++) {
            rest ^= ((const unsigned char *)words)[i];
            for (u32 bit = 0; bit < 8; bit++)
                rest = rest >> 1 ^ (rest & 1 ? 0xEDB88320u : 0);
        }
        sum = ~rest;
    }
    return sum;
}

static void sink(u32 at, u32 end)
{
    for (u32 child; (child = 2 * at + 1) < end; at = child) {
        if (child + 1 < end && words[child] < words[child + 1])
            child++;
        if (words[at] >= words[child])
            return;
        u32 other = words[at];
        words[at] = words[child];
        words[child] = other;
    }
}

static u32 sort(u32 times)
{
    u32 sum = 0;
    while (times--) {
        fill(WORDS, times + 1);
        for (u32 at = WORDS / 2; at--;)
            sink(at, WORDS);
        for (u32 end = WORDS; --end;) {
            u32 last = words[end];
            words[end] = words[0];
            words[0] = last;
            sink(0, end);
        }
        sum ^= words[WORDS / 3] + words[2 * WORDS / 3];
    }
    return sum;
}

/* SHA-256 (FIPS 180-4) of the words, big-endian, so many times over. */
static const u32 round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static u32 turned(u32 x, u32 by)
{
    return x >> by | x << (32 - by);
}

static void compress(u32 state[8], const u32 *block)
{
    u32 w[64], s[8];
    for (u32 i = 0; i < 16; i++)
        w[i] = block[i];
    for (u32 i = 16; i < 64; i++) {
        u32 a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (turned(a, 7) ^ turned(a, 18) ^ a >> 3) + w[i - 7] + (turned(b, 17) ^ turned(b, 19) ^ b >> 10);
    }
    for (u32 i = 0; i < 8; i++)
        s[i] = state[i];
    for (u32 i = 0; i < 64; i++) {
        u32 one = s[7] + (turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                  round_constants[i] + w[i];
        u32 two = (turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        for (u32 k = 7; k; k--)
            s[k] = s[k - 1];
        s[4] += one;
        s[0] = one + two;
    }
    for (u32 i = 0; i < 8; i++)
        state[i] += s[i];
}

static u32 sha256(u32 times)
{
    u32 state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    u32 last[16] = {0x80000000}, bits = times * BYTES * 8;
    fill(BYTES / 4, 1);
    while (times--)
        for (u32 at = 0; at < BYTES / 4; at += 16)
            compress(state, words + at);
    last[15] = bits; /* of at most 8191 times */
    compress(state, last);
    return state[0] ^ state[7];
}

/* The 8 x 8 cosine transform of a picture of 16-bit samples, by rows and columns, in 13 bits of fraction. */
#define SIDE 8
static const short cosines[SIDE][SIDE] = { /* cos((2x + 1) u pi / 16) / 2, for u = 0 by 1 / sqrt(2) of that; 13 bits */
    {2896, 2896, 2896, 2896, 2896, 2896, 2896, 2896},     {4017, 3406, 2276, 799, -799, -2276, -3406, -4017},
    {3784, 1567, -1567, -3784, -3784, -1567, 1567, 3784}, {3406, -799, -4017, -2276, 2276, 4017, 799, -3406},
    {2896, -2896, -2896, 2896, 2896, -2896, -2896, 2896}, {2276, -4017, 799, 3406, -3406, -799, 4017, -2276},
    {1567, -3784, 3784, -1567, -1567, 3784, -3784, 1567}, {799, -2276, 3406, -4017, 4017, -3406, 2276, -799}};

/* One dimension; the result lies across, so that twice is both. */
static void transform(const int *from, int *to)
{
    for (u32 line = 0; line < SIDE; line++)
        for (u32 u = 0; u < SIDE; u++) {
            int sum = 1 << 12;
            for (u32 x = 0; x < SIDE; x++)
                sum += from[line * SIDE + x] * cosines[u][x];
            to[u * SIDE + line] = sum >> 13;
        }
}

static u32 dct(u32 times)
{
    u32 sum = 0;
    fill(BYTES / 4, 3);
    while (times--)
        for (u32 at = 0; at < BYTES / 4; at += SIDE * SIDE / 2) {
            int samples[SIDE * SIDE], across[SIDE * SIDE];
            for (u32 i = 0; i < SIDE * SIDE; i++)
                samples[i] = (int)(words[at + i / 2] >> 16 * (i & 1) & 0xff) - 128;
            transform(samples, across);
            transform(across, samples);
            sum = sum * 31 + (u32)samples[0] + (u32)samples[SIDE * SIDE - 1];
        }
    return sum;
}

/* Horspool's search (1980) for a word of 9 letters in a text of 16 different ones. */
static u32 search(u32 times)
{
    static const unsigned char wanted[9] = "abcdefghi";
    unsigned char shift[256], *text = (unsigned char *)words;
    u32 found = 0;
    fill(BYTES / 4, 5);
    for (u32 i = 0; i < BYTES; i++)
        text[i] = 'a' + (text[i] & 15);
    for (u32 i = 0; i < 256; i++)
        shift[i] = sizeof wanted;
    for (u32 i = 0; i + 1 < sizeof wanted; i++)
        shift[wanted[i]] = (unsigned char)(sizeof wanted - 1 - i);
    while (times--)
        for (u32 at = 0; at + sizeof wanted <= BYTES; at += shift[text[at + sizeof wanted - 1]]) {
            u32 i = sizeof wanted;
            while (i && text[at + i - 1] == wanted[i - 1])
                i--;
            found += i ? sizeof wanted - i : 1000;
        }
    return found * 0x9e3779b1u; /* so that all digits depend on it */
}

static const struct {
    const char *name;
    u32 (*work)(u32 times);
} kinds[] = {{"getppid", calls}, {"fork", forks}, {"exec", execs}, {"loop", loop}, {"crc", crc}, {"sort", sort},
             {"sha256", sha256}, {"dct", dct}, {"search", search}};

int main(int count, char **arguments)
{
    if (count == 3) {
        self = arguments[0];
        for (u32 i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (!strcmp(arguments[1], kinds[i].name)) {
                printf("%x\n", kinds[i].work(number(arguments[2])));
                return 0;
            }
    }
    if (count == 2) /* what "exec" runs */
        return 0;
    printf("work getppid|fork|exec|loop|crc|sort|sha256|dct|search TIMES\n");
    return 2;
}
