/* The first tree of files comes as a cpio archive of the "newc" kind in RAM: for each file 110 bytes of hexadecimal text, its
   name, its content, both filled up to four bytes; the name TRAILER!!! ends it. What the archive says of itself is checked
   against its size: a bad one gives fewer files, not a broken kernel. */
#include "files.h"

enum { HEADER = 110, FIELDS = 13, DIGITS = 8, MAGIC = 6 };
enum field { INODE, MODE, UID, GID, LINKS, TIME, SIZE, MAJOR, MINOR, DEVICE_MAJOR, DEVICE_MINOR, NAME_SIZE, CHECK };

struct member {
    u32 fields[FIELDS];
    const char *name; /* ends with 0 */
    const u8 *content;
    u32 whole; /* bytes of the archive */
};

static u32 hexadecimal(const char *text)
{
    u32 value = 0;
    for (u32 i = 0; i < DIGITS; i++) {
        char c = text[i] | 0x20; /* digits have this bit already */
        value = value << 4 | (u32)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
}

static u32 filled(u32 size) { return (size + 3) & ~3u; }

/* 0: there is no further member, or none that can be. */
static int next_member(const u8 *at, u32 left, struct member *member)
{
    char magic[MAGIC + 1] = {0};
    if (left < HEADER)
        return 0;
    copy(magic, at, MAGIC);
    if (!same(magic, "070701"))
        return 0;
    for (u32 i = 0; i < FIELDS; i++)
        member->fields[i] = hexadecimal((const char *)at + MAGIC + i * DIGITS);
    u32 name = member->fields[NAME_SIZE], size = member->fields[SIZE];
    if (!name || name > PATH || HEADER + filled(name) + 3 > left || at[HEADER + name - 1])
        return 0;
    u32 start = filled(HEADER + name);
    if (start > left || size > left - start)
        return 0;
    member->name = (const char *)at + HEADER;
    member->content = at + start;
    member->whole = start + filled(size);
    return !same(member->name, "TRAILER!!!");
}

static int fill(struct inode *inode, const struct member *member)
{
    u32 size = member->fields[SIZE];
    for (u32 done = 0; done < size; done += PAGE) {
        u32 page = inode_page(inode, done / PAGE, 1);
        if (!page)
            return -ENOSPC;
        copy(at_physical(page), member->content + done, size - done < PAGE ? size - done : PAGE);
        inode->size = size - done < PAGE ? size : done + PAGE;
    }
    return 0;
}

static int set_target(struct inode *inode, const struct member *member)
{
    u32 size = member->fields[SIZE];
    if (!size || size >= PATH)
        return -ENAMETOOLONG;
    inode->target = take(size + 1);
    if (!inode->target)
        return -ENOSPC;
    copy(inode->target, member->content, size);
    inode->size = size;
    return 0;
}

static int set_content(struct inode *inode, const struct member *member)
{
    if (kind_of(inode) == REGULAR)
        return fill(inode, member);
    return kind_of(inode) == LINK ? set_target(inode, member) : 0;
}

static int add(const struct walk *at, const struct member *member)
{
    u32 device = member->fields[DEVICE_MAJOR] << 8 | (member->fields[DEVICE_MINOR] & 0xff);
    struct inode *inode = inode_make(member->fields[MODE] & 0177777, device);
    if (!inode)
        return -ENOSPC;
    int error = set_content(inode, member);
    if (!error)
        error = entry_add(at->directory, at->name, inode);
    inode_release(inode);
    return error;
}

static int is_known(u32 kind)
{
    return kind == REGULAR || kind == DIRECTORY || kind == LINK || kind == DEVICE || kind == BLOCK_DEVICE || kind == FIFO;
}

/* What is there already stays: "." and the devices that the kernel made itself. */
static int unpack(const struct member *member)
{
    struct walk at;
    if (!is_known(member->fields[MODE] & 0170000))
        return -EINVAL;
    int error = walk(root, member->name, KEEP_LINK, &at);
    if (error)
        return error;
    if (!at.inode)
        error = add(&at, member);
    walk_end(&at);
    return error;
}

void initramfs_unpack(const void *archive, u32 size)
{
    const u8 *at = archive;
    struct member member;
    while (next_member(at, size, &member)) {
        int error = unpack(&member);
        if (error)
            print("initramfs: %s: error %d\n", member.name, -error);
        if (member.whole >= size)
            break;
        at += member.whole, size -= member.whole;
    }
}
