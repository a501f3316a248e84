/* GSM 06.10, 5.3: from the parameters of a frame to samples. */
#include "gsm.h"

static s32 excitation[160], lag_before = 40, history[9], areas_before[8], emphasised; /* 120 behind us, then the 40 that are made */

static void filter(const s32 r[8], s32 *s, int count)
{
    for (; count; count--, s++) {
        s32 value = *s;
        for (int i = 7; i >= 0; i--) {
            value = saturated(value - times_rounded(r[i], history[i]));
            history[i + 1] = saturated(history[i] + times_rounded(r[i], value));
        }
        *s = history[0] = value;
    }
}

void synthesise(const struct frame *from, s16 samples[160])
{
    s32 s[160], sent[40], areas[8], r[8];
    for (int n = 0; n < 4; n++) {
        const struct subframe *sub = from->sub + n;
        pulses(sub, sent);
        if (sub->lag >= 40 && sub->lag <= 120)
            lag_before = sub->lag;
        for (int i = 0; i < 40; i++)
            s[40 * n + i] = excitation[120 + i] =
                saturated(sent[i] + times_rounded(gains[sub->gain], excitation[120 + i - lag_before]));
        copy(excitation, excitation + 40, 120 * sizeof *excitation);
    }
    decode_areas(from->area, areas);
    for (int part = 0, start = 0; part < 4; start = part_ends[part++]) {
        coefficients(areas_before, areas, part, r);
        filter(r, s + start, part_ends[part] - start);
    }
    copy(areas_before, areas, sizeof areas);
    for (int i = 0; i < 160; i++) {
        emphasised = saturated(s[i] + times_rounded(emphasised, 28180));
        samples[i] = (s16)(saturated(emphasised * 2) & ~7);
    }
}
