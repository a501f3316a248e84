/* Sockets within the machine. A stream socket writes into its peer's ring of bytes; a datagram socket puts whole messages, each
   behind a head that tells its length and its sender, into the ring of whoever it names. A socket that is named as a peer outlives
   its owner as an empty shell, so that nobody holds a pointer to nothing. */
#include "socket.h"

enum { FIONREAD = 0x541b, SHUT_READ = 0, SHUT_WRITE = 1, SHUT_BOTH = 2 };

static struct socket *abstract; /* with names that are no paths */

struct socket *socket_make(u32 type)
{
    struct socket *socket = take(sizeof *socket);
    if (!socket)
        return 0;
    socket->type = type;
    socket->users = socket->readers = 1;
    socket->writers = type == DATAGRAM;
    socket->address = (struct address){.family = FAMILY, .size = FAMILY_SIZE};
    return socket;
}

void socket_release(struct socket *socket)
{
    if (!--socket->users)
        give_back(socket);
}

/* Two stream sockets that talk to each other from now on. */
void socket_join(struct socket *one, struct socket *other)
{
    one->peer = other, other->users++;
    other->peer = one, one->users++;
    one->writers = other->writers = one->connected = other->connected = 1;
}

static void unlist(struct socket *socket)
{
    for (struct socket **at = &abstract; *at; at = &(*at)->next)
        if (*at == socket) {
            *at = socket->next;
            return;
        }
}

static void forget_name(struct socket *socket)
{
    if (socket->inode) {
        socket->inode->data = 0;
        inode_release(socket->inode);
        socket->inode = 0;
    } else {
        unlist(socket);
    }
}

static void leave_peer(struct socket *socket)
{
    struct socket *peer = socket->peer;
    if (!peer)
        return;
    if (socket->type == STREAM) {
        peer->writers = 0;
        peer->reset = !socket->accepted || ring_used(&socket->incoming);
    }
    ready(&peer->incoming.queue);
    socket->peer = 0;
    socket_release(peer);
}

void socket_close(struct socket *socket)
{
    socket->closed = 1;
    socket->readers = 0;
    forget_name(socket);
    while (socket->pending) {
        struct socket *waiting = socket->pending;
        socket->pending = waiting->next;
        socket_close(waiting); /* it listens to nobody: no deeper than this */
    }
    leave_peer(socket);
    ring_clear(&socket->incoming);
    ready(&socket->incoming.queue);
    socket_release(socket);
}

int socket_shut(struct socket *socket, u32 how)
{
    if (how > SHUT_BOTH)
        return -EINVAL;
    if (how != SHUT_WRITE)
        socket->readers = socket->writers = 0;
    if (how != SHUT_READ)
        socket->deaf = 1;
    if (socket->deaf && socket->peer && socket->type == STREAM)
        socket->peer->writers = 0;
    ready(&socket->incoming.queue);
    if (socket->peer)
        ready(&socket->peer->incoming.queue);
    return 0;
}

/* ---- Names: a path is bound by an inode; any other name, which begins with a zero byte, stands in a list */

static int same_name(const struct address *one, const struct address *other)
{
    u32 size = one->size - FAMILY_SIZE, at = 0;
    while (at < size && one->path[at] == other->path[at])
        at++;
    return one->size == other->size && at == size;
}

static struct socket *find_abstract(const struct address *address)
{
    struct socket *socket = abstract;
    while (socket && !same_name(&socket->address, address))
        socket = socket->next;
    return socket;
}

static int is_bound(const struct socket *socket) { return socket->address.size > FAMILY_SIZE; }

static int bind_path(struct socket *socket, const char *path)
{
    struct walk found;
    int error = walk(current->directory, path, KEEP_LINK, &found);
    if (error)
        return error;
    error = found.inode ? -EADDRINUSE : is_bound(socket) ? -EINVAL : found.slash ? -ENOENT : 0;
    if (!error)
        error = walk_create(&found, SOCKET | masked(0777), 0);
    if (!error) {
        socket->inode = found.inode;
        inode_hold(socket->inode);
        socket->inode->data = socket;
    }
    walk_end(&found);
    return error;
}

int socket_bind(struct socket *socket, const struct address *address)
{
    if (address->size <= FAMILY_SIZE)
        return -EINVAL;
    if (address->path[0]) {
        int error = bind_path(socket, address->path);
        if (error)
            return error;
    } else if (is_bound(socket)) {
        return -EINVAL;
    } else if (find_abstract(address)) {
        return -EADDRINUSE;
    } else {
        socket->next = abstract;
        abstract = socket;
    }
    socket->address = *address;
    return 0;
}

struct socket *socket_find(const struct address *address, int *error)
{
    struct walk found;
    struct socket *socket = 0;
    *error = address->size <= FAMILY_SIZE ? -EINVAL : 0;
    if (*error)
        return 0;
    if (!address->path[0]) {
        socket = find_abstract(address);
    } else {
        *error = walk(current->directory, address->path, FOLLOW, &found);
        if (*error)
            return 0;
        if (!found.inode)
            *error = -ENOENT;
        else if (kind_of(found.inode) == SOCKET)
            socket = found.inode->data;
        walk_end(&found);
    }
    if (!socket && !*error)
        *error = -ECONNREFUSED;
    return socket;
}

/* ---- Bytes and messages */

