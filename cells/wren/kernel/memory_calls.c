/* System calls about memory: the heap's end, and mappings. */
#include "kernel.h"

#include "../files/files.h"

enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, LIMIT = 256 << 20, SHARED_LIMIT = 1 << 20 };

static int is_free(struct memory *memory, u32 start, u32 end) { return !range_next(memory, &start, end); }

static int is_user_range(u32 start, u32 size)
{
    return !(start % PAGE) && start >= USER_BASE && start <= USER_END && size <= USER_END - start;
}

/* The answer is where the heap ends, then: who asked for what cannot be sees that it ends where it did. */
int sys_brk(ARGS1(wanted))
{
    struct memory *memory = current->memory;
    u32 end = rounded(memory->brk_end), new_end = rounded(wanted);
    if (wanted < memory->brk_start || wanted > MAPPINGS || (new_end > end && new_end - end > LIMIT))
        return (int)memory->brk_end;
    if (!is_free(memory, end, new_end) || range_add(memory, end, new_end, READABLE | WRITABLE))
        return (int)memory->brk_end;
    range_remove(memory, new_end, end);
    return (int)(memory->brk_end = wanted);
}

/* The lowest free range, or what the process asks for. */
static int find_place(u32 *start, u32 size, u32 flags)
{
    struct memory *memory = current->memory;
    if (flags & MAP_FIXED && !is_user_range(*start, size))
        return -EINVAL;
    if (flags & MAP_FIXED)
        range_remove(memory, *start, *start + size);
    if (*start && is_user_range(*start, size) && is_free(memory, *start, *start + size))
        return 0;
    *start = MAPPINGS;
    for (u32 at = MAPPINGS; is_user_range(*start, size) && range_next(memory, &at, *start + size); at += PAGE)
        *start = at + PAGE;
    return is_user_range(*start, size) ? 0 : -ENOMEM;
}

int sys_mmap2(ARGS6(start, size, rights, flags, descriptor, page))
{
    u32 kind = flags & (MAP_SHARED | MAP_PRIVATE), shared = kind == MAP_SHARED, offset = page * PAGE;
    struct file *file = flags & MAP_ANONYMOUS ? 0 : file_of(descriptor);
    if (!size || (kind != MAP_SHARED && kind != MAP_PRIVATE) || start % PAGE || page >= FILE_LIMIT / PAGE)
        return -EINVAL;
    if (!file && !(flags & MAP_ANONYMOUS))
        return -EBADF;
    if (file && (!file->inode || kind_of(file->inode) != REGULAR || shared)) /* files cannot be shared so */
        return -ENODEV;
    if (file && !may_read(file))
        return -EACCES;
    if (size > (shared ? SHARED_LIMIT : LIMIT))
        return -ENOMEM;
    size = rounded(size);
    int error = find_place(&start, size, flags);
    u32 end = start + size, file_size = file && offset < file->inode->size ? rounded(file->inode->size - offset) : 0;
    if (!error && file)
        error = range_add_file(current->memory, start, end, rights & RIGHTS, file->inode, offset, file_size);
    else if (!error)
        error = range_add(current->memory, start, end, (rights & RIGHTS) | (shared ? SHARED : 0));
    return error ? error : (int)start;
}

int sys_munmap(ARGS2(start, size))
{
    if (!size || size > USER_END || !is_user_range(start, rounded(size)))
        return -EINVAL;
    range_remove(current->memory, start, start + rounded(size));
    return 0;
}
