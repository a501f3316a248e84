/* gsm encode|decode IN OUT: 16-bit little-endian samples and frames of 33 bytes, as MiBench's toast and untoast: four bits 1101, then the
   parameters in the recommendation's order (table 1.1), each with its highest bit first. */
#include "gsm.h"

static const u8 area_bits[8] = {6, 6, 5, 5, 4, 4, 3, 3};
enum { FRAME = 33, SIGNATURE = 13 };

struct packer {
    u8 *bytes;
    u32 at;
};

/* Writes a parameter, or reads it. */
static void parameter(struct packer *packer, s32 *value, u32 bits, int reading)
{
    if (reading)
        *value = 0;
    for (u32 i = bits; i-- > 0; packer->at++) {
        u8 *byte = packer->bytes + packer->at / 8, mask = (u8)(128 >> packer->at % 8);
        if (reading)
            *value = *value << 1 | !!(*byte & mask);
        else if (*value >> i & 1)
            *byte |= mask;
    }
}

static void packed(u8 bytes[FRAME], struct frame *frame, int reading)
{
    struct packer packer = {bytes, 0};
    s32 signature = SIGNATURE;
    parameter(&packer, &signature, 4, reading);
    if (signature != SIGNATURE)
        fail("not a frame of GSM 06.10");
    for (int i = 0; i < 8; i++)
        parameter(&packer, frame->area + i, area_bits[i], reading);
    for (int n = 0; n < 4; n++) {
        struct subframe *sub = frame->sub + n;
        parameter(&packer, &sub->lag, 7, reading);
        parameter(&packer, &sub->gain, 2, reading);
        parameter(&packer, &sub->grid, 2, reading);
        parameter(&packer, &sub->size, 6, reading);
        for (int i = 0; i < 13; i++)
            parameter(&packer, sub->pulse + i, 3, reading);
    }
}

int app(int count, char **arguments)
{
    static struct frame frame;
    static s16 samples[160];
    u8 bytes[FRAME];
    if (count != 4)
        fail("gsm encode|decode IN OUT");
    struct in *in = reader(arguments[2]);
    struct out *out = writer(arguments[3]);
    if (same(arguments[1], "encode"))
        for (u32 got; (got = bytes_in(in, samples, sizeof samples));) {
            fill((u8 *)samples + got, 0, sizeof samples - got);
            fill(bytes, 0, sizeof bytes);
            analyse(samples, &frame);
            packed(bytes, &frame, 0);
            bytes_out(out, bytes, sizeof bytes);
        }
    else
        while (bytes_in(in, bytes, sizeof bytes) == sizeof bytes) {
            packed(bytes, &frame, 1);
            synthesise(&frame, samples);
            bytes_out(out, samples, sizeof samples);
        }
    finish(out);
    return 0;
}
