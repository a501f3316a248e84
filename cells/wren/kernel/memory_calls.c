/* System calls about memory: the heap's end, mappings and their rights. What they change are regions (region.c). */
#include "../files/files.h"

enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20 };

static int is_free(struct memory *memory, u32 start, u32 end)
{
    struct region *region = memory->regions;
    while (region && region->end <= start)
        region = region->next;
    return !region || region->start >= end;
}

/* The lowest free range; 0: none. */
static u32 find_room(struct memory *memory, u32 size)
{
    u32 at = MAPPINGS;
    for (struct region *region = memory->regions; region; region = region->next) {
        if (region->end <= at)
            continue;
        if (region->start >= at && region->start - at >= size)
            return at;
        at = region->end;
    }
    return at < USER_END && USER_END - at >= size ? at : 0;
}

static int is_user_range(u32 start, u32 size)
{
    return !(start % PAGE) && start >= USER_BASE && start <= USER_END && size <= USER_END - start;
}

static int call_brk(ARGS1(wanted))
{
    struct memory *memory = current->memory;
    u32 start = memory->brk_start, end = rounded(memory->brk_end), new_end = rounded(wanted);
    if (wanted < start || wanted > MAPPINGS || new_end - start > REGION_LIMIT)
        return (int)memory->brk_end;
    struct region *heap = region_at(memory, start);
    if (new_end > end && !is_free(memory, end, new_end))
        return (int)memory->brk_end;
    if (new_end > end && heap && heap->end == end && !heap->inode && !heap->shared)
        heap->end = new_end;
    else if (new_end > end && region_add(memory, end, new_end, READABLE | WRITABLE, 0, 0, 0))
        return (int)memory->brk_end;
    else if (new_end < end && region_remove(memory, new_end, end))
        return (int)memory->brk_end;
    return (int)(memory->brk_end = wanted);
}

/* The file of a mapping, with a user more; 0 with *error. `never_write`: what was opened for reading only. */
static struct inode *mapped_inode(u32 descriptor, u32 protection, u32 flags, int *never_write, int *error)
{
    if (flags & MAP_ANONYMOUS) {
        struct inode *inode = flags & MAP_SHARED ? inode_make(REGULAR | 0600, 0) : 0;
        *error = flags & MAP_SHARED && !inode ? -ENOMEM : 0;
        return inode;
    }
    enum { ACCESS = 3, READ_ONLY = 0, WRITE_ONLY = 1, READ_WRITE = 2 };
    struct file *file = file_of((int)descriptor);
    *error = !file ? -EBADF : !file->inode || kind_of(file->inode) != REGULAR ? -ENODEV : 0;
    if (*error)
        return 0;
    u32 access = file->flags & ACCESS;
    *never_write = access != READ_WRITE;
    if (access == WRITE_ONLY || (flags & MAP_SHARED && protection & WRITABLE && *never_write)) {
        *error = -EACCES;
        return 0;
    }
    inode_hold(file->inode);
    return file->inode;
}

static int map_range(u32 start, u32 size, u32 protection, u32 flags, struct inode *inode, u32 offset, int shared)
{
    struct memory *memory = current->memory;
    if (flags & MAP_ANONYMOUS && inode)
        inode->size = size;
    if (flags & MAP_FIXED) {
        if (!is_user_range(start, size))
            return -EINVAL;
        int error = region_remove(memory, start, start + size);
        if (error)
            return error;
    } else if (!start || !is_user_range(start, size) || !is_free(memory, start, start + size)) {
        start = find_room(memory, size);
        if (!start)
            return -ENOMEM;
    }
    int error = region_add(memory, start, start + size, protection & 7, inode, offset, shared);
    return error ? error : (int)start;
}

static int call_mmap2(u32 start, u32 size, u32 protection, u32 flags, u32 descriptor, u32 page)
{
    u32 kind = flags & (MAP_SHARED | MAP_PRIVATE);
    if (!size || size > REGION_LIMIT)
        return size ? -ENOMEM : -EINVAL;
    size = rounded(size);
    if ((kind != MAP_SHARED && kind != MAP_PRIVATE) || start % PAGE || page >= 1 << 19)
        return -EINVAL;
    int error, never_write = 0;
    struct inode *inode = mapped_inode(descriptor, protection, flags, &never_write, &error);
    if (error)
        return error;
    int shared = kind == MAP_SHARED ? SHARED | (never_write ? NEVER_WRITE : 0) : 0;
    int result = map_range(start, size, protection, flags, inode, flags & MAP_ANONYMOUS ? 0 : page * PAGE, shared);
    if (inode)
        inode_release(inode); /* the region holds it */
    return result;
}

static int call_munmap(ARGS2(start, size))
{
    if (!size || size > USER_END || !is_user_range(start, rounded(size)))
        return -EINVAL;
    return region_remove(current->memory, start, start + rounded(size));
}

static int call_mprotect(ARGS3(start, size, rights))
{
    if (size > USER_END || !is_user_range(start, rounded(size)) || rights & ~7u)
        return -EINVAL;
    return region_protect(current->memory, start, start + rounded(size), rights);
}

/* What is read again from memory needs no writing back: files are memory. */
static int call_nothing(ARGS0()) { return 0; }

const struct call memory_calls[] = {
    CALL(45, "brk", call_brk), CALL(91, "munmap", call_munmap), CALL(125, "mprotect", call_mprotect),
    CALL(144, "msync", call_nothing), CALL(192, "mmap2", call_mmap2), CALL(220, "madvise", call_nothing),
    {0, 0},
};
