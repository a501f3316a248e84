/* Descriptors and what they stand for. A `struct file` is made by open, pipe, socket or accept; descriptors of one process or of
   several (dup, fork) share it, its offset and its flags; the last that is closed ends it. */
#include "files.h"

struct file *file_make(const struct file_operations *operations, struct inode *inode, u32 flags, void *data)
{
    struct file *file = take(sizeof *file);
    if (!file)
        return 0;
    file->operations = operations;
    file->inode = inode, file->data = data;
    file->flags = flags & (ACCESS_MODE | APPEND | NONBLOCK);
    file->users = 1;
    if (inode)
        inode_hold(inode);
    return file;
}

void file_hold(struct file *file) { file->users++; }

void file_release(struct file *file)
{
    if (--file->users)
        return;
    if (file->operations->close)
        file->operations->close(file);
    if (file->inode)
        inode_release(file->inode);
    give_back(file);
}

/* ---- Descriptors */

struct file *file_of(int descriptor) { return (u32)descriptor < FILES ? current->files[descriptor] : 0; }

int file_install_at(struct file *file, u32 first, u32 flags)
{
    for (u32 i = first; i < FILES; i++) {
        if (current->files[i])
            continue;
        current->files[i] = file;
        current->close_on_exec &= ~(1u << i);
        if (flags & CLOSE_ON_EXEC)
            current->close_on_exec |= 1u << i;
        return (int)i;
    }
    return -EMFILE;
}

int file_install(struct file *file, u32 flags) { return file_install_at(file, 0, flags); }

int file_room(void)
{
    for (u32 i = 0; i < FILES; i++)
        if (!current->files[i])
            return 1;
    return 0;
}

static int close_of(struct process *process, u32 descriptor)
{
    struct file *file = descriptor < FILES ? process->files[descriptor] : 0;
    if (!file)
        return -EBADF;
    process->files[descriptor] = 0;
    process->close_on_exec &= ~(1u << descriptor);
    file_release(file);
    return 0;
}

int file_close(u32 descriptor) { return close_of(current, descriptor); }

void files_fork(struct process *child)
{
    child->close_on_exec = current->close_on_exec;
    for (u32 i = 0; i < FILES; i++) {
        child->files[i] = current->files[i];
        if (child->files[i])
            file_hold(child->files[i]);
    }
}

void files_exec(struct process *process)
{
    for (u32 i = 0; i < FILES; i++)
        if (process->close_on_exec >> i & 1)
            close_of(process, i);
}

void files_close_all(struct process *process)
{
    for (u32 i = 0; i < FILES; i++)
        close_of(process, i);
}

void ready(struct queue *queue)
{
    wake(queue);
    wake(&poll_queue);
}

/* ---- Regular files and directories */

static int read_regular(struct file *file, struct span *to)
{
    int done = inode_read_span(file->inode, file->offset, to);
    if (done > 0)
        file->offset += (u32)done;
    return done;
}

static int write_regular(struct file *file, struct span *from)
{
    if (file->flags & APPEND)
        file->offset = file->inode->size;
    int done = inode_write(file->inode, file->offset, from);
    if (done > 0)
        file->offset += (u32)done;
    return done;
}

const struct file_operations regular_operations = {.read = read_regular, .write = write_regular};
static const struct file_operations directory_operations;

static const struct file_operations *operations_of(const struct inode *inode, int *error)
{
    const struct file_operations *found = 0;
    *error = -ENXIO; /* a socket's name, or a device that this machine does not have */
    switch (kind_of(inode)) {
    case REGULAR: return &regular_operations;
    case DIRECTORY: return &directory_operations;
    case LINK: *error = -ELOOP; break;
    case DEVICE:
    case BLOCK_DEVICE: found = device_operations(inode->device);
    }
    return found;
}

int file_open(struct inode *inode, u32 flags)
{
    int error;
    const struct file_operations *operations = operations_of(inode, &error);
    if (!operations)
        return error;
    struct file *file = file_make(operations, inode, flags, 0);
    if (!file)
        return -ENFILE;
    int outcome = operations->open ? operations->open(file) : 0;
    if (!outcome)
        outcome = file_install(file, flags);
    if (outcome < 0)
        file_release(file);
    return outcome;
}

void files_start(void)
{
    int error, descriptor;
    struct inode *console = path_find("/dev/console", &error);
    if (!console)
        return;
    descriptor = file_open(console, READ_WRITE);
    inode_release(console);
    for (int copies = 0; descriptor >= 0 && copies < 2; copies++) {
        file_hold(current->files[descriptor]);
        file_install(current->files[descriptor], 0);
    }
}
