/* From a path to an inode: name by name through the directories, and through symbolic links, whose target takes the place of
   what was walked so far. */
#include "files.h"

enum { LINKS = 40 }; /* as Linux: more of them are a circle */

static const char *skip_slashes(const char *at)
{
    while (*at == '/')
        at++;
    return at;
}

/* Where a name leads. A directory that was removed has no parent; "." is all that is in it. */
static struct inode *look_up(struct inode *directory, const char *name)
{
    if (same(name, "."))
        return directory;
    return same(name, "..") ? directory->parent : entry_find(directory, name);
}

/* The path is the link's target now, and then what was left of it. */
static int follow_link(char text[PATH], const char *rest, const char *target)
{
    char left[PATH];
    u32 size = length(target), more = length(rest) + 1;
    if (size + more > PATH)
        return -ENAMETOOLONG;
    copy(left, rest, more);
    copy(text, target, size);
    copy(text + size, left, more);
    return 0;
}

/* Take the next name off the path; what is behind it, or 0: it is too long. */
static const char *next_name(const char *at, char name[NAME + 1])
{
    u32 size = 0;
    for (at = skip_slashes(at); at[size] && at[size] != '/'; size++)
        if (size == NAME)
            return 0;
    copy(name, at, size);
    name[size] = 0;
    return at + size;
}

int walk(const char *path, int follow, struct walk *found)
{
    char text[PATH];
    const char *at = text;
    u32 links = 0;
    if (!*path || length(path) >= PATH)
        return *path ? -ENAMETOOLONG : -ENOENT;
    copy(text, path, length(path) + 1);
    *found = (struct walk){.inode = *path == '/' ? root : current->directory};
    found->directory = found->inode;
    while (*skip_slashes(at)) {
        found->directory = found->inode;
        if (!found->directory)
            return -ENOENT;
        if (kind_of(found->directory) != DIRECTORY)
            return -ENOTDIR;
        at = next_name(at, found->name);
        if (!at)
            return -ENAMETOOLONG;
        found->inode = look_up(found->directory, found->name);
        if (!found->inode || kind_of(found->inode) != LINK || (!*at && !follow))
            continue;
        int error = ++links > LINKS ? -ELOOP : follow_link(text, at, found->inode->target);
        if (error)
            return error;
        at = text;
        found->inode = *at == '/' ? root : found->directory;
    }
    return *at && found->inode && kind_of(found->inode) != DIRECTORY ? -ENOTDIR : 0;
}

int walk_user(u32 path, int follow, struct walk *found)
{
    char text[PATH];
    int size = copy_string(text, path, PATH);
    return size < 0 ? size : walk(text, follow, found);
}

int path_find(const char *path, struct inode **inode)
{
    struct walk found;
    int error = walk(path, FOLLOW, &found);
    *inode = found.inode;
    return error || *inode ? error : -ENOENT;
}

int path_find_user(u32 path, struct inode **inode)
{
    char text[PATH];
    int size = copy_string(text, path, PATH);
    return size < 0 ? size : path_find(text, inode);
}
