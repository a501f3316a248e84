/* LMbench's lat_fs (create and delete) and bw_file_rd, bw_mmap_rd (read again what is in memory). */
#include "lat.h"

static u32 size, turn, made;
static int file;
static char block[65536];
static char path[64];

static const char *name_of(u32 number)
{
    snprintf(path, sizeof path, "/tmp/lat/n%u", number);
    return path;
}
static void create_once(void)
{
    int new = open(name_of(made++), O_CREAT | O_WRONLY | O_TRUNC, 0666);
    need(new, path);
    if (size)
        write_all(new, block, size);
    close(new);
}
static void delete_once(void) { unlink(name_of(turn++)); }
static void prepare(void)
{
    close(scratch("f", 1));
    size = word(0, 0) * 1024;
    if (size > sizeof block)
        size = sizeof block;
}
static void file_create(void)
{
    prepare();
    measure(create_once);
    while (turn < made)
        delete_once();
}
static void file_delete(void)
{
    prepare();
    while (made < iterations + iterations / 16 + 2)
        create_once();
    measure(delete_once);
}

static void reread_once(void)
{
    lseek(file, 0, SEEK_SET);
    for (u32 done = 0; done < size; done += sizeof block) {
        need(read(file, block, sizeof block), "read");
        sum_words((u32 *)block, sizeof block);
    }
}
static void file_reread(void)
{
    size = word(0, 512) * 1024;
    file = scratch("reread", size);
    measure(reread_once);
}
static void remap_once(void)
{
    const u32 *at = mmap(0, size, PROT_READ, MAP_SHARED, file, 0);
    need((int)at, "mmap");
    sum_words(at, size);
    munmap((void *)at, size);
}
static void mmap_reread(void)
{
    size = word(0, 512) * 1024;
    file = scratch("reread", size);
    measure(remap_once);
}

const struct lat files[] = {
    {"file_create", file_create}, {"file_delete", file_delete}, {"bw_file_rd", file_reread}, {"bw_mmap_rd", mmap_reread}, {0, 0},
};
