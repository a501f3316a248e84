/* Files in memory. An inode is a file, a directory, a link, a device, under a name in a directory. It lives as long as somebody
   uses it, and its name is a user too: an open file whose name is gone is still a file. A regular file is pages. */
#include "files.h"

enum { PAGES = FILE_LIMIT / PAGE };

struct inode *root;

/* Numbers begin behind the places of "." and ".." in a directory (tree_calls.c). */
struct inode *inode_make(u32 mode)
{
    static u32 last_number = 2;
    struct inode *inode = take(sizeof *inode);
    if (!inode)
        return 0;
    inode->number = ++last_number;
    inode->mode = mode;
    inode->users = 1;
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
    if (--inode->users)
        return;
    inode_empty(inode);
    give_back(inode->target, PATH);
    give_back(inode, sizeof *inode);
}

/* ---- content */

u32 inode_page(struct inode *inode, u32 offset, int make)
{
    u32 page = inode->pages || !make ? 0 : page_take();
    if (page)
        inode->pages = at_physical(page);
    if (!inode->pages || offset >= FILE_LIMIT)
        return 0;
    u32 *entry = &inode->pages[offset / PAGE];
    if (!*entry && make)
        *entry = page_take();
    return *entry;
}

void *inode_bytes(struct inode *inode, u32 offset, u32 *size)
{
    u32 rest = offset < inode->size ? inode->size - offset : 0;
    *size = smaller(smaller(*size, rest), PAGE - offset % PAGE);
    return *size ? (u8 *)at_physical(inode_page(inode, offset, 0)) + offset % PAGE : 0;
}

/* A place behind the end makes the file longer first: there are no holes in it. */
int inode_write(struct inode *inode, u32 offset, u32 from, u32 size)
{
    u32 done = 0;
    int error = offset + size > FILE_LIMIT || offset + size < offset ? -EFBIG : 0;
    for (u32 at = inode->size; at < offset && !error; at = rounded(at + 1))
        error = inode_page(inode, at, 1) ? 0 : -ENOSPC;
    while (done < size && !error) {
        u32 at = offset + done, part = smaller(size - done, PAGE - at % PAGE), page = inode_page(inode, at, 1);
        error = page ? copy_in((u8 *)at_physical(page) + at % PAGE, from + done, part) : -ENOSPC;
        if (!error)
            done += part;
    }
    if (done && inode->size < offset + done)
        inode->size = offset + done;
    return done ? (int)done : error;
}

/* ---- names: few to a directory, so that a list is enough */

struct inode *entry_find(struct inode *directory, const char *name)
{
    struct inode *inode = directory->entries;
    while (inode && !same(inode->name, name))
        inode = inode->next;
    return inode;
}

/* At the end of the list, so that the numbers in it go up. A directory is used by those in it: it is their "..". */
int entry_make(struct inode *directory, const char *name, u32 mode, struct inode **made)
{
    struct inode *inode = directory->parent ? inode_make(mode) : 0, **last = &directory->entries;
    if (!inode)
        return directory->parent ? -ENOSPC : -ENOENT; /* it was removed while somebody was in it */
    while (*last)
        last = &(*last)->next;
    copy(inode->name, name, length(name) + 1);
    inode->parent = directory;
    inode_hold(directory);
    *last = *made = inode;
    return 0;
}

void entry_remove(struct inode *inode)
{
    struct inode *directory = inode->parent, **at = &directory->entries;
    while (*at != inode)
        at = &(*at)->next;
    *at = inode->next;
    inode->parent = 0;
    inode_release(inode);
    inode_release(directory);
}

/* The tree as it is before the initramfs is unpacked: "/" and "/dev". What exists is not replaced by the archive's. */
void inode_start(void)
{
    struct inode *devices;
    root = inode_make(DIRECTORY | 0755);
    if (root)
        root->parent = root;
    if (!root || entry_make(root, "dev", DIRECTORY | 0755, &devices))
        give_up("no memory for files");
    current->directory = root; /* where the names of the archive begin */
    devices_start(devices);
}
