/* Sockets of the family AF_UNIX, between socket.c (what they are) and socket_calls.c (the system calls). */
#ifndef WREN_SOCKET_H
#define WREN_SOCKET_H

#include "../files/files.h"

#pragma GCC visibility push(hidden)

enum { STREAM = 1, DATAGRAM = 2, FAMILY = 1, PATH_LIMIT = 108, FAMILY_SIZE = 2, BACKLOG = 16 };

struct address { /* struct sockaddr_un; size: of what counts of it, 2 if there is no name */
    u16 family;
    char path[PATH_LIMIT + 2];
    u32 size;
};

struct socket {
    u32 type, users;          /* its file or its listener's queue; those whose peer it is */
    u32 readers, writers;     /* 1 or 0: whether we may still read; whether more can still come to us */
    u32 closed, connected;    /* by its owner; ever */
    u32 deaf;                 /* shut down for writing */
    u32 accepted, reset;      /* 0: nobody has it as a file yet; whether the peer went without reading all that we wrote */
    u32 listening, backlog;   /* how many may wait */
    struct ring incoming;     /* a stream's bytes, or datagrams behind their heads. Its queue: for all who wait for this socket */
    struct socket *peer;      /* whom our writes go to; held */
    struct socket *pending;   /* of a listener: who connected and was not accepted yet */
    struct socket *next;      /* in such a queue, or among those with abstract names */
    struct inode *inode;      /* what binds its name, if that is a path; held */
    struct address address;
};

struct message { /* of a datagram in a ring: the bytes follow, and before them the sender's name */
    u32 size, name_size;
};

extern const struct file_operations socket_operations;
struct socket *socket_make(u32 type);
void socket_release(struct socket *socket);
void socket_close(struct socket *socket); /* its owner is gone */
void socket_join(struct socket *one, struct socket *other);
int socket_shut(struct socket *socket, u32 how);
int socket_bind(struct socket *socket, const struct address *address);
struct socket *socket_find(const struct address *address, int *error); /* not held: nothing happens in between */
int socket_send(struct socket *socket, struct span *from, u32 ways, struct socket *to);
int socket_receive(struct socket *socket, struct span *to, u32 ways, struct address *sender);

#pragma GCC visibility pop
#endif
