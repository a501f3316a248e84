/* crc32 FILE...: the CRC of IEEE 802.3 of each, byte by byte through a table, as MiBench's crc does with getc. */
#include "kit.h"

static u32 table[256];

static u32 of_file(const char *path, u32 *size)
{
    struct in *in = reader(path);
    u32 crc = 0xffffffff;
    int byte;
    for (*size = 0; (byte = byte_in(in)) >= 0; ++*size)
        crc = table[(crc ^ (u32)byte) & 255] ^ crc >> 8;
    close_file(in->file);
    return ~crc;
}

int app(int count, char **arguments)
{
    struct out *out = writer(0);
    for (u32 i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320 : table[i] >> 1;
    }
    for (int i = 1; i < count; i++) {
        u32 size, crc = of_file(arguments[i], &size);
        hex_out(out, crc);
        text_out(out, " ");
        number_out(out, (s32)size);
        text_out(out, "\n");
    }
    finish(out);
    return 0;
}
