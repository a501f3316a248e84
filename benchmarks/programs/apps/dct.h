/* The discrete cosine transform of 8 x 8 blocks, in integers; for `jpeg` and `film`. */
#ifndef DCT_H
#define DCT_H

#include "kit.h"

void dct(s16 block[64]);     /* samples around 0 -> coefficients, in the scale of JPEG (T.81, A.3.3) */
void inverse_dct(s16 block[64]);
extern const u8 zigzag[64];  /* place in the block of the n-th coefficient */
static inline int clamped(int value) { return value < 0 ? 0 : value > 255 ? 255 : value; }

/* Bits, the highest of a byte first. `stuffed`: a 0 follows each byte of ones, as in JPEG. */
struct bits_out {
    struct out *to;
    u32 held, count;
    int stuffed;
};
struct bits_in {
    const u8 *at, *end;
    u32 held, count;
    int stuffed;
};
void put_bits(struct bits_out *bits, u32 value, u32 count); /* up to 16 */
void put_rest(struct bits_out *bits);                       /* fills the last byte with ones */
u32 get_bits(struct bits_in *bits, u32 count);              /* up to 16; ones behind the end */
u32 peek_bit(struct bits_in *bits);

#endif
