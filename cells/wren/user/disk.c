/* disk: copies a file to the disk behind a driver domain and reads it back: `disk FILE [DEVICE]`. What was read must sum up to
   what was written. */
#include "ulib.h"

enum { PIECE = 3000 }; /* no whole number of sectors or pages: the kernel has to put pieces together */

static char piece[PIECE];

/* Two sums, one over the other: the order of the bytes matters. */
static u32 add(u32 sum, const char *bytes, u32 count)
{
    u32 low = sum & 0xffff, high = sum >> 16;
    for (u32 i = 0; i < count; i++) {
        low = (low + (u8)bytes[i]) & 0xffff;
        high = (high + low) & 0xffff;
    }
    return high << 16 | low;
}

/* At most `size` bytes from one file, into another one if there is any: how many there were, or the error. */
static int move(int from, int to, u32 size, u32 *sum)
{
    u32 done = 0;
    while (done < size) {
        int got = read(from, piece, size - done < PIECE ? size - done : PIECE);
        int put = got > 0 && to >= 0 ? write_all(to, piece, (u32)got) : got;
        if (put < 0)
            return put;
        if (!got)
            break;
        *sum = add(*sum, piece, (u32)got);
        done += (u32)got;
    }
    return (int)done;
}

static int disk_main(int count, char **arguments, char **environment)
{
    const char *device = count > 2 ? arguments[2] : "/dev/blk0";
    int from = open(count > 1 ? arguments[1] : "/bin/disk", O_RDONLY, 0), disk = open(device, O_RDWR, 0);
    u32 written = 1, read_back = 1;
    (void)environment;
    if (from < 0 || disk < 0) {
        say(device, disk < 0 ? disk : from);
        return 1;
    }
    int size = move(from, disk, ~0u >> 1, &written);
    if (size < 0) {
        say("write", size);
        return 1;
    }
    lseek(disk, 0, SEEK_SET);
    int again = move(disk, -1, (u32)size, &read_back);
    printf("copied %d bytes, checksum %08x\n", size, written);
    printf("read back %d bytes, checksum %08x\n", again, read_back);
    return again != size || written != read_back;
}

const struct program programs[] = {{"disk", disk_main}, {0, 0}};