static int send_stream(struct socket *socket, struct span *from, u32 ways)
{
    static const u32 nobody;
    struct socket *peer = socket->peer;
    if (!socket->connected)
        return -ENOTCONN;
    return ring_write(&peer->incoming, from, ways, socket->deaf ? &nobody : &peer->readers);
}

static int may_send(const struct socket *socket, const struct socket *to, u32 whole)
{
    if (!to)
        return -ENOTCONN;
    if (to->closed)
        return -ECONNREFUSED;
    if (to->peer && to->peer != socket)
        return -EPERM; /* it listens to another one only */
    if (socket->deaf || !to->readers)
        return -EPIPE;
    return whole > RING_SIZE ? -EMSGSIZE : 0;
}

static int put_message(struct socket *socket, struct span *from, struct ring *ring)
{
    struct message head = {from->size, socket->address.size};
    u32 at = sizeof head + head.name_size;
    int error = ring_put_bytes(ring, 0, &head, sizeof head);
    if (!error)
        error = ring_put_bytes(ring, sizeof head, &socket->address, head.name_size);
    if (!error)
        error = ring_put(ring, at, from, head.size);
    if (error)
        return error;
    ring->tail += at + head.size;
    ready(&ring->queue);
    return (int)head.size;
}

static int send_datagram(struct socket *socket, struct span *from, u32 ways, struct socket *to)
{
    u32 whole = sizeof(struct message) + socket->address.size + from->size;
    int error = may_send(socket, to, from->size > RING_SIZE ? from->size : whole);
    if (error == -EPIPE && !(ways & SILENT))
        signal_send(current, SIGPIPE);
    if (error)
        return error;
    if (whole <= ring_room(&to->incoming))
        return put_message(socket, from, &to->incoming);
    return ways & WAIT ? wait_on(&to->incoming.queue, NEVER) : -EAGAIN;
}

int socket_send(struct socket *socket, struct span *from, u32 ways, struct socket *to)
{
    return socket->type == STREAM ? send_stream(socket, from, ways) : send_datagram(socket, from, ways, to ? to : socket->peer);
}

/* One message; what of it the reader has no room for is lost. */
static int receive_datagram(struct socket *socket, struct span *to, u32 ways, struct address *sender)
{
    struct message head;
    struct ring *ring = &socket->incoming;
    if (!ring_used(ring))
        return !socket->writers ? 0 : ways & WAIT ? wait_on(&ring->queue, NEVER) : -EAGAIN;
    ring_get_bytes(ring, 0, &head, sizeof head);
    if (sender) {
        ring_get_bytes(ring, sizeof head, sender, head.name_size);
        sender->size = head.name_size > FAMILY_SIZE ? head.name_size : 0;
    }
    u32 at = sizeof head + head.name_size, part = head.size < to->size ? head.size : to->size;
    if (ring_get(ring, at, to, part))
        return -EFAULT;
    if (!(ways & PEEK)) {
        ring_drop(ring, at + head.size);
        ready(&ring->queue);
    }
    return (int)part;
}

int socket_receive(struct socket *socket, struct span *to, u32 ways, struct address *sender)
{
    if (socket->type == DATAGRAM)
        return receive_datagram(socket, to, ways, sender);
    if (!socket->connected)
        return -EINVAL;
    if (sender)
        sender->size = 0; /* a stream's bytes have no sender of their own */
    if (socket->reset && !ring_used(&socket->incoming)) {
        socket->reset = 0; /* told once; from then on it is the end */
        return -ECONNRESET;
    }
    return ring_read(&socket->incoming, to, ways, &socket->writers);
}

/* ---- As files */

static int read_socket(struct file *file, struct span *to)
{
    return socket_receive(file->data, to, may_wait(file) ? WAIT : 0, 0);
}

static int write_socket(struct file *file, struct span *from)
{
    return socket_send(file->data, from, may_wait(file) ? WAIT : 0, 0);
}

static int control_socket(struct file *file, u32 request, u32 argument)
{
    struct socket *socket = file->data;
    struct message head = {.size = ring_used(&socket->incoming)};
    if (request != FIONREAD)
        return -ENOTTY;
    if (socket->type == DATAGRAM && head.size)
        ring_get_bytes(&socket->incoming, 0, &head, sizeof head);
    return copy_out(argument, &head.size, sizeof head.size);
}

static u32 poll_socket(struct file *file)
{
    const struct socket *socket = file->data, *peer = socket->peer;
    u32 state = ring_used(&socket->incoming) || socket->pending ? POLL_IN : 0;
    if (socket->listening)
        return state;
    if (socket->type == DATAGRAM)
        return state | (socket->writers ? 0 : POLL_IN) | (!peer || ring_room(&peer->incoming) >= ATOMIC ? POLL_OUT : 0);
    if (!socket->connected)
        return POLL_OUT | POLL_HANGUP;
    if (!socket->writers)
        state |= POLL_IN;
    if (!socket->writers && (socket->deaf || peer->closed))
        state |= POLL_HANGUP;
    return state | (peer->closed || ring_room(&peer->incoming) >= ATOMIC ? POLL_OUT : 0);
}

static void close_socket(struct file *file) { socket_close(file->data); }

const struct file_operations socket_operations = {
    .read = read_socket, .write = write_socket, .control = control_socket, .poll = poll_socket, .close = close_socket};
