/* System calls that tell and set what is known of a file: stat, access, chmod, readlink, getdents; and the working directory. */
#include "files.h"

enum { KEEP = 0x100, EMPTY_PATH = 0x1000, EXECUTE = 1, BLOCK = 512 };

struct stat64 { /* as the system calls have it: 104 bytes */
    u64 device;
    u32 none1, short_inode, mode, links, user, group;
    u64 device_of;
    u32 none2, none3;
    u64 size;
    u32 block_size, none4;
    u64 blocks;
    u32 times[6]; /* access, modification, change: seconds and nanoseconds */
    u64 inode;
};

static int tell(struct inode *inode, u32 to, u32 none)
{
    struct stat64 stat;
    (void)none;
    clear(&stat, sizeof stat);
    stat.device = 1;
    stat.inode = stat.short_inode = inode->number;
    stat.mode = inode->mode, stat.links = inode->links, stat.device_of = inode->device;
    stat.size = inode->size;
    stat.block_size = PAGE;
    stat.blocks = (inode->size + PAGE - 1) / PAGE * (PAGE / BLOCK);
    for (u32 i = 0; i < 6; i += 2)
        stat.times[i] = (u32)divide(inode->modified, 1000000000, &stat.times[i + 1]);
    return copy_out(to, &stat, sizeof stat);
}

static int tell_file(const struct file *file, u32 to)
{
    struct inode nameless = {.mode = file->operations == &pipe_operations ? FIFO | 0600 : SOCKET | 0777, .links = 1};
    return tell(file->inode ? file->inode : &nameless, to, 0);
}

static int sys_fstat(ARGS2(descriptor, to))
{
    struct file *file = file_of((int)descriptor);
    return file ? tell_file(file, to) : -EBADF;
}

static int sys_fstatat(ARGS4(at, path, to, flags))
{
    char first;
    if (flags & EMPTY_PATH && !copy_in(&first, path, 1) && !first)
        return (int)at == HERE ? tell(current->directory, to, 0) : sys_fstat(at, to, 0, 0, 0, 0);
    return at_path((int)at, path, flags & KEEP ? KEEP_LINK : FOLLOW, tell, to, 0);
}

static int sys_stat(ARGS2(path, to)) { return at_path(HERE, path, FOLLOW, tell, to, 0); }
static int sys_lstat(ARGS2(path, to)) { return at_path(HERE, path, KEEP_LINK, tell, to, 0); }

/* ---- Modes */

/* Root may read and write what there is, and execute what anybody may. */
static int permits(struct inode *inode, u32 wanted, u32 none)
{
    (void)none;
    return wanted & EXECUTE && kind_of(inode) != DIRECTORY && !(inode->mode & 0111) ? -EACCES : 0;
}

static int sys_faccessat(ARGS3(at, path, wanted))
{
    return wanted > 7 ? -EINVAL : at_path((int)at, path, FOLLOW, permits, wanted, 0);
}

static int sys_access(ARGS2(path, wanted)) { return sys_faccessat((u32)HERE, path, wanted, 0, 0, 0); }

static int change_mode(struct inode *inode, u32 mode, u32 none)
{
    (void)none;
    inode->mode = kind_of(inode) | (mode & 07777);
    return 0;
}

static int sys_fchmodat(ARGS3(at, path, mode)) { return at_path((int)at, path, FOLLOW, change_mode, mode, 0); }
static int sys_chmod(ARGS2(path, mode)) { return at_path(HERE, path, FOLLOW, change_mode, mode, 0); }

static int sys_fchmod(ARGS2(descriptor, mode))
{
    struct file *file = file_of((int)descriptor);
    return !file ? -EBADF : file->inode ? change_mode(file->inode, mode, 0) : -EINVAL;
}

static int sys_umask(ARGS1(mask))
{
    u32 before = current->umask;
    current->umask = mask & 0777;
    return (int)before;
}

/* ---- Sizes */

/* No file is as large as what `high` counts; before it is looked at all others are refused. */
static int truncate(struct inode *inode, u32 low, u32 high)
{
    u32 kind = kind_of(inode);
    return kind == DIRECTORY ? -EISDIR : kind != REGULAR ? -EINVAL : high ? -EFBIG : inode_truncate(inode, low);
}

static int sys_truncate64(ARGS4(path, none, low, high))
{
    (void)none; /* a 64-bit argument begins at an even register */
    return (int)high < 0 ? -EINVAL : at_path(HERE, path, FOLLOW, truncate, low, high);
}

static int sys_ftruncate64(ARGS4(descriptor, none, low, high))
{
    struct file *file = file_of((int)descriptor);
    (void)none;
    if (!file)
        return -EBADF;
    if (!may_write(file) || !file->inode || kind_of(file->inode) != REGULAR || (int)high < 0)
        return -EINVAL;
    return truncate(file->inode, low, high);
}

static int sys_truncate(ARGS2(path, size)) { return sys_truncate64(path, 0, size, (u32)((int)size >> 31), 0, 0); }
static int sys_ftruncate(ARGS2(descriptor, size)) { return sys_ftruncate64(descriptor, 0, size, (u32)((int)size >> 31), 0, 0); }

/* ---- Links and directories */

