/* What the kernel proper knows of files: descriptors and inodes. What the files know of each other is in files.h. */
#ifndef WREN_FILE_H
#define WREN_FILE_H

#include "../machine/machine.h"

#pragma GCC visibility push(hidden)

struct file;
struct process;
struct queue;

/* ---- file.c: what a file descriptor stands for */
enum { POLL_IN = 1, POLL_OUT = 4, POLL_ERROR = 8, POLL_HANGUP = 16 };
struct span; /* files.h: memory of the calling process, in one piece or in several (readv) */
struct file_operations {
    int (*open)(struct file *file); /* 0; may wait, as the others may. Where a function is 0, nothing is to be done, or nothing is possible */
    int (*read)(struct file *file, struct span *to); /* bytes, 0 at the end, negative errno, AGAIN_LATER */
    int (*write)(struct file *file, struct span *from);
    int (*control)(struct file *file, u32 request, u32 argument); /* ioctl */
    u32 (*poll)(struct file *file);
    void (*close)(struct file *file); /* the last user has gone */
};
struct file {
    const struct file_operations *operations;
    struct inode *inode; /* 0: a pipe, a socket */
    u32 flags, offset, users;
    void *data;          /* the operations' own */
};
void files_fork(struct process *child);
void files_exec(struct process *process); /* close-on-exec */
void files_close_all(struct process *process);
struct file *file_of(int descriptor);     /* 0: none */
int file_install(struct file *file, u32 flags); /* the lowest free descriptor of `current`, or -EMFILE */
extern struct queue poll_queue;           /* everybody in select or poll; woken whenever anything becomes ready */

/* ---- inode.c: the tree of files in memory, filled from the initramfs; initramfs.c */
enum inode_kind { REGULAR = 0100000, DIRECTORY = 0040000, DEVICE = 0020000, LINK = 0120000, FIFO = 0010000, SOCKET = 0140000 };
struct inode {
    u32 number, mode, links, users, size, device;
    u64 modified;          /* nanoseconds since the machine began */
    u32 *pages[64];        /* of a regular file: leaves of 1024 physical pages */
    struct entry *entries; /* of a directory */
    struct inode *parent;  /* of a directory, which is a user of it */
    u32 next_position;     /* of a directory: what the next entry gets */
    char *target;          /* of a link */
    void *data;            /* of a pipe or socket that has a name */
};
extern struct inode *root;
static inline u32 kind_of(const struct inode *inode) { return inode->mode & 0170000; }
void inode_start(void);
struct inode *path_find(const char *path, int *error); /* from current->directory; takes a user; 0 with *error */
int inode_read(struct inode *inode, u32 offset, void *to, u32 size);
u32 inode_page(struct inode *inode, u32 index, int make); /* physical page of a regular file; 0: a hole or no room */
void inode_hold(struct inode *inode);
void inode_release(struct inode *inode);
void initramfs_unpack(const void *archive, u32 size);
void console_start(void);      /* console.c: /dev/console, its line discipline */
void console_interrupt(void);  /* take what was typed */
void files_start(void);        /* descriptors 0-2 of the first process: /dev/console */
void devices_interrupt(void);  /* block.c, input.c: front ends, if the machine has any */

#pragma GCC visibility pop
#endif
