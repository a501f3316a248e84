/* sectors [COUNT]: writes COUNT pieces of 3000 bytes to /dev/blk0, which begin and end amid sectors, reads them again, and tells. */
#include "ulib.h"

enum { IOCTL = 54, SIZE_64 = 0x80041272, SECTOR = 0x1268, PIECE = 3000 };

static u8 piece[PIECE], found[PIECE];

static void make(u32 number)
{
    for (u32 at = 0, word = number * 2654435761u; at < PIECE; at++, word = word * 1103515245 + 12345)
        piece[at] = (u8)(word >> 16);
}

int main(int count, char **arguments, char **environment)
{
    u64 size = 0;
    u32 sector = 0, pieces = count > 1 ? number(arguments[1]) : 20, wrong = 0;
    (void)environment;
    int file = open("/dev/blk0", O_RDWR, 0);
    must(file >= 0, "open");
    say("size", call(IOCTL, file, SIZE_64, &size));
    say("sector", call(IOCTL, file, SECTOR, &sector));
    must(size >= (u64)pieces * PIECE && sector >= 512, "large enough");
    say("to the end", lseek(file, 0, SEEK_END) == (int)size ? 0 : -1);
    say("write at the end", write(file, piece, 1));
    say("read at the end", read(file, piece, 1));
    lseek(file, 100, SEEK_SET);
    for (u32 i = 0; i < pieces; i++) {
        make(i);
        must(write(file, piece, PIECE) == PIECE, "write");
    }
    lseek(file, 100, SEEK_SET);
    for (u32 i = 0; i < pieces; i++) {
        make(i);
        must(read(file, found, PIECE) == PIECE, "read");
        wrong += memcmp(piece, found, PIECE) != 0;
    }
    say("a bad pointer", read(file, (void *)0xdead0000, 512));
    printf("%d pieces, %d wrong\n", pieces, wrong);
    return failures;
}
