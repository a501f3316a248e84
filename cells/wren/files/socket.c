/* Sockets within the machine (AF_UNIX, streams): a connection is two pipes. Who connects makes both, and a socket for the other
   side, which waits with the listener until it is accepted; so one can write before that, as Linux has it. */
#include "files.h"

enum { STREAM = 1, TYPE = 15, UNIX = 1, FAMILY_SIZE = 2, PATH_LIMIT = 108 };
enum { BACKLOG = 16 }; /* so many may wait to be accepted, whatever listen asks for */

struct socket {
    struct pipe *in, *out;  /* of a connection */
    int listens;
    struct socket *waiting; /* of a listener: who was connected and not accepted yet */
    struct socket *next;
    struct inode *name;     /* held */
};

static void socket_end(struct socket *socket)
{
    while (socket->waiting) {
        struct socket *other = socket->waiting;
        socket->waiting = other->next;
        socket_end(other); /* it listens to nobody: no deeper than this */
    }
    if (socket->name) {
        socket->name->socket = 0;
        inode_release(socket->name);
    }
    if (socket->in) {
        pipe_leave(socket->in, POLL_IN);
        pipe_leave(socket->out, POLL_OUT);
    }
    give_back(socket, sizeof *socket);
}

/* The other side of a new connection; 0: no room. */
static struct socket *connect(struct socket *one)
{
    struct pipe *there = pipe_make(), *back = pipe_make();
    struct socket *other = there && back ? take(sizeof *other) : 0;
    if (other) {
        one->in = other->out = back;
        one->out = other->in = there;
        return other;
    }
    pipe_free(there);
    pipe_free(back);
    return 0;
}

/* ---- as files */

static int read_socket(struct file *file, u32 to, u32 size)
{
    struct socket *socket = file->data;
    return socket->in ? pipe_read(socket->in, to, size) : -EINVAL;
}

static int write_socket(struct file *file, u32 from, u32 size)
{
    struct socket *socket = file->data;
    return socket->out ? pipe_write(socket->out, from, size) : -ENOTCONN;
}

static u32 poll_socket(struct file *file)
{
    struct socket *socket = file->data;
    if (!socket->in)
        return socket->waiting ? POLL_IN : 0;
    return pipe_poll(socket->in, POLL_IN) | pipe_poll(socket->out, POLL_OUT);
}

static void close_socket(struct file *file) { socket_end(file->data); }

static const struct file_operations socket_operations = {
    .kind = SOCKET, .read = read_socket, .write = write_socket, .poll = poll_socket, .close = close_socket};

/* ---- system calls */

int sys_socket(ARGS3(family, type, protocol))
{
    if (family != UNIX)
        return -EAFNOSUPPORT;
    if ((type & TYPE) != STREAM || protocol > UNIX)
        return -ESOCKTNOSUPPORT;
    struct socket *socket = take(sizeof *socket);
    return socket ? file_new(&socket_operations, 0, READ_WRITE, socket) : -ENFILE;
}

static int socket_of(u32 descriptor, struct socket **socket)
{
    struct file *file = file_of(descriptor);
    *socket = file ? file->data : 0;
    return !file ? -EBADF : file->operations != &socket_operations ? -ENOTSOCK : 0;
}

/* The path in a `struct sockaddr_un`: it ends with its zero byte, whatever the caller counted. */
static int walk_address(u32 at, u32 size, int follow, struct walk *found)
{
    char path[PATH_LIMIT + 1] = {0};
    u16 family;
    if (size <= FAMILY_SIZE || size > FAMILY_SIZE + PATH_LIMIT)
        return -EINVAL;
    if (copy_in(&family, at, FAMILY_SIZE) || copy_in(path, at + FAMILY_SIZE, size - FAMILY_SIZE))
        return -EFAULT;
    return family == UNIX ? walk(path, follow, found) : -EINVAL;
}

int sys_bind(ARGS3(descriptor, at, size))
{
    struct walk found;
    struct socket *socket;
    int error = socket_of(descriptor, &socket);
    if (!error)
        error = walk_address(at, size, KEEP_LINK, &found);
    if (!error)
        error = found.inode ? -EADDRINUSE : socket->name ? -EINVAL : 0;
    if (!error)
        error = entry_make(found.directory, found.name, SOCKET | 0755, &socket->name);
    if (error)
        return error;
    socket->name->socket = socket;
    inode_hold(socket->name);
    return 0;
}

int sys_listen(ARGS1(descriptor))
{
    struct socket *socket;
    int error = socket_of(descriptor, &socket);
    if (error || !socket->name || socket->in)
        return error ? error : -EINVAL;
    socket->listens = 1;
    return 0;
}

int sys_connect(ARGS3(descriptor, at, size))
{
    struct walk found;
    struct socket *socket;
    u32 waiting = 0;
    int error = socket_of(descriptor, &socket);
    if (!error)
        error = walk_address(at, size, FOLLOW, &found);
    if (error || socket->in || socket->listens)
        return error ? error : socket->in ? -EISCONN : -EINVAL;
    if (!found.inode)
        return -ENOENT;
    struct socket *listener = found.inode->socket, **last;
    if (!listener || !listener->listens)
        return -ECONNREFUSED;
    for (last = &listener->waiting; *last; last = &(*last)->next)
        waiting++;
    if (waiting == BACKLOG)
        return wait_on(listener, NEVER);
    *last = connect(socket);
    wake(listener);
    return *last ? 0 : -ENFILE;
}

/* Nobody who connects has a name: no address is told. */
int sys_accept(ARGS1(descriptor))
{
    struct socket *listener;
    int error = socket_of(descriptor, &listener);
    if (error || !listener->listens)
        return error ? error : -EINVAL;
    struct socket *next = listener->waiting;
    if (!next)
        return wait_on(listener, NEVER);
    listener->waiting = next->next;
    wake(listener);
    return file_new(&socket_operations, 0, READ_WRITE, next);
}
