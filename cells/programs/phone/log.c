/* What survives the phone's end: one block of the disk with counters and the last calls. A block that does not add up begins anew. */
#include "phone.h"

#define DISK "/dev/blk0"
#define BLOCK 4096

static u8 block[BLOCK];

static u32 sum_of(const struct record *record)
{
    const u8 *at = (const u8 *)&record->starts, *end = (const u8 *)(record + 1);
    u32 sum = 1;
    while (at < end)
        sum = sum * 31 + *at++;
    return sum;
}

void record_read(void)
{
    int disk = open(DISK, O_RDONLY, 0);
    if (disk >= 0 && read(disk, block, BLOCK) == BLOCK) {
        memcpy(&phone.record, block, sizeof phone.record);
        if (phone.record.magic != RECORD_MAGIC || phone.record.sum != sum_of(&phone.record))
            memset(&phone.record, 0, sizeof phone.record);
    }
    if (disk >= 0)
        close(disk);
    phone.record.magic = RECORD_MAGIC;
    phone.record.next %= LOG_ENTRIES;
    phone.record.starts++;
}

static int write_block(void)
{
    int disk = open(DISK, O_RDWR, 0);
    if (disk < 0)
        return disk; /* a phone without a disk forgets */
    phone.record.sum = sum_of(&phone.record);
    memset(block, 0, BLOCK);
    memcpy(block, &phone.record, sizeof phone.record);
    return write_all(disk, block, BLOCK);
}

/* A flash may take a second to erase what was there: a child waits for it. While one does, what is new waits for the next tick. */
void record_save(void)
{
    static int writer;
    int status;
    if (writer > 0 && !waitpid(writer, &status, WNOHANG))
        return;
    writer = 0;
    if (!phone.unsaved)
        return;
    writer = fork();
    if (!writer)
        exit(write_block() < 0);
    phone.unsaved = writer < 0;
}

void record_write(void)
{
    phone.unsaved = 1;
    record_save();
}

void record_call(u32 kind, u32 seconds)
{
    struct log_entry *entry = &phone.record.entries[phone.record.next];
    *entry = (struct log_entry){.kind = kind, .at = phone.now / 1000, .seconds = seconds, .start = phone.record.starts};
    memcpy(entry->number, phone.number, MOST_DIGITS);
    phone.record.next = (phone.record.next + 1) % LOG_ENTRIES;
    phone.record.calls++;
    record_write();
}
