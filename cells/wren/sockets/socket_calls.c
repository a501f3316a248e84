/* System calls on sockets: addresses, connections, messages. What a socket does is in socket.c. */
#include "socket.h"

enum { TYPE = 15, DONT_WAIT = 0x40, NO_SIGNAL = 0x4000, PEEK_FLAG = 2, SOCKET_LEVEL = 1 };
enum { SO_REUSEADDR = 2, SO_TYPE, SO_ERROR, SO_SNDBUF = 7, SO_RCVBUF, SO_KEEPALIVE, SO_LINGER = 13, SO_ACCEPTCONN = 30 };

static struct socket *socket_of(u32 descriptor, int *error)
{
    const struct file *file = file_of((int)descriptor);
    *error = !file ? -EBADF : file->operations != &socket_operations ? -ENOTSOCK : 0;
    return *error ? 0 : file->data;
}

static u32 ways_of(u32 descriptor, u32 flags)
{
    u32 may = may_wait(file_of((int)descriptor)) && !(flags & DONT_WAIT) ? WAIT : 0;
    return may | (flags & NO_SIGNAL ? SILENT : 0) | (flags & PEEK_FLAG ? PEEK : 0);
}

/* ---- Addresses */

static int get_address(struct address *address, u32 at, u32 size)
{
    clear(address, sizeof *address);
    if (size < FAMILY_SIZE || size > FAMILY_SIZE + PATH_LIMIT)
        return -EINVAL;
    if (copy_in(address, at, size))
        return -EFAULT;
    if (address->family != FAMILY)
        return -EINVAL;
    address->size = size;
    if (size > FAMILY_SIZE && address->path[0]) /* a path ends with its zero byte, whatever the caller counted */
        address->size = FAMILY_SIZE + length(address->path) + 1;
    return 0;
}

/* As much as there is room for, and how much there is. Nobody asked: at is 0. */
static int put_address(const struct address *address, u32 at, u32 size_at)
{
    u32 room;
    if (!at)
        return 0;
    if (copy_in(&room, size_at, sizeof room))
        return -EFAULT;
    if ((int)room < 0)
        return -EINVAL;
    if (copy_out(at, address, room < address->size ? room : address->size))
        return -EFAULT;
    return copy_out(size_at, &address->size, sizeof address->size);
}

/* ---- Making sockets */

static struct file *make(u32 family, u32 type, u32 protocol, int *error)
{
    u32 kind = type & TYPE;
    *error = family != FAMILY ? -EAFNOSUPPORT : kind != STREAM && kind != DATAGRAM ? -ESOCKTNOSUPPORT : 0;
    if (!*error && protocol > 1)
        *error = -EPROTONOSUPPORT;
    if (*error)
        return 0;
    struct socket *socket = socket_make(kind);
    struct file *file = socket ? file_make(&socket_operations, 0, READ_WRITE | (type & NONBLOCK), socket) : 0;
    if (socket && !file)
        socket_close(socket);
    else if (socket)
        socket->accepted = 1;
    *error = file ? 0 : -ENFILE;
    return file;
}

static int sys_socket(ARGS3(family, type, protocol))
{
    int error;
    struct file *file = make(family, type, protocol, &error);
    if (!file)
        return error;
    int descriptor = file_install(file, type);
    if (descriptor < 0)
        file_release(file);
    return descriptor;
}

static int sys_socketpair(ARGS4(family, type, protocol, to))
{
    int error;
    struct file *files[2];
    files[0] = make(family, type, protocol, &error);
    if (!files[0])
        return error;
    files[1] = make(family, type, protocol, &error);
    if (!files[1]) {
        file_release(files[0]);
        return error;
    }
    socket_join(files[0]->data, files[1]->data);
    return file_install_pair(files, type, to);
}

/* ---- Connections */

static int sys_bind(ARGS3(descriptor, at, size))
{
    int error;
    struct address address;
    struct socket *socket = socket_of(descriptor, &error);
    if (!socket)
        return error;
    error = get_address(&address, at, size);
    return error ? error : socket_bind(socket, &address);
}

static int sys_listen(ARGS2(descriptor, backlog))
{
    int error;
    struct socket *socket = socket_of(descriptor, &error);
    if (!socket)
        return error;
    if (socket->type != STREAM)
        return -EOPNOTSUPP;
    if (socket->connected || socket->address.size <= FAMILY_SIZE)
        return -EINVAL;
    socket->listening = 1;
    socket->backlog = backlog < BACKLOG ? backlog : BACKLOG;
    return 0;
}

