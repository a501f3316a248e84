/* The names of devices, and the one that is nothing but two lines: /dev/null. */
#include "front.h"

static int read_end(struct file *file, u32 to, u32 size) { return (void)file, (void)to, (void)size, 0; }

static int write_away(struct file *file, u32 from, u32 size) { return (void)file, (void)from, (int)size; }

static const struct file_operations null_operations = {.read = read_end, .write = write_away};

static const struct {
    const char *path;
    u32 mode, link; /* link: the class of its driver domain; 0: it needs none */
    const struct file_operations *operations;
} devices[] = {
    {"dev/console", DEVICE | 0666, 0, &console_operations},
    {"dev/null", DEVICE | 0666, 0, &null_operations},
    {"dev/blk0", BLOCK_DEVICE | 0600, CONNECTION_BLOCK, &block_operations},
    {"dev/input", DEVICE | 0600, CONNECTION_INPUT, &input_operations},
};

/* What is behind links is there if the links are. */
void devices_start(void)
{
    for (u32 i = 0; i < sizeof devices / sizeof *devices; i++) {
        if (devices[i].link && !machine_link(devices[i].link))
            continue;
        struct inode *inode = inode_new(devices[i].mode);
        if (name_add(devices[i].path, inode))
            give_up("no names");
        inode->operations = devices[i].operations;
    }
}

void devices_interrupt(void)
{
    console_interrupt();
    block_interrupt();
    input_interrupt();
}
