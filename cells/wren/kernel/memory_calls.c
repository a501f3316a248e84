/* System calls about memory: the heap's end, mappings and their rights. What they change are regions (region.c). */
#include "kernel.h"

#include "../files/files.h"

enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, RIGHTS = 7 };

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

/* The answer is where the heap ends, then: who asked for what cannot be sees that it ends where it did. */
int sys_brk(ARGS1(wanted))
{
    struct memory *memory = current->memory;
    u32 end = rounded(memory->brk_end), new_end = rounded(wanted);
    struct region *heap = region_at(memory, memory->brk_start), more = {end, new_end, WRITABLE, 0, 0, 0, 0};
    int error = wanted < memory->brk_start || wanted > MAPPINGS || (new_end > end && !is_free(memory, end, new_end));
    if (!error && new_end < end)
        error = region_remove(memory, new_end, end);
    else if (!error && new_end > end && heap && heap->end == end)
        heap->end = new_end;
    else if (!error && new_end > end)
        error = region_add(memory, more);
    return (int)(error ? memory->brk_end : (memory->brk_end = wanted));
}

/* What a mapping shows, with a user more: a file, nothing (0), or, to share pages with one's children, a file without a
   name. */
static int mapped_inode(u32 descriptor, u32 size, u32 flags, struct inode **inode)
{
    struct file *file = flags & MAP_ANONYMOUS ? 0 : file_of(descriptor);
    int error = 0;
    if (flags & MAP_SHARED) {
        *inode = flags & MAP_ANONYMOUS ? inode_make(REGULAR) : 0;
        if (*inode)
            (*inode)->size = size;
        return *inode ? 0 : flags & MAP_ANONYMOUS ? -ENOMEM : -ENODEV; /* files cannot be shared so */
    }
    if (!(flags & MAP_ANONYMOUS))
        error = !file ? -EBADF : !file->inode || kind_of(file->inode) != REGULAR ? -ENODEV : !may_read(file) ? -EACCES : 0;
    *inode = file && !error ? file->inode : 0;
    if (*inode)
        inode_hold(*inode);
    return error;
}

static int find_place(u32 *start, u32 size, u32 flags)
{
    struct memory *memory = current->memory;
    if (flags & MAP_FIXED)
        return is_user_range(*start, size) ? region_remove(memory, *start, *start + size) : -EINVAL;
    if (!*start || !is_user_range(*start, size) || !is_free(memory, *start, *start + size))
        *start = find_room(memory, size);
    return *start ? 0 : -ENOMEM;
}

int sys_mmap2(ARGS6(start, size, rights, flags, descriptor, page))
{
    u32 kind = flags & (MAP_SHARED | MAP_PRIVATE);
    struct region region = {.rights = rights & RIGHTS, .shared = kind == MAP_SHARED};
    if (!size || (kind != MAP_SHARED && kind != MAP_PRIVATE) || start % PAGE || page >= FILE_LIMIT / PAGE)
        return -EINVAL;
    size = rounded(size);
    if (!size || (region.shared && size > FILE_LIMIT))
        return -ENOMEM;
    int error = mapped_inode(descriptor, size, flags, &region.inode);
    if (error)
        return error;
    error = find_place(&start, size, flags);
    region.start = start, region.end = start + size;
    region.offset = flags & MAP_ANONYMOUS ? 0 : page * PAGE;
    if (!error)
        error = region_add(current->memory, region);
    if (region.inode)
        inode_release(region.inode); /* the region holds it */
    return error ? error : (int)start;
}

int sys_munmap(ARGS2(start, size))
{
    if (!size || size > USER_END || !is_user_range(start, rounded(size)))
        return -EINVAL;
    return region_remove(current->memory, start, start + rounded(size));
}
