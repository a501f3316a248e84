/* Files: descriptors and what they stand for, the tree of names, pipes, sockets, devices.

   A `struct file` is made by open, pipe, socket or accept; descriptors of one process or of several (dup2, fork) share it with
   its offset; the last that is closed ends it. An inode is what a name in the tree stands for: all of them are in memory. */
#ifndef WREN_FILES_H
#define WREN_FILES_H

#include "../kernel/kernel.h"

#pragma GCC visibility push(hidden)

enum { CREATE = 0100, EXCLUSIVE = 0200, TRUNCATE = 01000, APPEND = 02000, DIRECTORY_ONLY = 040000 };
enum { ACCESS_MODE = 3, READ_ONLY = 0, WRITE_ONLY = 1, READ_WRITE = 2 };
enum { POLL_IN = 1, POLL_OUT = 2 };

/* ---- file.c. What an operation of 0 stands for: nothing has to be done, or nothing is possible. Those that read and write have
   an address of the process; they may wait, and answer with bytes, 0 at the end, or an error */
struct file;
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
    struct inode *inode; /* 0: a pipe, a socket */
    u32 flags, offset, users;
    void *data; /* the operations' own */
};
struct file *file_of(u32 descriptor); /* 0: none */
/* A file with a descriptor, or an error: then it has ended already, and `data` with it. */
int file_new(const struct file_operations *operations, struct inode *inode, u32 flags, void *data);
int file_close(u32 descriptor);
static inline int may_read(const struct file *file) { return (file->flags & ACCESS_MODE) != WRITE_ONLY; }
static inline int may_write(const struct file *file) { return (file->flags & ACCESS_MODE) != READ_ONLY; }

/* ---- inode.c. There are no hard links: an inode has one name, and holds it itself */
enum inode_kind {
    REGULAR = 0100000, DIRECTORY = 0040000, DEVICE = 0020000, BLOCK_DEVICE = 0060000, LINK = 0120000, FIFO = 0010000,
    SOCKET = 0140000,
};
struct inode {
    u32 number, mode, users, size; /* users: its name, open files, mappings, working directories */
    u32 device;
    u32 *pages;                    /* of a regular file: a page of 1024 physical pages */
    char *target;                  /* of a symbolic link */
    void *socket;                  /* that is bound to it */
    struct inode *parent;          /* 0: it has no name any more. Of the root, itself */
    struct inode *entries, *next;  /* of a directory; in a directory */
    char name[NAME + 1];
};
#define FILE_LIMIT (4u << 20) /* what `pages` can hold */
extern struct inode *root;
static inline u32 kind_of(const struct inode *inode) { return inode->mode & 0170000; }
struct inode *inode_make(u32 mode); /* with one user and no name; 0: no room */
void inode_hold(struct inode *inode);
void inode_release(struct inode *inode);
u32 inode_page(struct inode *inode, u32 offset, int make); /* physical page of a file; 0: there is none */
void *inode_bytes(struct inode *inode, u32 offset, u32 *size); /* in one page; *size: how many, at most; 0 at the end */
int inode_write(struct inode *inode, u32 offset, u32 from, u32 size); /* from the process: how many, or an error */
void inode_empty(struct inode *inode);
struct inode *entry_find(struct inode *directory, const char *name);
int entry_make(struct inode *directory, const char *name, u32 mode, struct inode **made); /* not held */
void entry_remove(struct inode *inode);

/* ---- path.c. Nothing that is found is held: nothing happens before it is used */
struct walk {
    struct inode *directory, *inode; /* inode: 0 if the last name does not exist */
    char name[NAME + 1];             /* the last name; "" if the path is nothing but "/" */
};
enum { KEEP_LINK = 0, FOLLOW = 1 };
int walk(const char *path, int follow, struct walk *found);     /* 0 or an error */
int walk_user(u32 path, int follow, struct walk *found);
int path_find(const char *path, struct inode **inode);          /* what is there */
int path_find_user(u32 path, struct inode **inode);

/* ---- pipe.c: bytes on their way; a connection of sockets is two of them */
struct pipe {
    u8 *bytes;             /* a page */
    u32 head, tail;        /* counts of bytes that were read and written */
    u32 readers, writers;
};
struct pipe *pipe_make(void); /* with a reader and a writer; 0: no room */
int pipe_read(struct pipe *pipe, u32 to, u32 size);
int pipe_write(struct pipe *pipe, u32 from, u32 size);
u32 pipe_poll(const struct pipe *pipe, u32 side);  /* side: POLL_IN of who reads, POLL_OUT of who writes */
void pipe_free(struct pipe *pipe);
void pipe_leave(struct pipe *pipe, u32 side);

/* ---- ../devices: by number, major << 8 | minor */
enum { DEVICE_NULL = 0x103, DEVICE_CONSOLE = 0x501, DEVICE_BLOCK = 0xca00, DEVICE_INPUT = 0xd40 };
void devices_start(struct inode *directory); /* the nodes of what this machine has */
const struct file_operations *device_operations(u32 device); /* 0: there is none */
void console_interrupt(void); /* take what was typed */
extern const struct file_operations console_operations;

#pragma GCC visibility pop
#endif
