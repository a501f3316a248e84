/* System calls that make, find and take away names: open, link, rename and their kind. Most exist twice: relative to the
   working directory, and (..at) to an open one. Everybody is root here: modes are kept and shown, and only execution asks
   for them. */
#include "files.h"

enum { REMOVE_DIRECTORY = 0x200, FOLLOW_LINK = 0x400 };

/* A new inode under the name that a walk did not find. */
int walk_create(struct walk *found, u32 mode, u32 device)
{
    if (!found->directory->links) /* it was removed while somebody was in it */
        return -ENOENT;
    struct inode *inode = inode_make(mode, device);
    if (!inode)
        return -ENOSPC;
    int error = entry_add(found->directory, found->name, inode);
    if (error)
        inode_release(inode);
    else
        found->inode = inode;
    return error;
}

u32 masked(u32 mode) { return mode & 07777 & ~current->umask; }

/* ---- open */

static int create_file(struct walk *found, u32 flags, u32 mode)
{
    if (!(flags & CREATE))
        return -ENOENT;
    return found->slash ? -EISDIR : walk_create(found, REGULAR | masked(mode), 0);
}

static int may_open(const struct inode *inode, u32 flags)
{
    u32 kind = kind_of(inode);
    if ((flags & (CREATE | EXCLUSIVE)) == (CREATE | EXCLUSIVE))
        return -EEXIST;
    if (kind == DIRECTORY && (flags & CREATE || (flags & ACCESS_MODE) != READ_ONLY))
        return -EISDIR;
    if (kind != DIRECTORY && flags & O_DIRECTORY_)
        return -ENOTDIR;
    return 0;
}

static int open_walked(struct walk *found, u32 flags, u32 mode)
{
    int error = found->inode ? may_open(found->inode, flags) : create_file(found, flags, mode);
    if (error)
        return error;
    int descriptor = file_open(found->inode, flags);
    if (descriptor >= 0 && flags & TRUNCATE && kind_of(found->inode) == REGULAR)
        inode_truncate(found->inode, 0);
    return descriptor;
}

static int sys_openat(ARGS4(at, path, flags, mode))
{
    struct walk found;
    int keep = flags & O_NOFOLLOW_ || (flags & (CREATE | EXCLUSIVE)) == (CREATE | EXCLUSIVE);
    if ((flags & ACCESS_MODE) == ACCESS_MODE)
        return -EINVAL;
    if (!file_room())
        return -EMFILE;
    int outcome = walk_user((int)at, path, keep ? KEEP_LINK : FOLLOW, &found);
    if (outcome)
        return outcome;
    outcome = open_walked(&found, flags, mode);
    walk_end(&found);
    return outcome;
}

static int sys_open(ARGS3(path, flags, mode)) { return sys_openat((u32)HERE, path, flags, mode, 0, 0); }
static int sys_creat(ARGS2(path, mode)) { return sys_openat((u32)HERE, path, WRITE_ONLY | CREATE | TRUNCATE, mode, 0, 0); }

/* ---- New names */

/* The walk to a name that must not exist yet. */
static int walk_new(u32 at, u32 path, int may_slash, struct walk *found)
{
    int error = walk_user((int)at, path, KEEP_LINK, found);
    if (error)
        return error;
    error = found->inode ? -EEXIST : found->slash && !may_slash ? -ENOENT : 0;
    if (error)
        walk_end(found);
    return error;
}

static int sys_mkdirat(ARGS3(at, path, mode))
{
    struct walk found;
    int error = walk_new(at, path, 1, &found);
    if (error)
        return error;
    error = walk_create(&found, DIRECTORY | (masked(mode) & 01777), 0);
    walk_end(&found);
    return error;
}

static int link_walked(struct inode *inode, u32 at, u32 path)
{
    struct walk found;
    if (kind_of(inode) == DIRECTORY)
        return -EPERM;
    int error = walk_new(at, path, 0, &found);
    if (error)
        return error;
    error = found.directory->links ? entry_add(found.directory, found.name, inode) : -ENOENT;
    walk_end(&found);
    return error;
}

static int sys_linkat(ARGS5(at, path, new_at, new_path, flags))
{
    int error;
    struct inode *inode = walk_inode((int)at, path, flags & FOLLOW_LINK ? FOLLOW : KEEP_LINK, &error);
    if (!inode)
        return error;
    error = link_walked(inode, new_at, new_path);
    inode_release(inode);
    return error;
}

static int set_target(struct inode *inode, const char *target)
{
    inode->size = length(target);
    inode->target = take(inode->size + 1);
    if (!inode->target)
        return -ENOSPC;
    copy(inode->target, target, inode->size);
    return 0;
}

static int sys_symlinkat(ARGS3(target, at, path))
{
    char text[PATH];
    struct walk found;
    int error = copy_string(text, target, PATH);
    if (error <= 0)
        return error ? error : -ENOENT;
    error = walk_new(at, path, 0, &found);
    if (error)
        return error;
    error = walk_create(&found, LINK | 0777, 0);
    if (!error && (error = set_target(found.inode, text)))
        entry_remove(found.directory, found.name);
    walk_end(&found);
    return error;
}

