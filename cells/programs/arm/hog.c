/* hog: never sleeps, never yields; computes a checksum for ever, or rounds=N. It takes every slice that it is given.

   rounds=0      ends after so many (0: never)
   report=100    metric PROGRESS (rounds done) each so many rounds (0: never)
   heartbeat=0   1: a heartbeat with each report */
#include "guest.h"

enum { WORDS = 1024 };

static u32 buffer[WORDS];

/* One pass over the buffer: every word is mixed with the sum so far (xorshift, G. Marsaglia 2003). */
static u32 round_of(u32 sum)
{
    for (u32 i = 0; i < WORDS; i++) {
        sum ^= buffer[i] + i;
        sum ^= sum << 13;
        sum ^= sum >> 17;
        sum ^= sum << 5;
        buffer[i] = sum;
    }
    return sum;
}

void program(void)
{
    u32 rounds = argument("rounds", 0), interval = argument("report", 100), beat = argument("heartbeat", 0);
    u32 sum = info.seed_low | 1, next = interval;
    print("hog: started\n");
    for (u32 done = 1; !rounds || done <= rounds; done++) {
        sum = round_of(sum);
        if (done != next)
            continue;
        next += interval;
        report(METRIC_PROGRESS, done);
        if (beat)
            heartbeat();
    }
    report(METRIC_CHECKSUM, sum);
    print("hog: %u rounds, checksum %x\n", rounds, sum);
    shutdown(0);
}