static u32 waiting_at(const struct socket *socket)
{
    u32 count = 0;
    for (const struct socket *at = socket->pending; at; at = at->next)
        count++;
    return count;
}

/* The other end is made at once and waits until it is accepted; what is sent meanwhile waits in it. */
static int connect_stream(struct socket *socket, struct socket *to, u32 ways)
{
    if (!to->listening)
        return -ECONNREFUSED;
    if (waiting_at(to) > to->backlog)
        return ways & WAIT ? wait_on(&to->incoming.queue, NEVER) : -EAGAIN;
    struct socket *other = socket_make(STREAM), **last = &to->pending;
    if (!other)
        return -ENOMEM;
    other->address = to->address;
    socket_join(socket, other);
    while (*last)
        last = &(*last)->next;
    *last = other;
    ready(&to->incoming.queue);
    return 0;
}

static int connect_datagram(struct socket *socket, struct socket *to)
{
    to->users++;
    if (socket->peer)
        socket_release(socket->peer);
    socket->peer = to;
    return 0;
}

static int sys_connect(ARGS3(descriptor, at, size))
{
    int error;
    struct address address;
    struct socket *socket = socket_of(descriptor, &error);
    if (!socket)
        return error;
    error = get_address(&address, at, size);
    if (!error && socket->type == STREAM)
        error = socket->connected ? -EISCONN : socket->listening ? -EINVAL : 0;
    struct socket *to = error ? 0 : socket_find(&address, &error);
    if (!to)
        return error;
    if (to->type != socket->type)
        return -EPROTOTYPE;
    return to->type == STREAM ? connect_stream(socket, to, ways_of(descriptor, 0)) : connect_datagram(socket, to);
}

/* The first of those who wait becomes a file of ours. */
static int take_pending(struct socket *listener, u32 at, u32 size_at, u32 flags)
{
    struct socket *socket = listener->pending;
    struct file *file = file_make(&socket_operations, 0, READ_WRITE | (flags & NONBLOCK), socket);
    if (!file)
        return -ENFILE;
    listener->pending = socket->next;
    socket->next = 0;
    socket->accepted = 1;
    ready(&listener->incoming.queue);
    int descriptor = file_install(file, flags), error = put_address(&socket->peer->address, at, size_at);
    if (error)
        file_close((u32)descriptor);
    return error ? error : descriptor;
}

static int sys_accept4(ARGS4(descriptor, at, size_at, flags))
{
    int error;
    struct socket *socket = socket_of(descriptor, &error);
    if (!socket)
        return error;
    if (flags & ~(u32)(CLOSE_ON_EXEC | NONBLOCK) || !socket->listening)
        return socket->type == STREAM ? -EINVAL : -EOPNOTSUPP;
    if (!file_room())
        return -EMFILE;
    if (socket->pending)
        return take_pending(socket, at, size_at, flags);
    return ways_of(descriptor, 0) & WAIT ? wait_on(&socket->incoming.queue, NEVER) : -EAGAIN;
}

static int sys_accept(ARGS3(descriptor, at, size_at)) { return sys_accept4(descriptor, at, size_at, 0, 0, 0); }

static int sys_shutdown(ARGS2(descriptor, how))
{
    int error;
    struct socket *socket = socket_of(descriptor, &error);
    return socket ? socket_shut(socket, how) : error;
}

static int tell_name(u32 descriptor, int peers, u32 at, u32 size_at)
{
    int error;
    const struct socket *socket = socket_of(descriptor, &error), *whose = socket && peers ? socket->peer : socket;
    return error ? error : whose ? put_address(&whose->address, at, size_at) : -ENOTCONN;
}

static int sys_getsockname(ARGS3(descriptor, at, size_at)) { return tell_name(descriptor, 0, at, size_at); }
static int sys_getpeername(ARGS3(descriptor, at, size_at)) { return tell_name(descriptor, 1, at, size_at); }

/* ---- Messages */

static int send_to(u32 descriptor, struct span *from, u32 flags, u32 at, u32 size)
{
    int error;
    struct address address;
    struct socket *socket = socket_of(descriptor, &error), *to = 0;
    if (!socket)
        return error;
    if (at && socket->type == STREAM)
        return socket->connected ? -EISCONN : -EOPNOTSUPP;
    if (at) {
        error = get_address(&address, at, size);
        to = error ? 0 : socket_find(&address, &error);
        if (to && to->type != DATAGRAM)
            error = -EPROTOTYPE;
    }
    return error ? error : socket_send(socket, from, ways_of(descriptor, flags), to);
}