static int sys_mkdir(ARGS2(path, mode)) { return sys_mkdirat((u32)HERE, path, mode, 0, 0, 0); }
static int sys_link(ARGS2(path, new_path)) { return sys_linkat((u32)HERE, path, (u32)HERE, new_path, 0, 0); }
static int sys_symlink(ARGS2(target, path)) { return sys_symlinkat(target, (u32)HERE, path, 0, 0, 0); }

/* ---- Names that go */

/* Whether a directory may lose the name that a walk ended with. */
static int may_remove(const struct walk *found)
{
    if (!found->inode)
        return -ENOENT;
    if (!found->name[0] || found->inode == root)
        return -EBUSY;
    if (same(found->name, "."))
        return -EINVAL;
    if (same(found->name, ".."))
        return -ENOTEMPTY;
    return found->inode->entries ? -ENOTEMPTY : 0;
}

static int remove_walked(struct walk *found, int directory)
{
    int is_directory = found->inode && kind_of(found->inode) == DIRECTORY;
    int error = found->inode && is_directory != directory ? (directory ? -ENOTDIR : -EISDIR) : may_remove(found);
    if (!error)
        entry_remove(found->directory, found->name);
    return error;
}

static int sys_unlinkat(ARGS3(at, path, flags))
{
    struct walk found;
    int error = flags & ~(u32)REMOVE_DIRECTORY ? -EINVAL : walk_user((int)at, path, KEEP_LINK, &found);
    if (error)
        return error;
    error = remove_walked(&found, (flags & REMOVE_DIRECTORY) != 0);
    walk_end(&found);
    return error;
}

static int sys_unlink(ARGS1(path)) { return sys_unlinkat((u32)HERE, path, 0, 0, 0, 0); }
static int sys_rmdir(ARGS1(path)) { return sys_unlinkat((u32)HERE, path, REMOVE_DIRECTORY, 0, 0, 0); }

/* ---- rename */

static int is_below(const struct inode *directory, const struct inode *top)
{
    while (directory != top && directory != root)
        directory = directory->parent;
    return directory == top;
}

static int has_own_name(const struct walk *found) { return found->name[0] && !same(found->name, ".") && !same(found->name, ".."); }

/* Whether what `from` found may take the place that `to` found. */
static int may_rename(const struct walk *from, const struct walk *to)
{
    int directory = from->inode && kind_of(from->inode) == DIRECTORY;
    if (!from->inode || !to->directory->links)
        return -ENOENT;
    if (!has_own_name(from) || !has_own_name(to))
        return -EBUSY;
    if (directory && is_below(to->directory, from->inode))
        return -EINVAL;
    if (!to->inode)
        return to->slash && !directory ? -ENOTDIR : 0;
    if (directory != (kind_of(to->inode) == DIRECTORY))
        return directory ? -ENOTDIR : -EISDIR;
    return to->inode->entries ? -ENOTEMPTY : 0;
}

/* The new name comes first, so that nothing is lost if there is no room for it. */
static int rename_walked(struct walk *from, struct walk *to)
{
    int error = may_rename(from, to);
    if (error || from->inode == to->inode)
        return error;
    error = entry_add(to->directory, to->name, from->inode);
    if (error)
        return error;
    if (to->inode)
        entry_remove(to->directory, to->name);
    entry_remove(from->directory, from->name);
    if (kind_of(from->inode) == DIRECTORY)
        inode_release(from->directory); /* it has another parent now */
    return 0;
}

static int sys_renameat(ARGS4(at, path, new_at, new_path))
{
    struct walk from, to;
    int error = walk_user((int)at, path, KEEP_LINK, &from);
    if (error)
        return error;
    error = walk_user((int)new_at, new_path, KEEP_LINK, &to);
    if (!error) {
        error = rename_walked(&from, &to);
        walk_end(&to);
    }
    walk_end(&from);
    return error;
}

static int sys_rename(ARGS2(path, new_path)) { return sys_renameat((u32)HERE, path, (u32)HERE, new_path, 0, 0); }

const struct call name_calls[] = {
    CALL(5, "open", sys_open), CALL(8, "creat", sys_creat), CALL(9, "link", sys_link), CALL(10, "unlink", sys_unlink),
    CALL(38, "rename", sys_rename), CALL(39, "mkdir", sys_mkdir), CALL(40, "rmdir", sys_rmdir),
    CALL(83, "symlink", sys_symlink), CALL(322, "openat", sys_openat), CALL(323, "mkdirat", sys_mkdirat),
    CALL(328, "unlinkat", sys_unlinkat), CALL(329, "renameat", sys_renameat), CALL(330, "linkat", sys_linkat),
    CALL(331, "symlinkat", sys_symlinkat),
    {0, 0},
};
