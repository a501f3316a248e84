/* LMbench's lat_pagefault and lat_mmap: a file's pages, touched in an order that no read-ahead guesses. */
#include "lat.h"

enum { PAGES = 256, SIZE = PAGES * 4096, MS_INVALIDATE = 2 };
static int file;
static u32 rights = PROT_READ, kind = MAP_SHARED, order[PAGES];
static volatile char *base;

static void map(void)
{
    base = mmap(0, SIZE, (int)rights, (int)kind, file, 0);
    need((int)base, "mmap");
}
static void remap(void)
{
    munmap((void *)base, SIZE);
    map();
    if (file >= 0)
        call(CALL_MSYNC, base, SIZE, MS_INVALIDATE);
}
static void touch_once(void)
{
    u32 sum = 0;
    for (u32 i = 0; i < PAGES; i++)
        sum += base[order[i] * 4096];
    sink = sum;
    remap();
}
static void store_once(void)
{
    for (u32 i = 0; i < PAGES; i++)
        base[order[i] * 4096] = 1;
    remap();
}
static void shuffle(void)
{
    u32 state = 1;
    for (u32 i = 0; i < PAGES; i++)
        order[i] = i;
    for (u32 i = PAGES - 1; i; i--) {
        state = state * 1664525 + 1013904223;
        u32 other = (state >> 8) % (i + 1), moved = order[i];
        order[i] = order[other];
        order[other] = moved;
    }
}
static void prepared(void (*once)(void))
{
    shuffle();
    map();
    measure(once);
    munmap((void *)base, SIZE);
}
/* An iteration maps 1 MiB and touches its 256 pages; `mmap_only` does the same without touching. */
static void page_fault(void)
{
    file = scratch("pages", SIZE);
    prepared(touch_once);
}
static void mmap_only(void)
{
    file = scratch("pages", SIZE);
    prepared(remap);
}
/* Pages of nobody's file, stored to: each is made and cleared. */
static void anonymous(void (*once)(void))
{
    file = -1;
    rights = PROT_READ | PROT_WRITE;
    kind = MAP_PRIVATE | MAP_ANONYMOUS;
    prepared(once);
}
static void page_zero(void) { anonymous(store_once); }
static void mmap_zero(void) { anonymous(remap); }

/* lat_mmap: map so many KiB, touch a byte in each 16 KiB, unmap. */
static u32 mapped;
static void mmap_once(void)
{
    volatile char *at = mmap(0, mapped, PROT_READ, MAP_SHARED, file, 0);
    for (u32 i = 0; i < mapped; i += 16384)
        sink = (u32)at[i];
    munmap((void *)at, mapped);
}
static void mmap_file(void)
{
    mapped = word(0, 512) * 1024;
    file = scratch("pages", mapped);
    measure(mmap_once);
}

const struct lat pages[] = {
    {"page_fault", page_fault}, {"mmap_only", mmap_only}, {"page_zero", page_zero}, {"mmap_zero", mmap_zero},
    {"mmap", mmap_file}, {0, 0},
};
