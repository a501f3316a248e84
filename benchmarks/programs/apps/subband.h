/* `subband`: sound in 32 bands of a cosine-modulated filter bank, as MPEG audio has them; our own prototype filter and bit stream. */
#ifndef SUBBAND_H
#define SUBBAND_H

#include "kit.h"

enum { BANDS = 32, TAPS = 512, SLOTS = 12, FRAME = BANDS * SLOTS, FRACTION = 4 }; /* levels of bands: 1/16 of a sample's unit */
void make_bank(void);
void analyse(const s16 last[TAPS], s32 to[BANDS]);        /* in integers; last[0] is the newest sample */
void analyse_finely(const s16 last[TAPS], s32 to[BANDS]); /* in doubles */
void synthesise(const s32 from[BANDS], s16 to[BANDS]);
/* How much noise a band of this frame hides, log2 of its power: by a spectrum of 512 points in doubles. */
void masks_finely(const s16 last[TAPS], double masks[BANDS]);

#endif
