/* The first tree of files comes as a cpio archive of the "newc" kind in RAM: for each file 110 bytes of hexadecimal text, its
   name, its content, both filled up to four bytes; the name TRAILER!!! ends it. What the archive says of itself is checked
   against its size: a bad one gives fewer files, not a broken kernel. A symbolic link becomes another name of what it leads to,
   which has to come before it. */
#include "files.h"

enum { HEADER = 110, DIGITS = 8, MAGIC = 6 };
enum field { MODE = 1, SIZE = 6, NAME_SIZE = 11 };

static u32 field(const u8 *header, enum field which)
{
    u32 value = 0;
    for (u32 i = 0; i < DIGITS; i++) {
        u32 c = header[MAGIC + which * DIGITS + i] | 0x20; /* digits have this bit already */
        value = value << 4 | (c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
}

static int fill(struct inode *inode, const u8 *content, u32 size)
{
    for (u32 part; inode->size < size; inode->size += part) {
        u8 *at = inode_bytes(inode, inode->size);
        part = smaller(size - inode->size, PAGE);
        if (!at)
            return -ENOSPC;
        copy(at, content + inode->size, part);
    }
    return 0;
}

/* A target that does not begin at the root begins where the link is. */
static int add_link(const char *path, const u8 *target, u32 size)
{
    char text[2 * NAME] = {0};
    struct name found;
    u32 start = *target == '/' ? 0 : length(path);
    if (!size || size >= NAME)
        return -ENAMETOOLONG;
    while (start && path[start - 1] != '/')
        start--;
    copy(text, path, start);
    copy(text + start, target, size);
    int error = name_find(text, &found);
    if (error || !found.inode)
        return error ? error : -ENOENT;
    inode_hold(found.inode);
    return name_add(path, found.inode);
}

/* What is there already stays: "." and the devices that the kernel made itself. */
static int add(const u8 *header, const char *path, const u8 *content, u32 size)
{
    struct name found;
    u32 mode = field(header, MODE) & 0177777;
    int error = name_find(path, &found);
    if (error || found.inode)
        return error;
    if ((mode & 0170000) == LINK)
        return add_link(found.path, content, size);
    struct inode *inode = inode_new(mode);
    error = name_add(found.path, inode);
    return !error && kind_of(inode) == REGULAR ? fill(inode, content, size) : error;
}

static u32 filled(u32 size) { return (size + 3) & ~3u; }

void initramfs_unpack(const void *archive, u32 left)
{
    for (const u8 *at = archive; left >= HEADER && equal(at, "070701", MAGIC);) {
        const char *name = (const char *)at + HEADER;
        u32 name_size = field(at, NAME_SIZE), start = filled(HEADER + name_size), size = field(at, SIZE);
        if (!name_size || name_size > PATH || start > left || size > left - start || name[name_size - 1])
            return;
        if (equal(name, "TRAILER!!!", 11))
            return;
        int error = add(at, name, at + start, size);
        if (error)
            complain("initramfs:", name, (u32)-error);
        u32 whole = smaller(start + filled(size), left);
        at += whole, left -= whole;
    }
}
