/* The first tree of files comes as a cpio archive of the "newc" kind in RAM: for each file 110 bytes of hexadecimal text, its
   name, its content, both filled up to four bytes; the name TRAILER!!! ends it. What the archive says of itself is checked
   against its size: a bad one gives fewer files, not a broken kernel. */
#include "files.h"

enum { HEADER = 110, DIGITS = 8, MAGIC = 6 };
enum field { MODE = 1, SIZE = 6, DEVICE_MAJOR = 9, DEVICE_MINOR, NAME_SIZE };

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
    for (u32 part, page; inode->size < size; inode->size += part) {
        page = inode_page(inode, inode->size, 1), part = smaller(size - inode->size, PAGE);
        if (!page)
            return -ENOSPC;
        copy(at_physical(page), content + inode->size, part);
    }
    return 0;
}

static int set_target(struct inode *inode, const u8 *content, u32 size)
{
    inode->target = size && size < PATH ? take(PATH) : 0;
    if (!inode->target)
        return -ENAMETOOLONG;
    copy(inode->target, content, size);
    inode->size = size;
    return 0;
}

/* What is there already stays: "." and the devices that the kernel made itself. */
static int add(const u8 *header, const char *name, const u8 *content, u32 size)
{
    struct walk at;
    struct inode *inode;
    int error = walk(name, KEEP_LINK, &at);
    if (error || at.inode)
        return error;
    error = entry_make(at.directory, at.name, field(header, MODE) & 0177777, &inode);
    if (error)
        return error;
    inode->device = field(header, DEVICE_MAJOR) << 8 | (field(header, DEVICE_MINOR) & 0xff);
    if (kind_of(inode) == REGULAR)
        error = fill(inode, content, size);
    else if (kind_of(inode) == LINK)
        error = set_target(inode, content, size);
    if (error)
        entry_remove(inode);
    return error;
}

static u32 filled(u32 size) { return (size + 3) & ~3u; }

void initramfs_unpack(const void *archive, u32 left)
{
    char magic[MAGIC + 1] = {0};
    for (const u8 *at = archive; left >= HEADER;) {
        const char *name = (const char *)at + HEADER;
        u32 name_size = field(at, NAME_SIZE), start = filled(HEADER + name_size), size = field(at, SIZE);
        copy(magic, at, MAGIC);
        if (!same(magic, "070701") || !name_size || name_size > PATH || start > left || size > left - start)
            return;
        if (name[name_size - 1] || same(name, "TRAILER!!!"))
            return;
        int error = add(at, name, at + start, size);
        if (error)
            print("initramfs: %s: error %d\n", name, -error);
        u32 whole = smaller(start + filled(size), left);
        at += whole, left -= whole;
    }
}
