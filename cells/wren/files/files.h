/* Files: descriptors and what they stand for, the tree of names, pipes, sockets, devices.

   A `struct file` is made by open, pipe, socket or connect; descriptors of one process or of several (dup2, fork) share it with
   its offset; the last that is closed ends it. An inode is what names in the tree stand for: all of them are in memory. */
#ifndef WREN_FILES_H
#define WREN_FILES_H

#include "../kernel/kernel.h"

#pragma GCC visibility push(hidden)

enum { OPEN_FILES = 256, PIPES = 64, INODES = 256, NAMES = 256, NAME = 64 }; /* of the whole machine; NAME: bytes of a path */
enum { CREATE = 0100, EXCLUSIVE = 0200, TRUNCATE = 01000, APPEND = 02000, DIRECTORY_ONLY = 040000 };
enum { ACCESS_MODE = 3, READ_ONLY = 0, WRITE_ONLY = 1, READ_WRITE = 2 };
enum { POLL_IN = 1, POLL_OUT = 2 };

/* ---- file.c. What an operation of 0 stands for: nothing has to be done, or nothing is possible. Those that read and write have
   an address of the process; they may wait, and answer with bytes, 0 at the end, or an error */
struct file;
struct pipe;
struct file_operations {
    u32 kind; /* of what has no inode: FIFO, SOCKET */
    int (*open)(struct file *file);
    int (*read)(struct file *file, u32 to, u32 size);
    int (*write)(struct file *file, u32 from, u32 size);
    u32 (*poll)(struct file *file); /* POLL_IN, POLL_OUT: it would not wait */
    void (*close)(struct file *file); /* the last user has gone */
};
struct file {
    const struct file_operations *operations;
    struct inode *inode; /* 0: a pipe, a socket without a name */
    u32 flags, offset, users;
    struct pipe *in, *out;       /* of a pipe's end one, of a connection both */
    u32 listens;
    struct file *waiting, *next; /* of a listener: who was connected and not accepted yet */
};
/* With one user; 0: the table is full */
struct file *file_new(const struct file_operations *operations, struct inode *inode, u32 flags);
void file_release(struct file *file); /* one user less */
int file_describe(struct file *file); /* a descriptor for its user. Or an error: then it is released. 0 gives -ENFILE */
int file_close(u32 descriptor);
struct file *file_of(u32 descriptor); /* 0: none */
static inline int may_read(const struct file *file) { return (file->flags & ACCESS_MODE) != WRITE_ONLY; }
static inline int may_write(const struct file *file) { return (file->flags & ACCESS_MODE) != READ_ONLY; }

/* ---- inode.c */
enum inode_kind {
    REGULAR = 0100000, DIRECTORY = 0040000, DEVICE = 0020000, BLOCK_DEVICE = 0060000, LINK = 0120000, FIFO = 0010000,
    SOCKET = 0140000,
};
struct inode {
    const struct file_operations *operations; /* of who opens it; 0: nobody can */
    u32 number, mode, size;
    u32 users;             /* names, open files */
    u32 *pages;            /* of a regular file: a page of 1024 physical pages */
    struct file *listener; /* of a socket's name */
};
#define FILE_LIMIT (4u << 20) /* what `pages` can hold */
static inline u32 kind_of(const struct inode *inode) { return inode->mode & 0170000; }
struct inode *inode_new(u32 mode);        /* with one user; 0: the table is full */
void inode_empty(struct inode *inode);
u8 *inode_bytes(struct inode *inode, u32 offset); /* from there to the end of a page; 0: no room */

/* ---- names.c. A name is a whole path, without slashes at its ends: "bin/sh"; that of the root is "" */
struct name {
    char path[NAME];
    struct inode *inode;
};
int name_find(const char *path, struct name *found); /* 0 or an error. Without an inode: only its directory is there */
int name_find_user(u32 path, struct name *found);
int name_add(const char *path, struct inode *inode);  /* which is released if there is no place for it (or if it is 0) */

/* ---- pipe.c */
int pipe_between(struct file *writer, struct file *reader); /* 0 or -ENFILE */
int read_pipe(struct file *file, u32 to, u32 size);
int write_pipe(struct file *file, u32 from, u32 size);
u32 poll_pipe(struct file *file);
void close_pipe(struct file *file);

/* ---- ../devices */
void devices_start(void); /* the names of what this machine has, in /dev */
void console_interrupt(void); /* take what was typed */
extern const struct file_operations console_operations;

#pragma GCC visibility pop
#endif
