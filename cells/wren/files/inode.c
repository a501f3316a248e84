/* Files in memory. An inode is a file, a directory, a link, a device; directories give them names. It lives as long as it has a
   name (`links`) or somebody uses it (`users`): an open file whose name is gone is still a file. A regular file is pages, found
   through leaves of 1024 addresses; a page that was never written is a hole, and reads as zeroes. */
#include "files.h"

enum { LEAF = PAGE / 4, LEAVES = FILE_LIMIT / PAGE / LEAF };

struct inode *root;
static u32 next_number = 1;
u8 zeroes[PAGE];

struct inode *inode_make(u32 mode, u32 device)
{
    struct inode *inode = take(sizeof *inode);
    if (!inode)
        return 0;
    inode->number = next_number++;
    inode->mode = mode, inode->device = device;
    inode->users = 1;
    inode->next_position = 3; /* behind "." and ".." */
    inode->modified = machine_time();
    return inode;
}

void inode_hold(struct inode *inode) { inode->users++; }

static void release_pages(struct inode *inode, u32 first)
{
    for (u32 leaf = first / LEAF; leaf < LEAVES; leaf++) {
        u32 from = leaf == first / LEAF ? first % LEAF : 0;
        if (!inode->pages[leaf])
            continue;
        for (u32 i = from; i < LEAF; i++) {
            if (inode->pages[leaf][i])
                page_release(inode->pages[leaf][i]);
            inode->pages[leaf][i] = 0;
        }
        if (!from) {
            page_release(physical(inode->pages[leaf]));
            inode->pages[leaf] = 0;
        }
    }
}

/* A directory is a user of its parent, so that the end of one may be the end of several. */
void inode_release(struct inode *inode)
{
    while (inode && !--inode->users && !inode->links) {
        struct inode *parent = kind_of(inode) == DIRECTORY ? inode->parent : 0;
        release_pages(inode, 0);
        if (inode->target)
            give_back(inode->target);
        give_back(inode);
        inode = parent;
    }
}

u32 inode_page(struct inode *inode, u32 index, int make)
{
    if (index >= LEAVES * LEAF)
        return 0;
    u32 **leaf = &inode->pages[index / LEAF];
    if (!*leaf) {
        u32 page = make ? page_take() : 0;
        if (!page)
            return 0;
        *leaf = at_physical(page);
    }
    u32 *page = &(*leaf)[index % LEAF];
    if (!*page && make)
        *page = page_take();
    return *page;
}

/* What of [offset, offset + size) lies in one page, and in the file. */
static u32 part_of_page(const struct inode *inode, u32 offset, u32 size)
{
    u32 rest = offset < inode->size ? inode->size - offset : 0;
    return smaller(smaller(size, rest), PAGE - offset % PAGE);
}

static const u8 *bytes_at(struct inode *inode, u32 offset)
{
    u32 page = inode_page(inode, offset / PAGE, 0);
    return (page ? (const u8 *)at_physical(page) : zeroes) + offset % PAGE;
}

int inode_read(struct inode *inode, u32 offset, void *to, u32 size)
{
    u32 done = 0, part;
    while ((part = part_of_page(inode, offset + done, size - done))) {
        copy((u8 *)to + done, bytes_at(inode, offset + done), part);
        done += part;
    }
    return (int)done;
}

int inode_read_span(struct inode *inode, u32 offset, struct span *to)
{
    u32 size = to->size, part;
    int error = 0;
    while (!error && (part = part_of_page(inode, offset + size - to->size, to->size)))
        error = span_out(to, bytes_at(inode, offset + size - to->size), part);
    return to->size < size ? (int)(size - to->size) : error;
}

int inode_write(struct inode *inode, u32 offset, struct span *from)
{
    u32 size = from->size;
    int error = 0;
    while (from->size && !error) {
        u32 at = offset + size - from->size, part = smaller(from->size, PAGE - at % PAGE);
        u32 page = at < FILE_LIMIT ? inode_page(inode, at / PAGE, 1) : 0;
        error = at >= FILE_LIMIT ? -EFBIG : !page ? -ENOSPC : span_in(from, (u8 *)at_physical(page) + at % PAGE, part);
    }
    u32 done = size - from->size;
    if (!done)
        return error;
    if (inode->size < offset + done)
        inode->size = offset + done;
    inode->modified = machine_time();
    return (int)done;
}

int inode_truncate(struct inode *inode, u32 size)
{
    if (size > FILE_LIMIT)
        return -EFBIG;
    if (size < inode->size) {
        u32 page = size % PAGE ? inode_page(inode, size / PAGE, 0) : 0;
        if (page) /* what is cut off must not come back when the file grows */
            clear((u8 *)at_physical(page) + size % PAGE, PAGE - size % PAGE);
        release_pages(inode, (size + PAGE - 1) / PAGE);
    }
    inode->size = size;
    inode->modified = machine_time();
    return 0;
}

/* ---- Names. Few to a directory, so that a list is enough. */

struct inode *entry_find(struct inode *directory, const char *name)
{
    for (struct entry *entry = directory->entries; entry; entry = entry->next)
        if (same(entry->name, name))
            return entry->inode;
    return 0;
}

static void adopt(struct inode *directory, struct inode *child)
{
    inode_hold(directory);
    directory->links++;
    child->parent = directory;
    child->links++; /* its own "." */
}

int entry_add(struct inode *directory, const char *name, struct inode *inode)
{
    struct entry *entry = take(sizeof *entry), **last = &directory->entries;
    if (!entry)
        return -ENOSPC;
    while (*last)
        last = &(*last)->next;
    *last = entry;
    entry->inode = inode;
    entry->position = directory->next_position++;
    copy(entry->name, name, length(name) + 1);
    inode->links++;
    if (kind_of(inode) == DIRECTORY)
        adopt(directory, inode);
    directory->modified = machine_time();
    return 0;
}

/* The caller holds both; a directory stays a user of its parent until it is gone or moved. */
void entry_remove(struct inode *directory, const char *name)
{
    struct entry **at = &directory->entries;
    while (*at && !same((*at)->name, name))
        at = &(*at)->next;
    struct entry *entry = *at;
    if (!entry)
        return;
    *at = entry->next;
    entry->inode->links--;
    if (kind_of(entry->inode) == DIRECTORY)
        entry->inode->links--, directory->links--;
    directory->modified = machine_time();
    give_back(entry);
}

void make_node(struct inode *directory, const char *name, u32 mode, u32 device)
{
    struct inode *inode = inode_make(mode, device);
    if (inode)
        entry_add(directory, name, inode), inode_release(inode);
}

/* The tree as it is before the initramfs is unpacked: "/" and "/dev". What exists is not replaced by the archive's. */
void inode_start(void)
{
    struct inode *devices = inode_make(DIRECTORY | 0755, 0);
    root = inode_make(DIRECTORY | 0755, 0);
    if (!root || !devices)
        give_up("no memory for files");
    root->links = 2;
    root->parent = root;
    entry_add(root, "dev", devices);
    make_node(devices, "console", DEVICE | 0666, DEVICE_CONSOLE);
    make_node(devices, "tty", DEVICE | 0666, DEVICE_TTY);
    make_node(devices, "null", DEVICE | 0666, DEVICE_NULL);
    make_node(devices, "zero", DEVICE | 0666, DEVICE_ZERO);
    devices_start(devices);
    inode_release(devices);
}
