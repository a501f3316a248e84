/* LMbench's bw_mem and lat_mem_rd. Bandwidths move a working set of so many KiB once per iteration. */
#include "lat.h"

static u32 size, *from, *to;

static u32 *room(u32 bytes)
{
    u32 *got = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need((int)got, "mmap");
    memset(got, 1, bytes);
    return got;
}
static void prepare(void)
{
    size = word(0, 512) * 1024;
    from = room(size);
}

/* 32 words a round, as bw_mem: the loop itself hardly counts. One word of four is touched, as bw_mem's `rd`, `wr`, `rdwr` do. */
#define EIGHT(what, i) what(i) what(i + 4) what(i + 8) what(i + 12) what(i + 16) what(i + 20) what(i + 24) what(i + 28)
#define OVER_ALL(what)                                                                                                         \
    for (volatile u32 *p = from, *last = from + size / 4; p != last; p += 32) {                                              \
        EIGHT(what, 0)                                                                                                         \
    }
#define READ(i) sum += p[i];
#define WRITE(i) p[i] = 1;
#define BOTH(i) sum += p[i]; p[i] = 1;
static void read_once(void)
{
    u32 sum = 0;
    OVER_ALL(READ)
    sink = sum;
}
static void write_once(void) { OVER_ALL(WRITE) }
static void both_once(void)
{
    u32 sum = 0;
    OVER_ALL(BOTH)
    sink = sum;
}
static void copy_once(void)
{
    const u32 *in = from;
    for (u32 *out = to, *last = to + size / 4; out != last; out += 8, in += 8) {
        u32 a = in[0], b = in[1], c = in[2], d = in[3], e = in[4], f = in[5], g = in[6], h = in[7];
        out[0] = a, out[1] = b, out[2] = c, out[3] = d, out[4] = e, out[5] = f, out[6] = g, out[7] = h;
    }
}
static void bw_mem_rd(void)
{
    prepare();
    measure(read_once);
}
static void bw_mem_wr(void)
{
    prepare();
    measure(write_once);
}
static void bw_mem_rdwr(void)
{
    prepare();
    measure(both_once);
}
static void bw_bcopy(void)
{
    prepare();
    to = room(size);
    measure(copy_once);
}

/* lat_mem_rd: each load gives the address of the next; the stride jumps over lines (32 bytes on all our cores). An iteration is
   1000 loads, and the end mark counts loads. `lat_mem KIB STRIDE`. */
static void **chain;
static void loads_once(void)
{
    void **p = chain;
    for (int i = 0; i < 100; i++) {
        p = *p, p = *p, p = *p, p = *p, p = *p;
        p = *p, p = *p, p = *p, p = *p, p = *p;
    }
    chain = p;
}
static void lat_mem(void)
{
    u32 stride = word(1, 64);
    prepare();
    if (stride < 4 || stride > size || stride % 4)
        need(-EINVAL, "stride");
    u32 places = size / stride;
    for (u32 i = 0; i < places; i++) /* downwards, as LMbench, against prefetchers */
        from[i * stride / 4] = (u32)(from + (i ? i - 1 : places - 1) * stride / 4);
    chain = (void **)(from + (places - 1) * stride / 4);
    for (u32 i = 0; i < places; i += 1000)
        loads_once();
    counted = iterations * 1000;
    measure(loads_once);
    sink = (u32)chain;
}

const struct lat memories[] = {
    {"bw_mem_rd", bw_mem_rd}, {"bw_mem_wr", bw_mem_wr}, {"bw_mem_rdwr", bw_mem_rdwr}, {"bw_bcopy", bw_bcopy}, {"lat_mem", lat_mem},
    {0, 0},
};
