/* What `jpeg`'s encoder and decoder share: the example tables of T.81, annex K. */
#ifndef JPEG_H
#define JPEG_H

#include "dct.h"

extern const u8 quantisers[2][64];           /* K.1, K.2; in rows */
extern const u8 dc_counts[16], dc_symbols[12]; /* table K.3 */
extern const u8 ac_counts[16], ac_symbols[162]; /* table K.5 */
void encode(const char *from, const char *to, u32 quality);
void decode(const char *from, const char *to);

#endif
