/* Descriptors, and the system calls on what they stand for. */
#include "files.h"

static void end(struct file *file)
{
    if (file->operations->close)
        file->operations->close(file);
    if (file->inode)
        inode_release(file->inode);
}

int file_new(const struct file_operations *operations, struct inode *inode, u32 flags, void *data)
{
    struct file *file = 0, like = {operations, inode, flags, 0, 1, data};
    u32 descriptor = 0;
    if (inode)
        inode_hold(inode);
    while (descriptor < FILES && current->files[descriptor])
        descriptor++;
    if (descriptor < FILES)
        file = current->files[descriptor] = take(sizeof *file);
    if (file)
        *file = like;
    else
        end(&like);
    return file ? (int)descriptor : descriptor < FILES ? -ENFILE : -EMFILE;
}

static void file_release(struct file *file)
{
    if (--file->users)
        return;
    end(file);
    give_back(file, sizeof *file);
}

struct file *file_of(u32 descriptor) { return descriptor < FILES ? current->files[descriptor] : 0; }

static void close_of(struct process *process, u32 descriptor)
{
    struct file *file = process->files[descriptor];
    process->files[descriptor] = 0;
    if (file)
        file_release(file);
}

int file_close(u32 descriptor)
{
    if (!file_of(descriptor))
        return -EBADF;
    close_of(current, descriptor);
    return 0;
}

void files_fork(struct process *child)
{
    for (u32 i = 0; i < FILES; i++) {
        child->files[i] = current->files[i];
        if (child->files[i])
            child->files[i]->users++;
    }
}

void files_exit(struct process *process)
{
    for (u32 i = 0; i < FILES; i++)
        close_of(process, i);
}

void files_start(void)
{
    struct inode *console;
    if (path_find("/dev/console", &console) || file_new(&console_operations, console, READ_WRITE, 0) < 0)
        give_up("no console");
    current->files[1] = current->files[2] = current->files[0];
    current->files[0]->users = 3;
}

/* ---- system calls */

int sys_close(ARGS1(descriptor)) { return file_close(descriptor); }

int sys_dup2(ARGS2(descriptor, to))
{
    struct file *file = file_of(descriptor);
    if (!file || to >= FILES)
        return -EBADF;
    if (descriptor == to)
        return (int)to;
    file->users++; /* before the close: `to` may be its only other descriptor */
    close_of(current, to);
    current->files[to] = file;
    return (int)to;
}

int sys_read(ARGS3(descriptor, to, size))
{
    struct file *file = file_of(descriptor);
    if (!file || !may_read(file))
        return -EBADF;
    if (!file->operations->read)
        return file->inode && kind_of(file->inode) == DIRECTORY ? -EISDIR : -EINVAL;
    return file->operations->read(file, to, size);
}

int sys_write(ARGS3(descriptor, from, size))
{
    struct file *file = file_of(descriptor);
    if (!file || !may_write(file))
        return -EBADF;
    return file->operations->write ? file->operations->write(file, from, size) : -EINVAL;
}

/* Only what has an inode has places; none is beyond 2 GiB, so that it fits into an answer. */
int sys_lseek(ARGS3(descriptor, offset, whence))
{
    struct file *file = file_of(descriptor);
    if (!file)
        return -EBADF;
    if (!file->inode || kind_of(file->inode) == DEVICE)
        return -ESPIPE;
    long long to = (long long)(int)offset + (whence == 1 ? file->offset : whence == 2 ? file->inode->size : 0);
    if (whence > 2 || to < 0)
        return -EINVAL;
    if (to > 0x7fffffff)
        return -EOVERFLOW;
    file->offset = (u32)to;
    return (int)to;
}
