/* Descriptors, and the system calls on what they stand for. */
#include "files.h"

static struct file files[OPEN_FILES];

struct file *file_new(const struct file_operations *operations, struct inode *inode, u32 flags)
{
    struct file *file = files;
    while (file < files + OPEN_FILES && file->users)
        file++;
    if (file == files + OPEN_FILES)
        return 0;
    if (inode)
        inode_hold(inode);
    *file = (struct file){.operations = operations, .inode = inode, .flags = flags, .users = 1};
    return file;
}

void file_release(struct file *file)
{
    if (--file->users)
        return;
    if (file->operations->close)
        file->operations->close(file);
    if (file->inode)
        inode_release(file->inode);
}

int file_describe(struct file *file)
{
    u32 descriptor = 0;
    if (!file)
        return -ENFILE;
    while (descriptor < FILES && current->files[descriptor])
        descriptor++;
    if (descriptor < FILES) {
        current->files[descriptor] = file;
        return (int)descriptor;
    }
    file_release(file);
    return -EMFILE;
}

struct file *file_of(u32 descriptor) { return descriptor < FILES ? current->files[descriptor] : 0; }

int file_close(u32 descriptor)
{
    struct file *file = file_of(descriptor);
    if (!file)
        return -EBADF;
    current->files[descriptor] = 0;
    file_release(file);
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

void files_exit(void)
{
    for (u32 i = 0; i < FILES; i++)
        file_close(i); /* if it is one */
}

void files_first(void)
{
    struct file *console = file_new(&console_operations, 0, READ_WRITE);
    console->users = 3;
    for (u32 i = 0; i < 3; i++)
        current->files[i] = console;
}

/* ---- system calls */

int sys_close(ARGS1(descriptor)) { return file_close(descriptor); }

int sys_dup(ARGS1(descriptor))
{
    struct file *file = file_of(descriptor);
    if (!file)
        return -EBADF;
    file->users++;
    return file_describe(file);
}

int sys_dup2(ARGS2(descriptor, to))
{
    struct file *file = file_of(descriptor);
    if (!file || to >= FILES)
        return -EBADF;
    file->users++; /* before the close: `to` may be its only other descriptor, or itself */
    file_close(to);
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

/* Only what has a size has places; none is beyond 2 GiB, so that it fits into an answer. */
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
