/* From a path to an inode: name by name through the directories, and through symbolic links, whose target takes the place of
   what was walked so far. */
#include "files.h"

enum { LINKS = 40 }; /* as Linux: more of them are a circle */

/* The walk's state: what is left of the path stands at `at` in `text`. */
struct way {
    struct inode *here; /* held */
    char text[PATH], *at;
    u32 links;
};

static void go(struct way *way, struct inode *to)
{
    inode_hold(to);
    inode_release(way->here);
    way->here = to;
}

static char *skip_slashes(char *at)
{
    while (*at == '/')
        at++;
    return at;
}

/* Take the next name off the path. */
static int next_name(struct way *way, char *name)
{
    u32 size = 0;
    while (way->at[size] && way->at[size] != '/')
        size++;
    if (kind_of(way->here) != DIRECTORY)
        return -ENOTDIR;
    if (size > NAME)
        return -ENAMETOOLONG;
    copy(name, way->at, size);
    name[size] = 0;
    way->at += size;
    return 0;
}

static struct inode *look_up(struct inode *directory, const char *name)
{
    if (same(name, "."))
        return directory;
    if (same(name, ".."))
        return directory->parent;
    return entry_find(directory, name);
}

/* The path is the link's target now, and then what was left of it. */
static int follow_link(struct way *way, const struct inode *link)
{
    char rest[PATH];
    u32 size = length(link->target), left = length(way->at);
    if (++way->links > LINKS)
        return -ELOOP;
    if (size + left + 1 > PATH)
        return -ENAMETOOLONG;
    copy(rest, way->at, left + 1);
    copy(way->text, link->target, size);
    copy(way->text + size, rest, left + 1);
    way->at = way->text;
    if (*way->at == '/')
        go(way, root);
    return 0;
}

static int finish(struct way *way, struct inode *inode, struct walk *found)
{
    if (found->slash && inode && kind_of(inode) != DIRECTORY)
        return -ENOTDIR;
    if (inode)
        inode_hold(inode);
    found->inode = inode;
    found->directory = way->here;
    return 0;
}

/* One name further. 1: there is more to do; 0: `found` is complete. */
static int step(struct way *way, int follow, struct walk *found)
{
    way->at = skip_slashes(way->at);
    if (!*way->at)
        return finish(way, way->here, found);
    int error = next_name(way, found->name);
    if (error)
        return error;
    struct inode *next = look_up(way->here, found->name);
    int last = !*skip_slashes(way->at);
    found->slash = *way->at == '/';
    if (next && kind_of(next) == LINK && (!last || follow || found->slash)) {
        found->name[0] = 0;
        error = follow_link(way, next);
        return error ? error : 1;
    }
    if (last)
        return finish(way, next, found);
    if (!next)
        return -ENOENT;
    go(way, next);
    return 1;
}

int walk(struct inode *from, const char *path, int follow, struct walk *found)
{
    struct way way = {.links = 0};
    u32 size = length(path);
    int more = 1;
    if (!size)
        return -ENOENT;
    if (size >= PATH)
        return -ENAMETOOLONG;
    copy(way.text, path, size + 1);
    clear(found, sizeof *found);
    way.at = way.text;
    way.here = *path == '/' ? root : from;
    inode_hold(way.here);
    while (more > 0)
        more = step(&way, follow, found);
    if (more < 0)
        inode_release(way.here);
    return more;
}

void walk_end(struct walk *found)
{
    if (found->inode)
        inode_release(found->inode);
    inode_release(found->directory);
}

/* The inode, held, and nothing else of a walk. */
static struct inode *only_inode(const struct walk *found, int *error)
{
    if (!found->inode)
        *error = -ENOENT;
    inode_release(found->directory);
    return found->inode;
}

struct inode *path_find(const char *path, int *error)
{
    struct walk found;
    *error = walk(current && current->directory ? current->directory : root, path, FOLLOW, &found);
    return *error ? 0 : only_inode(&found, error);
}

/* A name that a process gave, relative to an open directory or HERE. */
int walk_user(int descriptor, u32 path, int follow, struct walk *found)
{
    char text[PATH];
    int size = copy_string(text, path, PATH);
    if (size <= 0)
        return size ? size : -ENOENT;
    if (descriptor == HERE || text[0] == '/')
        return walk(current->directory, text, follow, found);
    struct file *file = file_of(descriptor);
    if (!file)
        return -EBADF;
    if (!file->inode || kind_of(file->inode) != DIRECTORY)
        return -ENOTDIR;
    return walk(file->inode, text, follow, found);
}

struct inode *walk_inode(int descriptor, u32 path, int follow, int *error)
{
    struct walk found;
    *error = walk_user(descriptor, path, follow, &found);
    return *error ? 0 : only_inode(&found, error);
}

int at_path(int descriptor, u32 path, int follow, inode_act *act, u32 a, u32 b)
{
    int outcome;
    struct inode *inode = walk_inode(descriptor, path, follow, &outcome);
    if (!inode)
        return outcome;
    outcome = act(inode, a, b);
    inode_release(inode);
    return outcome;
}
