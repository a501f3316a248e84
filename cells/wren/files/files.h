/* What the file side's own files know of each other: user memory as spans, walks through the tree, byte rings. */
#ifndef WREN_FILES_H
#define WREN_FILES_H

#include "../kernel/kernel.h"

#pragma GCC visibility push(hidden)

enum { CREATE = 0100, EXCLUSIVE = 0200, TRUNCATE = 01000, APPEND = 02000, NONBLOCK = 04000, CLOSE_ON_EXEC = 02000000 };
enum { O_DIRECTORY_ = 040000, O_NOFOLLOW_ = 0100000, ACCESS_MODE = 3, READ_ONLY = 0, WRITE_ONLY = 1, READ_WRITE = 2 };
enum { HERE = -100 }; /* AT_FDCWD: names are relative to the working directory */
enum { BLOCK_DEVICE = 0060000 };

/* ---- span.c: memory of the calling process that one call reads or fills, from the front to the back */
struct span {
    u32 vector, count; /* pieces that follow: address and number of their `struct iovec` */
    u32 at, left;      /* the piece in use */
    u32 size;          /* bytes in all that are left */
};
int span_of(struct span *span, u32 at, u32 size);          /* 0, -EINVAL, -EFAULT */
int span_vector(struct span *span, u32 vector, u32 count); /* 0, -EINVAL, -EFAULT */
int span_in(struct span *span, void *to, u32 size);        /* 0 or -EFAULT; at most span->size */
int span_out(struct span *span, const void *from, u32 size);
int span_skip(struct span *span, u32 size);

/* ---- path.c */
struct entry {
    struct entry *next;
    struct inode *inode;
    u32 position; /* grows, so that a directory can be read while names come and go */
    char name[NAME + 1];
};
struct walk {
    struct inode *directory, *inode; /* held; inode: 0 if the last name does not exist */
    char name[NAME + 1];             /* the last name; "" if the path is nothing but "/" */
    int slash;                       /* behind the last name */
};
enum { KEEP_LINK = 0, FOLLOW = 1 };
int walk(struct inode *from, const char *path, int follow, struct walk *found); /* 0, or negative: nothing is held */
void walk_end(struct walk *found);
int walk_user(int descriptor, u32 path, int follow, struct walk *found);
struct inode *walk_inode(int descriptor, u32 path, int follow, int *error); /* held, or 0 */
typedef int inode_act(struct inode *inode, u32 a, u32 b);
int at_path(int descriptor, u32 path, int follow, inode_act *act, u32 a, u32 b); /* its answer, or why there is nothing to act on */

int walk_create(struct walk *found, u32 mode, u32 device); /* name_calls.c: a new inode under a name that was not found */
u32 masked(u32 mode);                                      /* a new file's mode */

/* ---- inode.c */
struct inode *inode_make(u32 mode, u32 device); /* with one user, in no directory; 0: no room */
struct inode *entry_find(struct inode *directory, const char *name);
int entry_add(struct inode *directory, const char *name, struct inode *inode);
void entry_remove(struct inode *directory, const char *name);
int inode_write(struct inode *inode, u32 offset, struct span *from);
int inode_read_span(struct inode *inode, u32 offset, struct span *to);
int inode_truncate(struct inode *inode, u32 size);
extern u8 zeroes[PAGE]; /* nobody writes there; no const, for that would be 4 KiB of the image */
#define FILE_LIMIT 0x10000000u /* 64 leaves of 1024 pages */

/* ---- file.c */
struct file *file_make(const struct file_operations *operations, struct inode *inode, u32 flags, void *data); /* takes a user */
void file_hold(struct file *file);
void file_release(struct file *file);
int file_install_at(struct file *file, u32 first, u32 flags); /* the lowest free descriptor from `first` on */
int file_install_pair(struct file *files[2], u32 flags, u32 to); /* pipe.c: told at `to`; uses both up */
int file_room(void); /* whether there is a free descriptor */
int file_close(u32 descriptor);
int file_open(struct inode *inode, u32 flags); /* a descriptor */
static inline int may_read(const struct file *file) { return (file->flags & ACCESS_MODE) != WRITE_ONLY; }
static inline int may_write(const struct file *file) { return (file->flags & ACCESS_MODE) != READ_ONLY; }
static inline int may_wait(const struct file *file) { return !(file->flags & NONBLOCK); } /* also: WAIT or no way */
void ready(struct queue *queue); /* something became readable or writable: those on the queue, and who polls */

/* ---- ring.c: bytes in pages that come when they are needed */
enum { RING_PAGES = 16, RING_SIZE = RING_PAGES * PAGE, ATOMIC = PAGE };
struct ring {
    u32 pages[RING_PAGES], head, tail; /* counts of bytes that were read and written */
    struct queue queue;                /* who waits for bytes or for room */
};
static inline u32 ring_used(const struct ring *ring) { return ring->tail - ring->head; }
static inline u32 ring_room(const struct ring *ring) { return RING_SIZE - ring_used(ring); }
int ring_put(struct ring *ring, u32 ahead, struct span *from, u32 size); /* behind the tail, not yet counted; -EFAULT, -ENOMEM */
int ring_put_bytes(struct ring *ring, u32 ahead, const void *from, u32 size);
int ring_get(struct ring *ring, u32 ahead, struct span *to, u32 size);   /* from the head, not yet taken away */
void ring_get_bytes(struct ring *ring, u32 ahead, void *to, u32 size);
void ring_drop(struct ring *ring, u32 size); /* take so many bytes away */
void ring_clear(struct ring *ring);
enum { WAIT = 1, SILENT = 2, PEEK = 4 }; /* ways: may wait; no SIGPIPE; what is read stays */
int ring_write(struct ring *ring, struct span *from, u32 ways, const u32 *readers); /* a stream's write */
int ring_read(struct ring *ring, struct span *to, u32 ways, const u32 *writers);

/* ---- devices: by number, major << 8 | minor */
enum { DEVICE_NULL = 0x103, DEVICE_ZERO = 0x105, DEVICE_TTY = 0x500, DEVICE_CONSOLE = 0x501 };
enum { DEVICE_BLOCK = 0xca00, DEVICE_INPUT = 0xd40 };
void make_node(struct inode *directory, const char *name, u32 mode, u32 device);
void devices_start(struct inode *directory); /* the nodes of what this machine has beside console, null and zero */
const struct file_operations *device_operations(u32 device); /* 0: there is none */
extern const struct file_operations console_operations, regular_operations, pipe_operations;

#pragma GCC visibility pop
#endif
