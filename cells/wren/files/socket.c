/* Sockets within the machine (AF_UNIX, streams): a connection is two pipes. Who connects makes both, and a socket for the other
   side, which waits with the listener until it is accepted; so one can write before that, as Linux has it. */
#include "files.h"

enum { STREAM = 1, TYPE = 15, UNIX = 1, FAMILY_SIZE = 2 };
enum { BACKLOG = 16 }; /* so many may wait to be accepted, whatever listen asks for */

/* A socket with an inode is bound to its name. */
static void close_socket(struct file *file)
{
    while (file->waiting) {
        struct file *other = file->waiting;
        file->waiting = other->next;
        file_release(other); /* it listens to nobody: no deeper than this */
    }
    if (file->inode && file->inode->listener == file)
        file->inode->listener = 0;
    wake(file); /* who wanted to connect is refused */
    close_pipe(file);
}

static u32 poll_socket(struct file *file) { return file->waiting ? POLL_IN : poll_pipe(file); }

static const struct file_operations socket_operations = {
    .kind = SOCKET, .read = read_pipe, .write = write_pipe, .poll = poll_socket, .close = close_socket};

int sys_socket(ARGS3(family, type, protocol))
{
    if (family != UNIX)
        return -EAFNOSUPPORT;
    if ((type & TYPE) != STREAM || protocol > UNIX)
        return -ESOCKTNOSUPPORT;
    return file_describe(file_new(&socket_operations, 0, READ_WRITE));
}

static int socket_of(u32 descriptor, struct file **socket)
{
    *socket = file_of(descriptor);
    return !*socket ? -EBADF : (*socket)->operations != &socket_operations ? -ENOTSOCK : 0;
}

/* The socket, and what a `struct sockaddr_un` names: its path ends with a zero byte, whatever the caller counted. */
static int socket_and_name(u32 descriptor, struct file **socket, u32 at, u32 size, struct name *found)
{
    char path[PATH] = {0};
    u16 family;
    int error = socket_of(descriptor, socket);
    if (error || size <= FAMILY_SIZE)
        return error ? error : -EINVAL;
    size = smaller(size - FAMILY_SIZE, PATH - 1);
    if (copy_in(&family, at, FAMILY_SIZE) || copy_in(path, at + FAMILY_SIZE, size))
        return -EFAULT;
    return family == UNIX ? name_find(path, found) : -EINVAL;
}

int sys_bind(ARGS3(descriptor, at, size))
{
    struct name found;
    struct file *socket;
    int error = socket_and_name(descriptor, &socket, at, size, &found);
    if (error || found.inode || socket->inode)
        return error ? error : found.inode ? -EADDRINUSE : -EINVAL;
    struct inode *inode = inode_new(SOCKET | 0755);
    error = name_add(found.path, inode);
    if (error)
        return error;
    inode_hold(inode);
    socket->inode = inode;
    return 0;
}

int sys_listen(ARGS1(descriptor))
{
    struct file *socket;
    int error = socket_of(descriptor, &socket);
    if (error || !socket->inode || socket->in)
        return error ? error : -EINVAL;
    socket->listens = 1;
    socket->inode->listener = socket;
    return 0;
}

int sys_connect(ARGS3(descriptor, at, size))
{
    struct name found;
    struct file *socket, **last;
    u32 waiting = 0;
    int error = socket_and_name(descriptor, &socket, at, size, &found);
    if (error || socket->in || socket->listens)
        return error ? error : socket->in ? -EISCONN : -EINVAL;
    if (!found.inode)
        return -ENOENT;
    struct file *listener = found.inode->listener;
    if (!listener)
        return -ECONNREFUSED;
    for (last = &listener->waiting; *last; last = &(*last)->next)
        waiting++;
    if (waiting == BACKLOG)
        return wait_on(listener, NEVER);
    struct file *other = file_new(&socket_operations, 0, READ_WRITE);
    if (!other)
        return -ENFILE;
    if (pipe_between(socket, other) || pipe_between(other, socket)) {
        file_release(other);
        close_pipe(socket);
        return -ENFILE;
    }
    *last = other;
    wake(listener);
    return 0;
}

/* Nobody who connects has a name: no address is told. */
int sys_accept(ARGS1(descriptor))
{
    struct file *listener;
    int error = socket_of(descriptor, &listener);
    if (error || !listener->listens)
        return error ? error : -EINVAL;
    struct file *next = listener->waiting;
    if (!next)
        return wait_on(listener, NEVER);
    next->users++; /* whom no descriptor is left for goes on waiting */
    int answer = file_describe(next);
    if (answer >= 0) {
        listener->waiting = next->next;
        file_release(next);
        wake(listener);
    }
    return answer;
}
