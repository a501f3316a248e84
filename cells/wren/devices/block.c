/* /dev/blk0: a disk behind a driver domain. The front end has one buffer of a page; a call that wants something of the disk owns
   the front end until it has it, the others wait. Any range can be read and written: sectors that are written in part are read
   before. The protocol is that of cells/split/block/protocol.py. */
#include "front.h"

#include "info_page.h"

enum { IDENTIFY = 1, READ = 2, WRITE = 3, READ_ONLY_DISK = 1, SLOT_COUNT = 16 };

static u8 data[PAGE];
static struct front front = {.class = CONNECTION_BLOCK, .slots = SLOT_COUNT, .buffers = PAGE, .buffer_size = PAGE, .data = data};
static struct {
    u32 sector, flags, size; /* bytes of a sector, 0: not known yet; bytes of the disk, as far as offsets reach */
    struct process *owner;
    u32 steps, submitted;    /* of the owner: requests that are done; whether the next one is on its way */
    struct queue queue;
} disk;

int block_present(void) { return front_present(&front); }

void block_interrupt(void)
{
    if (!block_present())
        return;
    front_progress(&front);
    if (front.answered || front.broken || !front.busy)
        wake(&disk.queue);
}

/* The disk is free for the next one. A request that is still on its way is waited for by whoever comes then. */
static int leave(int outcome)
{
    if (disk.owner == current && outcome != AGAIN_LATER) {
        disk.owner = 0;
        wake(&disk.queue);
    }
    return outcome;
}

static int own(void)
{
    if (disk.owner && disk.owner != current)
        return wait_on(&disk.queue, NEVER);
    if (!disk.owner)
        disk.owner = current, disk.steps = disk.submitted = 0;
    return 0;
}

/* Whether this step has still to be asked for: 1. Otherwise it is done, or on its way, or somebody else's request is: 0. */
static int is_due(u32 step)
{
    if (front.busy && !disk.submitted)
        front_take(&front); /* of one who could not wait for it */
    return disk.steps == step && !disk.submitted && !front.busy;
}

static void ask(u32 operation, u32 first, u32 count, u32 size)
{
    front_submit(&front, operation, (u32[BODY / 4]){first, 0, count, 0}, size);
    disk.submitted = 1;
}

/* 0: the step is done, with so many bytes; AGAIN_LATER, or an error. */
static int finish(u32 step, u32 size)
{
    if (disk.steps > step)
        return 0;
    int outcome = disk.submitted ? front_take(&front) : 0;
    if (!outcome)
        return wait_on(&disk.queue, NEVER);
    disk.submitted = 0;
    disk.steps++;
    return outcome < 0 || front.status || front.size != size ? -EIO : 0;
}

/* What the disk says of itself: sectors, bytes of one, flags. */
static int identify(void)
{
    if (disk.sector)
        return 0;
    int error = own();
    if (error)
        return error;
    if (is_due(0))
        ask(IDENTIFY, 0, 0, 0);
    error = finish(0, 0);
    u32 sector = front.body[2], most = 0x7fffffff;
    if (!error && (sector < 64 || sector > PAGE || sector & (sector - 1)))
        error = -EIO;
    if (!error) {
        u64 size = front.body[1] ? most : (u64)front.body[0] * sector;
        disk.sector = sector, disk.flags = front.body[3];
        disk.size = size < most ? (u32)size : most;
    }
    return leave(error);
}

/* The part of [offset, offset + size) that lies in one page, and the sectors that it touches. */
struct part {
    u32 offset, size, first, count, start, bytes; /* start, bytes: of the sectors */
};

static struct part part_of(u32 offset, u32 size)
{
    u32 rest = PAGE - offset % PAGE, mask = disk.sector - 1, shift = 0, most = disk.size - offset;
    while (disk.sector >> shift != 1)
        shift++;
    struct part part = {.offset = offset, .size = size < rest ? size : rest};
    if (part.size > most)
        part.size = most;
    part.start = offset & ~mask;
    part.first = part.start >> shift;
    part.bytes = (part.size + offset - part.start + mask) & ~mask;
    part.count = part.bytes >> shift;
    return part;
}

static int is_partial(const struct part *part) { return part->start != part->offset || part->size & (disk.sector - 1); }

static int read_part(struct span *to, struct part part)
{
    int error = own();
    if (error)
        return error;
    if (is_due(0))
        ask(READ, part.first, part.count, 0);
    error = finish(0, part.bytes);
    if (!error)
        error = span_out(to, data + (part.offset - part.start), part.size);
    return leave(error);
}

static int write_part(struct span *from, struct part part)
{
    u32 last = is_partial(&part); /* the step that writes: behind the one that reads, if there is one */
    int error = own();
    if (error)
        return error;
    if (last && is_due(0))
        ask(READ, part.first, part.count, 0);
    if (last)
        error = finish(0, part.bytes);
    if (!error && is_due(last)) {
        error = span_in(from, data + (part.offset - part.start), part.size);
        if (!error)
            ask(WRITE, part.first, part.count, part.bytes);
    } else if (!error) {
        error = span_skip(from, part.size); /* taken when the write was asked for */
    }
    return leave(error ? error : finish(last, 0));
}

/* Part by part; what is done stands in the process, for the call may be made again. */
static int transfer(struct file *file, struct span *span, int (*move)(struct span *span, struct part part))
{
    int error = identify();
    u32 *done = &current->call.done;
    if (!error)
        error = span_skip(span, *done);
    while (!error && span->size && file->offset + *done < disk.size) {
        struct part part = part_of(file->offset + *done, span->size);
        error = move(span, part);
        if (!error)
            *done += part.size;
    }
    if (error == AGAIN_LATER || (error && !*done))
        return error;
    file->offset += *done;
    return (int)*done;
}

static int read_block(struct file *file, struct span *to) { return transfer(file, to, read_part); }

static int write_block(struct file *file, struct span *from)
{
    int error = identify();
    if (error)
        return error;
    if (disk.flags & READ_ONLY_DISK)
        return -EROFS;
    if (from->size && file->offset >= disk.size)
        return -ENOSPC;
    return transfer(file, from, write_part);
}

/* The size is known from here on: lseek and fstat look into the inode. */
static int open_block(struct file *file)
{
    int error = identify();
    file->inode->size = disk.size;
    return error;
}

const struct file_operations block_operations = {.open = open_block, .read = read_block, .write = write_block};
