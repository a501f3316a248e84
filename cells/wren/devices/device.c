/* Devices by their numbers, and the two that are nothing but a few lines: /dev/null and /dev/zero. */
#include "front.h"

static int read_end(struct file *file, struct span *to)
{
    (void)file, (void)to;
    return 0;
}

static int read_zeroes(struct file *file, struct span *to)
{
    u32 size = to->size;
    (void)file;
    while (to->size && !span_out(to, zeroes, smaller(to->size, PAGE)))
        ;
    return to->size < size || !size ? (int)(size - to->size) : -EFAULT;
}

static int write_away(struct file *file, struct span *from)
{
    (void)file;
    return (int)from->size;
}

static const struct file_operations null_operations = {.read = read_end, .write = write_away};
static const struct file_operations zero_operations = {.read = read_zeroes, .write = write_away};

const struct file_operations *device_operations(u32 device)
{
    static const struct {
        u32 device;
        const struct file_operations *operations;
    } table[] = {
        {DEVICE_NULL, &null_operations},
        {DEVICE_ZERO, &zero_operations},
        {DEVICE_TTY, &console_operations},
        {DEVICE_CONSOLE, &console_operations},
        {DEVICE_BLOCK, &block_operations},
        {DEVICE_INPUT, &input_operations},
    };
    for (u32 i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].device == device)
            return table[i].operations;
    return 0;
}

void devices_interrupt(void)
{
    block_interrupt();
    input_interrupt();
}

/* The nodes of what is behind links are there if the links are. */
void devices_start(struct inode *directory)
{
    if (block_present())
        make_node(directory, "blk0", BLOCK_DEVICE | 0600, DEVICE_BLOCK);
    if (input_present())
        make_node(directory, "input", DEVICE | 0600, DEVICE_INPUT);
}
