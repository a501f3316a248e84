/* `film`: a hybrid video codec in the manner of MPEG: pictures of 8 x 8 cosine blocks, every twelfth on its own, the others from the
   one before by motion of 16 x 16 pixels. Not a standard's bit stream. */
#ifndef FILM_H
#define FILM_H

#include "dct.h"

enum { EVERY = 12, REACH = 7 }; /* a picture on its own; how far blocks move, pixels */
struct picture {
    u8 *plane[3]; /* brightness, and two colours of half its width and height */
};
extern u32 width, height, quantiser; /* multiples of 16 */
struct picture new_picture(void);
u32 stride_of(int plane);
/* What a block is expected to be: 8 x 8 of `from` at (x + dx, y + dy) in pixels of the plane, which lies inside. */
void predict(s16 to[64], const struct picture *from, int plane, s32 x, s32 y);
void rebuild(struct picture *to, int plane, s32 x, s32 y, const s16 expected[64], s16 levels[64]);
static inline s32 halved(s32 motion) { return motion / 2; }

#endif
