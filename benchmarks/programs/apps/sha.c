/* sha FILE...: SHA-1 (FIPS 180-1) of each. */
#include "kit.h"

static u32 state[5];

static u32 turned(u32 value, int by) { return value << by | value >> (32 - by); }

static void block(const u8 *from)
{
    u32 w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 16; i++, from += 4)
        w[i] = (u32)from[0] << 24 | (u32)from[1] << 16 | (u32)from[2] << 8 | from[3];
    for (int i = 16; i < 80; i++)
        w[i] = turned(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        u32 f = i < 20 ? (b & c) | (~b & d) : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        static const u32 constant[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        u32 next = turned(a, 5) + f + e + constant[i / 20] + w[i];
        e = d, d = c, c = turned(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
}

static void of_file(const char *path)
{
    static const u32 first[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    struct in *in = reader(path);
    u8 data[64];
    u32 got;
    u64 bits = 0;
    copy(state, first, sizeof state);
    while ((got = bytes_in(in, data, 64)) == 64) {
        block(data);
        bits += 512;
    }
    bits += got * 8;
    data[got++] = 0x80;
    if (got > 56) {
        fill(data + got, 0, 64 - got);
        block(data);
        got = 0;
    }
    fill(data + got, 0, 56 - got);
    for (int i = 0; i < 8; i++)
        data[56 + i] = (u8)(bits >> (56 - 8 * i));
    block(data);
    close_file(in->file);
}

int app(int count, char **arguments)
{
    struct out *out = writer(0);
    for (int i = 1; i < count; i++) {
        of_file(arguments[i]);
        for (int word = 0; word < 5; word++)
            hex_out(out, state[word]);
        text_out(out, "\n");
    }
    finish(out);
    return 0;
}
