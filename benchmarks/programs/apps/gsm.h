/* `gsm`: full-rate speech of GSM 06.10, 160 samples of 8 kHz in 33 bytes. */
#ifndef GSM_H
#define GSM_H

#include "kit.h"

struct subframe {
    s32 lag, gain, grid, size, pulse[13]; /* Nc, bc, Mc, xmaxc, xMc of the recommendation */
};
struct frame {
    s32 area[8]; /* LARc */
    struct subframe sub[4];
};
void analyse(const s16 samples[160], struct frame *to);
void synthesise(const struct frame *from, s16 samples[160]);

/* ---- the recommendation's arithmetic (5.1): 16 bits that saturate; products of fractions, rounded or not */
static inline s32 saturated(s32 value) { return value > 32767 ? 32767 : value < -32768 ? -32768 : value; }
static inline s32 times(s32 a, s32 b) { return a == -32768 && b == -32768 ? 32767 : a * b >> 15; }
static inline s32 times_rounded(s32 a, s32 b) { return a == -32768 && b == -32768 ? 32767 : (a * b + 16384) >> 15; }
static inline s32 positive(s32 value) { return value < 0 ? saturated(-value) : value; }

/* ---- gsm_tables.c: shared by both directions */
extern const s32 gains[4], gain_limits[4], impulse[11], inverse_mantissas[8], mantissas[8];
void decode_areas(const s32 coded[8], s32 areas[8]);      /* LARc -> LAR'' */
s32 quantised_area(s32 area, int which);                  /* LAR -> LARc */
/* Reflection coefficients of one of the four parts of a frame (samples 0, 13, 27, 40 on), between the last areas and these. */
void coefficients(const s32 last[8], const s32 areas[8], int part, s32 to[8]);
extern const u8 part_ends[4];
void pulses(const struct subframe *sub, s32 to[40]);      /* the excitation that 13 pulses stand for */
void split_size(s32 size, s32 *exponent, s32 *mantissa);

#endif
