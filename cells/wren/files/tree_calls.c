/* System calls by name: open, make, remove, look at. Everybody is root here: modes are kept and shown, and only exec asks for
   them. New files are made with Linux's usual mask. */
#include "files.h"

enum { MASK = 022, BLOCK = 512 };

/* ---- open */

static int read_regular(struct file *file, u32 to, u32 size)
{
    u32 done = 0, part = size;
    for (void *at; at = inode_bytes(file->inode, file->offset, &part), part; part = size - done) {
        if (copy_out(to + done, at, part))
            return done ? (int)done : -EFAULT;
        file->offset += part, done += part;
    }
    return (int)done;
}

static int write_regular(struct file *file, u32 from, u32 size)
{
    if (file->flags & APPEND)
        file->offset = file->inode->size;
    int done = inode_write(file->inode, file->offset, from, size);
    if (done > 0)
        file->offset += (u32)done;
    return done;
}

static const struct file_operations regular_operations = {.read = read_regular, .write = write_regular};
static const struct file_operations directory_operations;

static const struct file_operations *operations_of(const struct inode *inode)
{
    switch (kind_of(inode)) {
    case REGULAR: return &regular_operations;
    case DIRECTORY: return &directory_operations;
    case DEVICE:
    case BLOCK_DEVICE: return device_operations(inode->device);
    default: return 0;
    }
}

/* What is found, or made, by open. */
static int find_or_make(u32 path, u32 flags, u32 mode, struct inode **inode)
{
    struct walk found;
    int exclusive = (flags & (CREATE | EXCLUSIVE)) == (CREATE | EXCLUSIVE);
    int error = walk_user(path, exclusive ? KEEP_LINK : FOLLOW, &found);
    *inode = found.inode;
    if (error || (!found.inode && !(flags & CREATE)))
        return error ? error : -ENOENT;
    if (!found.inode)
        return entry_make(found.directory, found.name, REGULAR | (mode & 07777 & ~MASK), inode);
    if (exclusive)
        return -EEXIST;
    if (kind_of(*inode) == DIRECTORY)
        return flags & (CREATE | ACCESS_MODE) ? -EISDIR : 0;
    return flags & DIRECTORY_ONLY ? -ENOTDIR : 0;
}

int sys_open(ARGS3(path, flags, mode))
{
    struct inode *inode;
    int error = find_or_make(path, flags, mode, &inode);
    const struct file_operations *operations = error ? 0 : operations_of(inode);
    if (!operations)
        return error ? error : -ENXIO; /* a socket's name, or a device that this machine does not have */
    int descriptor = file_new(operations, inode, flags, 0);
    if (descriptor >= 0 && operations->open)
        error = operations->open(current->files[descriptor]);
    if (descriptor >= 0 && flags & TRUNCATE && kind_of(inode) == REGULAR)
        inode_empty(inode);
    if (error)
        file_close((u32)descriptor);
    return error ? error : descriptor;
}

/* ---- names */

int sys_mkdir(ARGS2(path, mode))
{
    struct walk found;
    struct inode *made;
    int error = walk_user(path, KEEP_LINK, &found);
    if (error || found.inode)
        return error ? error : -EEXIST;
    return entry_make(found.directory, found.name, DIRECTORY | (mode & 01777 & ~MASK), &made);
}

static int remove_name(u32 path, int directory)
{
    struct walk found;
    int error = walk_user(path, KEEP_LINK, &found);
    if (error || !found.inode)
        return error ? error : -ENOENT;
    if ((kind_of(found.inode) == DIRECTORY) != directory)
        return directory ? -ENOTDIR : -EISDIR;
    if (found.inode == root || !same(found.name, found.inode->name)) /* "." and ".." are not for this */
        return -EBUSY;
    if (found.inode->entries)
        return -ENOTEMPTY;
    entry_remove(found.inode);
    return 0;
}

int sys_unlink(ARGS1(path)) { return remove_name(path, 0); }

int sys_rmdir(ARGS1(path)) { return remove_name(path, 1); }

int sys_chdir(ARGS1(path))
{
    struct inode *inode;
    int error = path_find_user(path, &inode);
    if (error || kind_of(inode) != DIRECTORY)
        return error ? error : -ENOTDIR;
    inode_hold(inode);
    inode_release(current->directory);
    current->directory = inode;
    return 0;
}

/* ---- what is known of a file */

struct stat64 { /* as the system calls have it: 104 bytes */
    u64 device;
    u32 none1, short_inode, mode, links, user, group;
    u64 device_of;
    u32 none2, none3;
    u64 size;
    u32 block_size, none4;
    u64 blocks;
    u32 times[6]; /* nobody keeps them */
    u64 inode;
};

static int tell(const struct inode *inode, u32 to)
{
    struct stat64 stat = {.device = 1, .inode = inode->number, .mode = inode->mode, .links = 1, .device_of = inode->device};
    stat.short_inode = inode->number;
    stat.size = inode->size;
    stat.block_size = PAGE;
    stat.blocks = rounded(inode->size) / BLOCK;
    return copy_out(to, &stat, sizeof stat);
}

int sys_stat(ARGS2(path, to))
{
    struct inode *inode;
    int error = path_find_user(path, &inode);
    return error ? error : tell(inode, to);
}

int sys_fstat(ARGS2(descriptor, to))
{
    struct file *file = file_of(descriptor);
    if (!file)
        return -EBADF;
    struct inode nameless = {.mode = file->operations->kind | 0600};
    return tell(file->inode ? file->inode : &nameless, to);
}

/* ---- what is in a directory */

struct record { /* struct linux_dirent64; the next one begins at a multiple of eight */
    u64 inode, position;
    u16 size;
    u8 kind;
    char name[NAME + 9];
};
enum { RECORD_HEAD = 19 };

/* The name that comes behind a position: ".", "..", then the entries, whose numbers go up. */
static const char *name_behind(struct inode *directory, u32 *position, struct inode **inode)
{
    *inode = *position ? directory->parent : directory;
    if (*position < 2)
        return (*position)++ ? ".." : ".";
    for (*inode = directory->entries; *inode && (*inode)->number <= *position;)
        *inode = (*inode)->next;
    if (*inode)
        *position = (*inode)->number;
    return *inode ? (*inode)->name : 0;
}

int sys_getdents(ARGS3(descriptor, to, size))
{
    struct file *file = file_of(descriptor);
    struct inode *inode;
    const char *name;
    u32 done = 0;
    if (!file)
        return -EBADF;
    if (!file->inode || kind_of(file->inode) != DIRECTORY)
        return -ENOTDIR;
    if (!file->inode->parent) /* it was removed */
        return -ENOENT;
    for (u32 position = file->offset; (name = name_behind(file->inode, &position, &inode)); file->offset = position) {
        u32 whole = (RECORD_HEAD + length(name) + 1 + 7) & ~7u;
        struct record record = {inode->number, position, (u16)whole, (u8)(kind_of(inode) >> 12), {0}};
        copy(record.name, name, length(name));
        if (whole > size - done)
            return done ? (int)done : -EINVAL;
        if (copy_out(to + done, &record, whole))
            return -EFAULT;
        done += whole;
    }
    return (int)done;
}
