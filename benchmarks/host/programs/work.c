/* work: one kind of work, many times: `work getppid 100000`. Who measures runs it with two counts; the difference is the work.
   Kinds: getppid (a system call that does nothing), fork (a child that ends at once), exec (a child that becomes this program
   again), loop (six integer instructions), crc (CRC-32 of 64 KiB, bit by bit), sort (8192 words, heapsort). Prints a number that
   depends on all of it. */
#include "ulib.h"

#define BYTES 65536u
#define WORDS 8192u

static u32 words[BYTES / 4];

/* xorshift32 (Marsaglia 2003). */
static u32 next(u32 x)
{
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ x << 5;
}

static void fill(u32 count, u32 seed)
{
    for (u32 i = 0; i < count; i++)
        words[i] = seed = next(seed);
}

static u32 calls(u32 times)
{
    u32 sum = 0;
    while (times--)
        sum += (u32)getppid() != 0;
    return sum;
}

static u32 forks(u32 times)
{
    u32 sum = 0;
    while (times--) {
        int child = fork();
        if (!child)
            exit(0);
        sum += wait_for(child) >= 0;
    }
    return sum;
}

static const char *self;

static u32 execs(u32 times)
{
    static char *const nothing[] = {0};
    char *arguments[] = {"work", "nothing", 0};
    u32 sum = 0;
    while (times--)
        sum += run(self, arguments, nothing) == 0;
    return sum;
}

static u32 loop(u32 times)
{
    u32 a = 1, b = 2, c = 3;
    for (u32 i = 0; i < times; i++)
        __asm__ volatile("add %0, %0, %1\n\teor %1, %1, %2\n\tsub %2, %2, %0" : "+r"(a), "+r"(b), "+r"(c));
    return a ^ b ^ c;
}

static u32 crc(u32 times)
{
    u32 sum = 0;
    fill(BYTES / 4, 1);
    while (times--) {
        u32 rest = ~sum;
        for (u32 i = 0; i < BYTES; i++) {
            rest ^= ((const unsigned char *)words)[i];
            for (u32 bit = 0; bit < 8; bit++)
                rest = rest >> 1 ^ (rest & 1 ? 0xEDB88320u : 0);
        }
        sum = ~rest;
    }
    return sum;
}

static void sink(u32 at, u32 end)
{
    for (u32 child; (child = 2 * at + 1) < end; at = child) {
        if (child + 1 < end && words[child] < words[child + 1])
            child++;
        if (words[at] >= words[child])
            return;
        u32 other = words[at];
        words[at] = words[child];
        words[child] = other;
    }
}

static u32 sort(u32 times)
{
    u32 sum = 0;
    while (times--) {
        fill(WORDS, times + 1);
        for (u32 at = WORDS / 2; at--;)
            sink(at, WORDS);
        for (u32 end = WORDS; --end;) {
            u32 last = words[end];
            words[end] = words[0];
            words[0] = last;
            sink(0, end);
        }
        sum ^= words[WORDS / 3] + words[2 * WORDS / 3];
    }
    return sum;
}

static const struct {
    const char *name;
    u32 (*work)(u32 times);
} kinds[] = {{"getppid", calls}, {"fork", forks}, {"exec", execs}, {"loop", loop}, {"crc", crc}, {"sort", sort}};

int main(int count, char **arguments)
{
    if (count == 3) {
        self = arguments[0];
        for (u32 i = 0; i < sizeof kinds / sizeof *kinds; i++)
            if (!strcmp(arguments[1], kinds[i].name)) {
                printf("%x\n", kinds[i].work(number(arguments[2])));
                return 0;
            }
    }
    if (count == 2) /* what "exec" runs */
        return 0;
    printf("work getppid|fork|exec|loop|crc|sort TIMES\n");
    return 2;
}