static int receive_from(u32 descriptor, struct span *to, u32 flags, u32 at, u32 size_at)
{
    int error;
    struct address sender = {.size = 0};
    struct socket *socket = socket_of(descriptor, &error);
    if (!socket)
        return error;
    int outcome = socket_receive(socket, to, ways_of(descriptor, flags), &sender);
    if (outcome >= 0)
        error = put_address(&sender, at, size_at);
    return error ? error : outcome;
}

static int sys_sendto(ARGS6(descriptor, from, size, flags, at, address_size))
{
    struct span span;
    int error = span_of(&span, from, size);
    return error ? error : send_to(descriptor, &span, flags, at, address_size);
}

static int sys_recvfrom(ARGS6(descriptor, to, size, flags, at, size_at))
{
    struct span span;
    int error = span_of(&span, to, size);
    return error ? error : receive_from(descriptor, &span, flags, at, size_at);
}

static int sys_send(ARGS4(descriptor, from, size, flags)) { return sys_sendto(descriptor, from, size, flags, 0, 0); }
static int sys_recv(ARGS4(descriptor, to, size, flags)) { return sys_recvfrom(descriptor, to, size, flags, 0, 0); }

struct header { /* struct msghdr; there is no control data */
    u32 address, address_size, vector, count, control, control_size, flags;
};

static int get_header(u32 at, struct header *header, struct span *span)
{
    if (copy_in(header, at, sizeof *header))
        return -EFAULT;
    return span_vector(span, header->vector, header->count);
}

static int sys_sendmsg(ARGS3(descriptor, message, flags))
{
    struct span span;
    struct header header;
    int error = get_header(message, &header, &span);
    if (error || header.control_size)
        return error ? error : -EOPNOTSUPP;
    return send_to(descriptor, &span, flags, header.address, header.address_size);
}

static int sys_recvmsg(ARGS3(descriptor, message, flags))
{
    struct span span;
    struct header header;
    int outcome = get_header(message, &header, &span);
    if (outcome)
        return outcome;
    outcome = receive_from(descriptor, &span, flags, header.address, message + 4); /* the address's size stands there */
    static const u32 nothing[2];
    if (outcome >= 0 && copy_out(message + 20, nothing, sizeof nothing)) /* no control data, no flags */
        return -EFAULT;
    return outcome;
}

/* ---- Options: those that change nothing here are accepted */

static int sys_setsockopt(ARGS5(descriptor, level, option, at, size))
{
    int error;
    u32 value;
    if (!socket_of(descriptor, &error))
        return error;
    if (level != SOCKET_LEVEL)
        return -EOPNOTSUPP;
    if (size < sizeof value)
        return -EINVAL;
    if (copy_in(&value, at, sizeof value))
        return -EFAULT;
    int known = option == SO_REUSEADDR || (option >= SO_SNDBUF && option <= SO_KEEPALIVE) || option == SO_LINGER;
    return known ? 0 : -ENOPROTOOPT;
}

static int sys_getsockopt(ARGS5(descriptor, level, option, at, size_at))
{
    int error;
    u32 room, value = 0;
    struct socket *socket = socket_of(descriptor, &error);
    if (!socket)
        return error;
    if (level != SOCKET_LEVEL)
        return -EOPNOTSUPP;
    switch (option) {
    case SO_TYPE: value = socket->type; break;
    case SO_ERROR: break;
    case SO_SNDBUF:
    case SO_RCVBUF: value = RING_SIZE; break;
    case SO_ACCEPTCONN: value = socket->listening; break;
    default: return -ENOPROTOOPT;
    }
    if (copy_in(&room, size_at, sizeof room) || copy_out(at, &value, room < sizeof value ? room : sizeof value))
        return -EFAULT;
    room = room < sizeof value ? room : sizeof value;
    return copy_out(size_at, &room, sizeof room);
}

const struct call socket_calls[] = {
    CALL(281, "socket", sys_socket), CALL(282, "bind", sys_bind), CALL(283, "connect", sys_connect),
    CALL(284, "listen", sys_listen), CALL(285, "accept", sys_accept), CALL(286, "getsockname", sys_getsockname),
    CALL(287, "getpeername", sys_getpeername), CALL(288, "socketpair", sys_socketpair), CALL(289, "send", sys_send),
    CALL(290, "sendto", sys_sendto), CALL(291, "recv", sys_recv), CALL(292, "recvfrom", sys_recvfrom),
    CALL(293, "shutdown", sys_shutdown), CALL(294, "setsockopt", sys_setsockopt),
    CALL(295, "getsockopt", sys_getsockopt), CALL(296, "sendmsg", sys_sendmsg), CALL(297, "recvmsg", sys_recvmsg),
    CALL(366, "accept4", sys_accept4),
    {0, 0},
};
