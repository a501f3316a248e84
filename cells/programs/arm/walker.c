/* walker: writes a pattern through all RAM beyond the image and verifies it. Another cell's store, or a frame that is
   mapped twice, shows as a difference.

   rounds=1   ends after so many passes (0: never)      stride=4   bytes from one word to the next, for a quick look */
#include "guest.h"

struct span {
    u32 first, end, stride;
};

static u32 pattern(u32 address, u32 round) { return (address ^ info.seed_low) * 2654435761u + round; }

static void fill(const struct span *span, u32 round)
{
    for (u32 at = span->first; at < span->end; at += span->stride)
        store(at, pattern(at, round));
}

static u32 verify(const struct span *span, u32 round)
{
    u32 sum = 0;
    for (u32 at = span->first; at < span->end; at += span->stride) {
        u32 found = load(at), wanted = pattern(at, round);
        if (found != wanted) {
            print("walker: BAD at %x: wrote %x, read %x\n", at, wanted, found);
            shutdown(1);
        }
        sum = (sum << 1 | sum >> 31) + found;
    }
    return sum;
}

void program(void)
{
    u32 rounds = argument("rounds", 1), stride = argument("stride", 4) & ~3u;
    struct span span = {((u32)image_end + 7) & ~7u, info.ram_base + info.ram_size, stride ? stride : 4};
    for (u32 round = 0; !rounds || round < rounds; round++) {
        fill(&span, round);
        u32 sum = verify(&span, round);
        report(METRIC_CHECKSUM, sum);
        report(METRIC_PROGRESS, round + 1);
        print("walker: ok, %u KiB from %x, checksum %x\n", (span.end - span.first) >> 10, span.first, sum);
        heartbeat();
    }
    shutdown(0);
}
