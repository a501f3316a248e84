/* Devices by their numbers, and the one that is nothing but two lines: /dev/null. */
#include "front.h"

static int read_end(struct file *file, u32 to, u32 size) { return (void)file, (void)to, (void)size, 0; }

static int write_away(struct file *file, u32 from, u32 size) { return (void)file, (void)from, (int)size; }

static const struct file_operations null_operations = {.read = read_end, .write = write_away};

static const struct {
    const char *name;
    u32 mode, device, link; /* link: the class of its driver domain; 0: it needs none */
    const struct file_operations *operations;
} devices[] = {
    {"console", DEVICE | 0666, DEVICE_CONSOLE, 0, &console_operations},
    {"null", DEVICE | 0666, DEVICE_NULL, 0, &null_operations},
    {"blk0", BLOCK_DEVICE | 0600, DEVICE_BLOCK, CONNECTION_BLOCK, &block_operations},
    {"input", DEVICE | 0600, DEVICE_INPUT, CONNECTION_INPUT, &input_operations},
};
enum { COUNT = sizeof devices / sizeof *devices };

const struct file_operations *device_operations(u32 device)
{
    for (u32 i = 0; i < COUNT; i++)
        if (devices[i].device == device)
            return devices[i].operations;
    return 0;
}

/* The nodes of what is behind links are there if the links are. */
void devices_start(struct inode *directory)
{
    struct inode *node;
    for (u32 i = 0; i < COUNT; i++)
        if (!devices[i].link || machine_link(devices[i].link))
            if (!entry_make(directory, devices[i].name, devices[i].mode, &node))
                node->device = devices[i].device;
}

void devices_interrupt(void)
{
    console_interrupt();
    block_interrupt();
    input_interrupt();
}
