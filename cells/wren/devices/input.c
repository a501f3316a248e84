/* /dev/input: what a person does with the touch screen and the keys, as records of 16 bytes: a time in cycles of the board
   (64 bits), then kind, x, y and code (16 bits each), as cells/split/input/protocol.py has them. One request for the next event
   is always with the back end, and what it answers waits here until it is read. */
#include "front.h"

enum { NEXT = 1, EVENTS = 64, SLOT_COUNT = 32 };

static struct front front = {.class = CONNECTION_INPUT, .slots = SLOT_COUNT, .buffers = 64 + SLOT_COUNT * 32};
static struct {
    u32 events[EVENTS][BODY / 4], head, tail;
} input;

void input_interrupt(void)
{
    static const u32 nothing[BODY / 4];
    int outcome;
    do {
        if (!front.busy && input.tail - input.head < EVENTS)
            front_submit(&front, NEXT, nothing, 0);
        outcome = front.busy ? front_take(&front) : 0;
        if (outcome > 0 && !front.status) {
            copy(input.events[input.tail++ % EVENTS], front.body, BODY);
            wake(&input);
        }
    } while (outcome > 0);
}

static int read_input(struct file *file, u32 to, u32 size)
{
    u32 done = 0;
    (void)file;
    input_interrupt();
    if (size < BODY)
        return -EINVAL;
    for (; input.head != input.tail && size - done >= BODY; done += BODY, input.head++)
        if (copy_out(to + done, input.events[input.head % EVENTS], BODY))
            return done ? (int)done : -EFAULT;
    return done ? (int)done : wait_on(&input, NEVER);
}

static u32 poll_input(struct file *file)
{
    (void)file;
    input_interrupt();
    return input.head != input.tail ? POLL_IN : 0;
}

const struct file_operations input_operations = {.read = read_input, .poll = poll_input};
