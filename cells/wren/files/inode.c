/* Files in memory: pages, which come with the first use, also of a hole. An inode lives as long as somebody uses it, and its name
   is a user too: an open file whose name is gone is still a file. */
#include "files.h"

enum { PAGES = FILE_LIMIT / PAGE };

static struct inode inodes[INODES];
static const struct file_operations regular_operations, directory_operations; /* a directory can only be listed */

struct inode *inode_new(u32 mode)
{
    struct inode *inode = inodes;
    while (inode < inodes + INODES && inode->users)
        inode++;
    if (inode == inodes + INODES)
        return 0;
    *inode = (struct inode){.number = (u32)(inode - inodes) + 1, .mode = mode, .users = 1};
    inode->operations = kind_of(inode) == REGULAR ? &regular_operations : kind_of(inode) == DIRECTORY ? &directory_operations : 0;
    return inode;
}

void inode_hold(struct inode *inode) { inode->users++; }

void inode_empty(struct inode *inode)
{
    inode->size = 0;
    if (!inode->pages)
        return;
    for (u32 i = 0; i < PAGES; i++)
        if (inode->pages[i])
            page_release(inode->pages[i]);
    page_release(physical(inode->pages));
    inode->pages = 0;
}

void inode_release(struct inode *inode)
{
    if (!--inode->users)
        inode_empty(inode);
}

u32 inode_page(struct inode *inode, u32 offset)
{
    u32 page = inode->pages ? 0 : page_take();
    if (page)
        inode->pages = at_physical(page);
    if (!inode->pages || offset >= FILE_LIMIT)
        return 0;
    u32 *entry = &inode->pages[offset / PAGE];
    if (!*entry)
        *entry = page_take();
    return *entry;
}

u8 *inode_bytes(struct inode *inode, u32 offset)
{
    u32 page = inode_page(inode, offset);
    return page ? (u8 *)at_physical(page) + offset % PAGE : 0;
}

/* ---- as files */

static int transfer(struct file *file, u32 user, u32 size, int writes)
{
    struct inode *inode = file->inode;
    u32 done = 0, limit = writes ? FILE_LIMIT : inode->size;
    for (u32 part; done < size && file->offset < limit; done += part, file->offset += part) {
        part = smaller(smaller(size - done, limit - file->offset), PAGE - file->offset % PAGE);
        u8 *at = inode_bytes(inode, file->offset);
        if (!at)
            return done ? (int)done : -ENOSPC;
        if (writes ? copy_in(at, user + done, part) : copy_out(user + done, at, part))
            return done ? (int)done : -EFAULT;
        if (inode->size < file->offset + part)
            inode->size = file->offset + part;
    }
    return (int)done;
}

static int read_regular(struct file *file, u32 to, u32 size) { return transfer(file, to, size, 0); }

static int write_regular(struct file *file, u32 from, u32 size)
{
    if (file->flags & APPEND)
        file->offset = file->inode->size;
    return size && file->offset >= FILE_LIMIT ? -EFBIG : transfer(file, from, size, 1);
}

static const struct file_operations regular_operations = {.read = read_regular, .write = write_regular};
