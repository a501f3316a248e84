/* System calls on open files, by descriptor. Calls by name are in name_calls.c. */
#include "files.h"

enum { F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETPIPE_SZ = 1032, F_DUPFD_CLOEXEC = 1030 };
enum { FIONBIO = 0x5421, FIOCLEX = 0x5451, FIONCLEX = 0x5450 };

typedef int (*transfer)(struct file *file, struct span *span);

/* What reads from this file, or a function that says why nothing does. */
static int refuse_directory(struct file *file, struct span *span) { return (void)file, (void)span, -EISDIR; }
static int refuse_kind(struct file *file, struct span *span) { return (void)file, (void)span, -EINVAL; }
static int refuse_file(struct file *file, struct span *span) { return (void)file, (void)span, -EBADF; }

static transfer reader(struct file *file)
{
    if (!file || !may_read(file))
        return refuse_file;
    if (file->inode && kind_of(file->inode) == DIRECTORY)
        return refuse_directory;
    return file->operations->read ? file->operations->read : refuse_kind;
}

static transfer writer(struct file *file)
{
    if (!file || !may_write(file))
        return refuse_file;
    return file->operations->write ? file->operations->write : refuse_kind;
}

static int sys_read(ARGS3(descriptor, to, size))
{
    struct span span;
    struct file *file = file_of((int)descriptor);
    int error = span_of(&span, to, size);
    return error ? error : reader(file)(file, &span);
}

static int sys_write(ARGS3(descriptor, from, size))
{
    struct span span;
    struct file *file = file_of((int)descriptor);
    int error = span_of(&span, from, size);
    return error ? error : writer(file)(file, &span);
}

static int sys_readv(ARGS3(descriptor, vector, count))
{
    struct span span;
    struct file *file = file_of((int)descriptor);
    int error = span_vector(&span, vector, count);
    return error ? error : reader(file)(file, &span);
}

static int sys_writev(ARGS3(descriptor, vector, count))
{
    struct span span;
    struct file *file = file_of((int)descriptor);
    int error = span_vector(&span, vector, count);
    return error ? error : writer(file)(file, &span);
}

/* ---- Places in a file: only what has an inode has them */

static int has_places(const struct file *file) { return file->inode && kind_of(file->inode) != DEVICE; }

static int transfer_at(struct file *file, transfer function, u32 at, u32 size, u32 low, u32 high)
{
    struct span span;
    int outcome = span_of(&span, at, size);
    if (outcome || !file)
        return outcome ? outcome : -EBADF;
    if (!has_places(file))
        return -ESPIPE;
    if (high)
        return (int)high < 0 ? -EINVAL : -EFBIG;
    u32 before = file->offset;
    file->offset = low;
    outcome = function(file, &span);
    file->offset = before;
    return outcome;
}

static int sys_pread(ARGS6(descriptor, to, size, none, low, high))
{
    struct file *file = file_of((int)descriptor);
    (void)none; /* a 64-bit argument begins at an even register */
    return transfer_at(file, reader(file), to, size, low, high);
}

static int sys_pwrite(ARGS6(descriptor, from, size, none, low, high))
{
    struct file *file = file_of((int)descriptor);
    (void)none;
    return transfer_at(file, writer(file), from, size, low, high);
}

/* The new offset, or an error; both fit, because no file is larger than FILE_LIMIT and no offset than 2 GiB. */
static int seek(u32 descriptor, long long to, u32 whence)
{
    struct file *file = file_of((int)descriptor);
    if (!file)
        return -EBADF;
    if (!has_places(file))
        return -ESPIPE;
    if (whence > 2)
        return -EINVAL;
    to += whence == 1 ? file->offset : whence == 2 ? file->inode->size : 0;
    if (to < 0)
        return -EINVAL;
    if (to > 0x7fffffff)
        return -EOVERFLOW;
    file->offset = (u32)to;
    return (int)to;
}

static int sys_lseek(ARGS3(descriptor, to, whence)) { return seek(descriptor, (int)to, whence); }

static int sys_llseek(ARGS5(descriptor, high, low, result, whence))
{
    int outcome = seek(descriptor, (long long)((u64)high << 32 | low), whence);
    u64 offset = (u32)outcome;
    return outcome < 0 ? outcome : copy_out(result, &offset, sizeof offset);
}

