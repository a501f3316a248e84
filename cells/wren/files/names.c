/* The tree of names, and the system calls by name. It is one table of whole paths: that a directory exists and what is in it, the
   paths tell. Everybody is root here, and in "/": modes are kept and shown, and only exec asks for them. New files are made with
   Linux's usual mask. */
#include "files.h"

enum { MASK = 022, BLOCK = 512 };

static struct name names[NAMES]; /* without an inode: the place is free. The first one is the root */

/* ---- paths */

/* A path of so many bytes; 0: nobody has this name. */
static struct name *look_up(const char *path, u32 size)
{
    for (struct name *name = names; name < names + NAMES; name++)
        if (name->inode && equal(name->path, path, size) && !name->path[size])
            return name;
    return 0;
}

/* Slashes too many and "." are left out on the way. */
int name_find(const char *path, struct name *found)
{
    u32 size = 0, directory;
    if (!*path)
        return -ENOENT;
    for (; *path; path++) {
        int begins = !size || found->path[size - 1] == '/';
        if (begins && (*path == '/' || (*path == '.' && (path[1] == '/' || !path[1]))))
            continue;
        if (size == NAME - 1)
            return -ENAMETOOLONG;
        found->path[size++] = *path;
    }
    size -= size && found->path[size - 1] == '/';
    found->path[size] = 0;
    const struct name *name = look_up(found->path, size);
    found->inode = name ? name->inode : 0;
    for (directory = size; directory && found->path[directory] != '/';)
        directory--;
    const struct name *above = look_up(found->path, directory);
    return name ? 0 : !above ? -ENOENT : kind_of(above->inode) != DIRECTORY ? -ENOTDIR : 0;
}

int name_find_user(u32 path, struct name *found)
{
    char text[PATH];
    int size = copy_string(text, path, PATH);
    return size < 0 ? size : name_find(text, found);
}

int name_add(const char *path, struct inode *inode)
{
    struct name *name = names;
    while (name < names + NAMES && name->inode)
        name++;
    if (inode && name < names + NAMES) {
        copy(name->path, path, length(path) + 1);
        name->inode = inode;
        return 0;
    }
    if (inode)
        inode_release(inode);
    return -ENOSPC;
}

void files_start(void)
{
    if (name_add("", inode_new(DIRECTORY | 0755)) || name_add("dev", inode_new(DIRECTORY | 0755)))
        give_up("no names");
    devices_start();
}

/* ---- open, mkdir and unlink */

int sys_open(ARGS3(path, flags, mode))
{
    struct name found;
    int error = name_find_user(path, &found);
    if (!error && found.inode && flags & CREATE && flags & EXCLUSIVE)
        error = -EEXIST;
    if (!error && !found.inode)
        error = flags & CREATE ? name_add(found.path, inode_new(REGULAR | (mode & 0777 & ~MASK))) : -ENOENT;
    if (error)
        return error;
    struct inode *inode = look_up(found.path, length(found.path))->inode;
    int is_directory = kind_of(inode) == DIRECTORY;
    if (is_directory ? flags & (CREATE | ACCESS_MODE) : flags & DIRECTORY_ONLY)
        return is_directory ? -EISDIR : -ENOTDIR;
    if (!inode->operations)
        return -ENXIO; /* a socket's name, or a device that this machine does not have */
    struct file *file = file_new(inode->operations, inode, flags);
    int descriptor = file_describe(file);
    if (descriptor < 0)
        return descriptor;
    if (flags & TRUNCATE && kind_of(inode) == REGULAR)
        inode_empty(inode);
    if (inode->operations->open)
        error = inode->operations->open(file);
    if (error)
        file_close((u32)descriptor);
    return error ? error : descriptor;
}

int sys_mkdir(ARGS2(path, mode))
{
    struct name found;
    int error = name_find_user(path, &found);
    if (error || found.inode)
        return error ? error : -EEXIST;
    return name_add(found.path, inode_new(DIRECTORY | (mode & 0777 & ~MASK)));
}

int sys_unlink(ARGS1(path))
{
    struct name found;
    int error = name_find_user(path, &found);
    if (error || !found.inode)
        return error ? error : -ENOENT;
    if (kind_of(found.inode) == DIRECTORY)
        return -EISDIR;
    look_up(found.path, length(found.path))->inode = 0;
    inode_release(found.inode);
    return 0;
}

/* ---- what is known of a file */

static int tell(const struct inode *inode, u32 to)
{
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
    } stat = {.device = 1, .inode = inode->number, .mode = inode->mode, .links = 1, .block_size = PAGE, .size = inode->size};
    stat.short_inode = inode->number;
    stat.blocks = rounded(inode->size) / BLOCK;
    return copy_out(to, &stat, sizeof stat);
}

int sys_stat(ARGS2(path, to))
{
    struct name found;
    int error = name_find_user(path, &found);
    if (error || !found.inode)
        return error ? error : -ENOENT;
    return tell(found.inode, to);
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

/* A name in it, without its path; 0: it is elsewhere. */
static const char *name_in(const struct inode *directory, const struct name *name)
{
    u32 size = length(name->path);
    while (size && name->path[size - 1] != '/')
        size--;
    const struct name *above = name->inode && name != names ? look_up(name->path, size - (size != 0)) : 0;
    return above && above->inode == directory ? name->path + size : 0;
}

int sys_getdents(ARGS3(descriptor, to, size))
{
    struct record { /* struct linux_dirent64; the next one begins at a multiple of eight */
        u64 inode, position;
        u16 size;
        u8 kind;
        char name[NAME + 5];
    };
    enum { RECORD_HEAD = 19 };
    struct file *file = file_of(descriptor);
    u32 done = 0;
    if (!file || !file->inode || kind_of(file->inode) != DIRECTORY)
        return file ? -ENOTDIR : -EBADF;
    for (u32 at = file->offset; at < NAMES; file->offset = ++at) {
        const struct inode *inode = names[at].inode;
        const char *name = name_in(file->inode, &names[at]);
        if (!name)
            continue;
        u32 whole = (RECORD_HEAD + length(name) + 1 + 7) & ~7u;
        struct record record = {inode->number, at + 1, (u16)whole, (u8)(kind_of(inode) >> 12), {0}};
        copy(record.name, name, length(name));
        if (whole > size - done)
            return done ? (int)done : -EINVAL;
        if (copy_out(to + done, &record, whole))
            return -EFAULT;
        done += whole;
    }
    return (int)done;
}
