/* Pipes: a page of bytes with two ends. Reading from a pipe that nobody can write to any more gives its end; writing to one that
   nobody can read from gives SIGPIPE and EPIPE. */
#include "files.h"

struct pipe *pipe_make(void)
{
    struct pipe *pipe = take(sizeof *pipe);
    u32 page = pipe ? page_take() : 0;
    if (!page) {
        give_back(pipe, sizeof *pipe);
        return 0;
    }
    pipe->bytes = at_physical(page);
    pipe->readers = pipe->writers = 1;
    return pipe;
}

static u32 used(const struct pipe *pipe) { return pipe->tail - pipe->head; }

/* Bytes from `position` on, as far as they lie side by side. */
static u8 *bytes_at(struct pipe *pipe, u32 position, u32 *size)
{
    *size = smaller(*size, PAGE - position % PAGE);
    return pipe->bytes + position % PAGE;
}

int pipe_read(struct pipe *pipe, u32 to, u32 size)
{
    u32 done = 0;
    if (!size)
        return 0;
    if (!used(pipe))
        return pipe->writers ? wait_on(pipe, NEVER) : 0;
    for (u32 part; (part = smaller(size - done, used(pipe))); done += part) {
        const u8 *at = bytes_at(pipe, pipe->head, &part);
        if (copy_out(to + done, at, part))
            return -EFAULT;
        pipe->head += part;
    }
    wake(pipe);
    return (int)done;
}

/* Up to a page is written whole or not at all, so that writers do not mix. A write that waits for room is made again as often
   as it takes; what was written of it before stands in the process. */
int pipe_write(struct pipe *pipe, u32 from, u32 size)
{
    u32 *done = &current->call.done;
    while (*done < size) {
        u32 room = PAGE - used(pipe), left = size - *done, part = smaller(left, room);
        if (!pipe->readers) {
            signal_send(current, SIGPIPE);
            return *done ? (int)*done : -EPIPE;
        }
        if (!part || (size <= PAGE && left > room)) {
            int outcome = wait_on(pipe, NEVER);
            return outcome == AGAIN_LATER || !*done ? outcome : (int)*done;
        }
        u8 *at = bytes_at(pipe, pipe->tail, &part);
        if (copy_in(at, from + *done, part))
            return *done ? (int)*done : -EFAULT;
        pipe->tail += part, *done += part;
        wake(pipe);
    }
    return (int)size;
}

void pipe_free(struct pipe *pipe)
{
    if (pipe)
        page_release(physical(pipe->bytes));
    give_back(pipe, sizeof *pipe);
}

u32 pipe_poll(const struct pipe *pipe, u32 side)
{
    if (side == POLL_IN)
        return used(pipe) || !pipe->writers ? POLL_IN : 0;
    return !used(pipe) || !pipe->readers ? POLL_OUT : 0;
}

void pipe_leave(struct pipe *pipe, u32 side)
{
    --*(side == POLL_IN ? &pipe->readers : &pipe->writers);
    wake(pipe);
    if (!pipe->readers && !pipe->writers)
        pipe_free(pipe);
}

/* ---- as files */

static u32 side_of(const struct file *file) { return may_read(file) ? POLL_IN : POLL_OUT; }

static int read_end(struct file *file, u32 to, u32 size) { return pipe_read(file->data, to, size); }

static int write_end(struct file *file, u32 from, u32 size) { return pipe_write(file->data, from, size); }

static u32 poll_end(struct file *file) { return pipe_poll(file->data, side_of(file)); }

static void close_end(struct file *file) { pipe_leave(file->data, side_of(file)); }

static const struct file_operations pipe_operations = {
    .kind = FIFO, .read = read_end, .write = write_end, .poll = poll_end, .close = close_end};

/* Both ends, or neither. */
int sys_pipe(ARGS1(to))
{
    struct pipe *pipe = pipe_make();
    if (!pipe)
        return -ENFILE;
    int in = file_new(&pipe_operations, 0, READ_ONLY, pipe), out = file_new(&pipe_operations, 0, WRITE_ONLY, pipe);
    int ends[2] = {in, out}, error = in < 0 ? in : out < 0 ? out : copy_out(to, ends, sizeof ends);
    for (u32 i = 0; error && i < 2; i++)
        file_close((u32)ends[i]); /* if it is one */
    return error;
}
