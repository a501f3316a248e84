/* /dev/input: what a person does with the touch screen and the keys, as records of 16 bytes: a time in cycles of the board
   (64 bits), then kind, x, y and code (16 bits each), as cells/split/input/protocol.py has them. One request for the next event
   is always with the back end, and what it answers waits here until it is read. */
#include "front.h"

#include "info_page.h"

enum { NEXT = 1, EVENTS = 64, SLOT_COUNT = 32 };

static struct front front = {.class = CONNECTION_INPUT, .slots = SLOT_COUNT, .buffers = 64 + SLOT_COUNT * 32};
static struct {
    u32 events[EVENTS][BODY / 4], head, tail;
    struct queue queue;
} input;

int input_present(void) { return front_present(&front); }

void input_interrupt(void)
{
    static const u32 nothing[BODY / 4];
    u32 before = input.tail;
    if (!input_present())
        return;
    while (front.busy && front_take(&front) > 0) {
        if (!front.status)
            copy(input.events[input.tail++ % EVENTS], front.body, BODY);
        if (input.tail - input.head < EVENTS)
            front_submit(&front, NEXT, nothing, 0);
    }
    if (!front.busy && input.tail - input.head < EVENTS)
        front_submit(&front, NEXT, nothing, 0);
    if (input.tail != before)
        ready(&input.queue);
}

static int read_input(struct file *file, struct span *to)
{
    int done = 0;
    input_interrupt();
    if (to->size < BODY)
        return -EINVAL;
    for (; input.head != input.tail && to->size >= BODY; done += BODY, input.head++)
        if (span_out(to, input.events[input.head % EVENTS], BODY))
            return done ? done : -EFAULT;
    if (done)
        return done;
    return may_wait(file) ? wait_on(&input.queue, NEVER) : -EAGAIN;
}

static u32 poll_input(struct file *file)
{
    (void)file;
    input_interrupt();
    return input.head != input.tail ? POLL_IN : 0;
}

const struct file_operations input_operations = {.read = read_input, .poll = poll_input};