static int tell_target(struct inode *inode, u32 to, u32 size)
{
    u32 part = smaller(inode->size, size);
    if (kind_of(inode) != LINK || (int)size <= 0)
        return -EINVAL;
    return copy_out(to, inode->target, part) ? -EFAULT : (int)part;
}

static int sys_readlinkat(ARGS4(at, path, to, size)) { return at_path((int)at, path, KEEP_LINK, tell_target, to, size); }
static int sys_readlink(ARGS3(path, to, size)) { return at_path(HERE, path, KEEP_LINK, tell_target, to, size); }

struct record { /* struct linux_dirent64; the next one begins at a multiple of eight */
    u64 inode, position;
    u16 size;
    u8 kind;
    char name[NAME + 9];
};
enum { RECORD_HEAD = 19 };

/* A name for a process that reads a directory. 1: it did not fit. */
static int put_record(struct span *to, const char *name, const struct inode *inode, u32 position)
{
    struct record record;
    u32 size = length(name), whole = (RECORD_HEAD + size + 1 + 7) & ~7u;
    if (whole > to->size)
        return 1;
    clear(&record, sizeof record);
    record.inode = inode->number, record.position = position;
    record.size = (u16)whole, record.kind = (u8)(kind_of(inode) >> 12);
    copy(record.name, name, size);
    return span_out(to, &record, whole);
}

/* The name that comes behind a position: ".", "..", then the entries as they were made. */
static const char *name_behind(struct inode *directory, u32 *position, struct inode **inode)
{
    if (*position < 2) {
        *inode = *position ? directory->parent : directory;
        return ++*position == 1 ? "." : "..";
    }
    for (struct entry *entry = directory->entries; entry; entry = entry->next)
        if (entry->position > *position)
            return *position = entry->position, *inode = entry->inode, entry->name;
    return 0;
}

static int sys_getdents(ARGS3(descriptor, to, size))
{
    struct span span;
    struct inode *inode;
    const char *name;
    struct file *file = file_of((int)descriptor);
    int outcome = span_of(&span, to, size);
    if (outcome || !file)
        return outcome ? outcome : -EBADF;
    if (!file->inode || kind_of(file->inode) != DIRECTORY)
        return -ENOTDIR;
    if (!file->inode->links) /* it was removed */
        return -ENOENT;
    u32 done = 0;
    for (u32 position = file->offset; (name = name_behind(file->inode, &position, &inode)); file->offset = position) {
        outcome = put_record(&span, name, inode, position);
        if (outcome)
            break;
        done = size - span.size;
    }
    return outcome && !done ? (outcome > 0 ? -EINVAL : outcome) : (int)done;
}

/* ---- The working directory */

static int enter(struct inode *inode, u32 none, u32 nothing)
{
    (void)none, (void)nothing;
    if (kind_of(inode) != DIRECTORY)
        return -ENOTDIR;
    inode_hold(inode);
    inode_release(current->directory);
    current->directory = inode;
    return 0;
}

static int sys_chdir(ARGS1(path)) { return at_path(HERE, path, FOLLOW, enter, 0, 0); }

static int sys_fchdir(ARGS1(descriptor))
{
    struct file *file = file_of((int)descriptor);
    return !file ? -EBADF : file->inode ? enter(file->inode, 0, 0) : -ENOTDIR;
}

static const char *name_of(const struct inode *inode)
{
    const struct entry *entry = inode->parent->entries;
    while (entry && entry->inode != inode)
        entry = entry->next;
    return entry ? entry->name : 0;
}

/* Written from its end to its beginning, as it is found. */
static int sys_getcwd(ARGS2(to, size))
{
    char text[PATH];
    u32 start = PATH - 1;
    text[start] = 0;
    for (const struct inode *at = current->directory; at != root; at = at->parent) {
        const char *name = name_of(at);
        if (!name)
            return -ENOENT;
        u32 more = length(name);
        if (more + 1 > start)
            return -ENAMETOOLONG;
        start -= more + 1;
        text[start] = '/';
        copy(text + start + 1, name, more);
    }
    if (start == PATH - 1)
        text[--start] = '/';
    if (size < PATH - start)
        return -ERANGE;
    return copy_out(to, text + start, PATH - start) ? -EFAULT : (int)(PATH - start);
}

const struct call status_calls[] = {
    CALL(12, "chdir", sys_chdir), CALL(15, "chmod", sys_chmod), CALL(33, "access", sys_access),
    CALL(60, "umask", sys_umask), CALL(85, "readlink", sys_readlink), CALL(92, "truncate", sys_truncate),
    CALL(93, "ftruncate", sys_ftruncate), CALL(94, "fchmod", sys_fchmod), CALL(133, "fchdir", sys_fchdir),
    CALL(183, "getcwd", sys_getcwd), CALL(193, "truncate64", sys_truncate64), CALL(194, "ftruncate64", sys_ftruncate64),
    CALL(195, "stat64", sys_stat), CALL(196, "lstat64", sys_lstat), CALL(197, "fstat64", sys_fstat),
    CALL(217, "getdents64", sys_getdents), CALL(327, "fstatat64", sys_fstatat), CALL(332, "readlinkat", sys_readlinkat),
    CALL(333, "fchmodat", sys_fchmodat), CALL(334, "faccessat", sys_faccessat),
    {0, 0},
};