/* ---- Descriptors */

static int sys_close(ARGS1(descriptor)) { return file_close(descriptor); }

static int duplicate(u32 descriptor, u32 first, u32 flags)
{
    struct file *file = file_of((int)descriptor);
    if (!file)
        return -EBADF;
    if (first >= FILES)
        return -EINVAL;
    int copy = file_install_at(file, first, flags);
    if (copy >= 0)
        file_hold(file);
    return copy;
}

static int sys_dup(ARGS1(descriptor)) { return duplicate(descriptor, 0, 0); }

static int sys_dup3(ARGS3(descriptor, to, flags))
{
    struct file *file = file_of((int)descriptor);
    if (flags & ~(u32)CLOSE_ON_EXEC || descriptor == to)
        return -EINVAL;
    if (!file || to >= FILES)
        return -EBADF;
    file_hold(file); /* before the close: `to` may be its only other descriptor */
    file_close(to);
    return file_install_at(file, to, flags);
}

static int sys_dup2(ARGS2(descriptor, to))
{
    if (descriptor == to)
        return file_of((int)descriptor) ? (int)to : -EBADF;
    return sys_dup3(descriptor, to, 0, 0, 0, 0);
}

static int set_close_on_exec(u32 descriptor, int on)
{
    current->close_on_exec &= ~(1u << descriptor);
    current->close_on_exec |= (u32)on << descriptor;
    return 0;
}

static int set_flags(struct file *file, u32 flags)
{
    file->flags = (file->flags & ACCESS_MODE) | (flags & (APPEND | NONBLOCK));
    return 0;
}

static int sys_fcntl(ARGS3(descriptor, request, argument))
{
    struct file *file = file_of((int)descriptor);
    if (!file)
        return -EBADF;
    switch (request) {
    case F_DUPFD: return duplicate(descriptor, argument, 0);
    case F_DUPFD_CLOEXEC: return duplicate(descriptor, argument, CLOSE_ON_EXEC);
    case F_GETFD: return current->close_on_exec >> descriptor & 1;
    case F_SETFD: return set_close_on_exec(descriptor, argument & 1);
    case F_GETFL: return (int)file->flags;
    case F_SETFL: return set_flags(file, argument);
    case F_GETPIPE_SZ: return file->operations == &pipe_operations ? (int)RING_SIZE : -EBADF;
    default: return -EINVAL;
    }
}

static int set_nonblock(struct file *file, u32 argument)
{
    u32 on;
    if (copy_in(&on, argument, sizeof on))
        return -EFAULT;
    file->flags = on ? file->flags | NONBLOCK : file->flags & ~(u32)NONBLOCK;
    return 0;
}

static int sys_ioctl(ARGS3(descriptor, request, argument))
{
    struct file *file = file_of((int)descriptor);
    if (!file)
        return -EBADF;
    switch (request) {
    case FIONBIO: return set_nonblock(file, argument);
    case FIOCLEX: return set_close_on_exec(descriptor, 1);
    case FIONCLEX: return set_close_on_exec(descriptor, 0);
    default: return file->operations->control ? file->operations->control(file, request, argument) : -ENOTTY;
    }
}

/* There is no disk below: what is written is where it belongs. */
static int sys_fsync(ARGS1(descriptor)) { return file_of((int)descriptor) ? 0 : -EBADF; }
static int sys_sync(ARGS0()) { return 0; }

const struct call file_calls[] = {
    CALL(3, "read", sys_read), CALL(4, "write", sys_write), CALL(6, "close", sys_close), CALL(19, "lseek", sys_lseek),
    CALL(36, "sync", sys_sync), CALL(41, "dup", sys_dup), CALL(54, "ioctl", sys_ioctl), CALL(55, "fcntl", sys_fcntl),
    CALL(63, "dup2", sys_dup2), CALL(118, "fsync", sys_fsync), CALL(140, "_llseek", sys_llseek), CALL(145, "readv", sys_readv),
    CALL(146, "writev", sys_writev), CALL(148, "fdatasync", sys_fsync), CALL(180, "pread64", sys_pread),
    CALL(181, "pwrite64", sys_pwrite), CALL(221, "fcntl64", sys_fcntl), CALL(358, "dup3", sys_dup3),
    {0, 0},
};
