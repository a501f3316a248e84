/* /dev/blk0: a disk behind a driver domain. One page of the disk is here at a time; a process reads and writes in it, and what
   was written goes to the disk before the call ends. Whoever finds the front end at work waits and looks again. The protocol is
   that of cells/split/block/protocol.py. */
#include "front.h"

enum { IDENTIFY = 1, READ = 2, WRITE = 3, SLOT_COUNT = 16, SMALLEST_SECTOR = 64 };
#define NONE (~0u)
#define LARGEST 0x7fffffffu /* as far as offsets reach */

static u8 data[PAGE];
static struct front front = {.class = CONNECTION_BLOCK, .slots = SLOT_COUNT, .buffers = PAGE, .buffer_size = PAGE, .data = data};
static struct {
    u32 sector, size;      /* bytes of a sector, 0: not known yet; bytes of the disk */
    u32 page;              /* which one is in `data`; NONE */
    u32 operation, wanted; /* of the request that is on its way, or 0; its page */
} disk = {.page = NONE};

void block_interrupt(void)
{
    front_progress(&front);
    if (front.answered || front.broken)
        wake(&disk);
}

/* What of a page is on the disk. */
static u32 bytes_of(u32 page) { return smaller(PAGE, disk.size - page * PAGE); }

/* What the disk says of itself: sectors, bytes of one. */
static int identified(void)
{
    u32 sector = front.body[2];
    u64 size = (u64)front.body[0] * sector;
    if (sector < SMALLEST_SECTOR || sector > PAGE || sector & (sector - 1) || front.body[1] || size > LARGEST)
        return -EIO;
    disk.size = (u32)size;
    disk.sector = sector;
    return 0;
}

static u32 sectors(u32 bytes) { return (u32)divide(bytes, disk.sector, 0); }

static void ask(u32 operation, u32 page, u32 size)
{
    u32 body[BODY / 4] = {sectors(page * PAGE), 0, sectors(bytes_of(page)), 0}; /* all 0 until the disk is known */
    disk.operation = operation;
    disk.wanted = page;
    if (operation == READ)
        disk.page = NONE;
    front_submit(&front, operation, body, size);
}

/* 0: nothing is on its way. What went wrong is told to whoever looks first: the one who asked for it, if he still lives. */
static int settle(void)
{
    u32 operation = disk.operation;
    int outcome = operation ? front_take(&front) : 1;
    if (!outcome)
        return wait_on(&disk, NEVER);
    if (!operation)
        return 0;
    disk.operation = 0;
    wake(&disk); /* the others look, too */
    if (outcome > 0 && (front.status || front.size != (operation == READ ? bytes_of(disk.wanted) : 0)))
        outcome = -EIO;
    if (outcome > 0 && operation == IDENTIFY)
        return identified();
    disk.page = outcome > 0 ? disk.wanted : NONE;
    return outcome < 0 ? outcome : 0;
}

static int transfer(struct file *file, u32 user, u32 size, int writes)
{
    u32 *done = &current->call.done;
    int error;
    while (!(error = settle()) && *done < size && file->offset + *done < disk.size) {
        u32 at = file->offset + *done, page = at / PAGE, part = smaller(size - *done, bytes_of(page) - at % PAGE);
        if (disk.page != page) {
            ask(READ, page, 0);
            continue;
        }
        error = writes ? copy_in(data + at % PAGE, user + *done, part) : copy_out(user + *done, data + at % PAGE, part);
        if (error && writes)
            disk.page = NONE; /* who knows how much came */
        if (error)
            return error;
        *done += part;
        if (writes)
            ask(WRITE, page, bytes_of(page));
    }
    if (!error)
        file->offset += *done;
    return error ? error : (int)*done;
}

static int read_block(struct file *file, u32 to, u32 size) { return transfer(file, to, size, 0); }

static int write_block(struct file *file, u32 from, u32 size)
{
    return size && file->offset >= disk.size ? -ENOSPC : transfer(file, from, size, 1);
}

/* The size is known from here on: lseek and fstat look into the inode. */
static int open_block(struct file *file)
{
    int error = settle();
    if (!error && !disk.sector) {
        ask(IDENTIFY, 0, 0);
        error = wait_on(&disk, NEVER);
    }
    file->inode->size = disk.size;
    return error;
}

const struct file_operations block_operations = {.open = open_block, .read = read_block, .write = write_block};
