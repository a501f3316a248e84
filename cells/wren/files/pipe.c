/* Pipes: a page of bytes between who writes and who reads. Reading from a pipe that nobody can write to any more gives its end;
   writing to one that nobody can read from gives SIGPIPE and EPIPE. A connection of sockets is two of them (socket.c). */
#include "files.h"

struct pipe {
    u8 *bytes;          /* a page */
    u32 head, tail;     /* counts of bytes that were read and written */
    int reader, writer; /* each end has one file; 0: it is closed. Both 0: this place in the table is free */
};
static struct pipe pipes[PIPES];

int pipe_between(struct file *writer, struct file *reader)
{
    struct pipe *pipe = pipes;
    while (pipe < pipes + PIPES && (pipe->reader || pipe->writer))
        pipe++;
    u32 page = pipe < pipes + PIPES ? page_take() : 0;
    if (!page)
        return -ENFILE;
    *pipe = (struct pipe){.bytes = at_physical(page), .reader = 1, .writer = 1};
    writer->out = reader->in = pipe;
    return 0;
}

static u32 used(const struct pipe *pipe) { return pipe->tail - pipe->head; }

int read_pipe(struct file *file, u32 to, u32 size)
{
    struct pipe *pipe = file->in;
    u32 done = 0;
    if (!pipe || !size)
        return pipe ? 0 : -EINVAL;
    if (!used(pipe))
        return pipe->writer ? wait_on(pipe, NEVER) : 0;
    for (u32 part; (part = smaller(size - done, used(pipe))); done += part, pipe->head += part) {
        part = smaller(part, PAGE - pipe->head % PAGE); /* as far as they lie side by side */
        if (copy_out(to + done, pipe->bytes + pipe->head % PAGE, part))
            break;
    }
    wake(pipe);
    return done ? (int)done : -EFAULT;
}

/* Up to a page is written whole or not at all, so that writers do not mix. A write that waits for room is made again as often
   as it takes; what was written of it before stands in the process. */
int write_pipe(struct file *file, u32 from, u32 size)
{
    struct pipe *pipe = file->out;
    u32 *done = &current->call.done;
    if (!pipe)
        return -ENOTCONN;
    while (*done < size) {
        u32 room = PAGE - used(pipe), left = size - *done, part = smaller(left, room);
        if (!pipe->reader) {
            signal_send(current, SIGPIPE);
            return *done ? (int)*done : -EPIPE;
        }
        if (!part || (size <= PAGE && left > room)) {
            int outcome = wait_on(pipe, NEVER);
            return outcome == AGAIN_LATER || !*done ? outcome : (int)*done;
        }
        part = smaller(part, PAGE - pipe->tail % PAGE);
        if (copy_in(pipe->bytes + pipe->tail % PAGE, from + *done, part))
            return *done ? (int)*done : -EFAULT;
        pipe->tail += part, *done += part;
        wake(pipe);
    }
    return (int)size;
}

u32 poll_pipe(struct file *file)
{
    const struct pipe *in = file->in, *out = file->out;
    u32 readable = in && (used(in) || !in->writer), writable = out && (!used(out) || !out->reader);
    return (readable ? POLL_IN : 0) | (writable ? POLL_OUT : 0);
}

static void leave(struct pipe *pipe, int *end)
{
    *end = 0;
    wake(pipe);
    if (!pipe->reader && !pipe->writer)
        page_release(physical(pipe->bytes));
}

void close_pipe(struct file *file)
{
    if (file->in)
        leave(file->in, &file->in->reader);
    if (file->out)
        leave(file->out, &file->out->writer);
    file->in = file->out = 0;
}

/* Both ends, or neither. */
int sys_pipe(ARGS1(to))
{
    static const struct file_operations operations = {
        .kind = FIFO, .read = read_pipe, .write = write_pipe, .poll = poll_pipe, .close = close_pipe};
    struct file *in = file_new(&operations, 0, READ_ONLY), *out = file_new(&operations, 0, WRITE_ONLY);
    int error = in && out ? pipe_between(out, in) : -ENFILE;
    int ends[2] = {file_describe(in), file_describe(out)};
    if (!error)
        error = ends[0] < 0 ? ends[0] : ends[1] < 0 ? ends[1] : copy_out(to, ends, sizeof ends);
    for (u32 i = 0; error && i < 2; i++)
        file_close((u32)ends[i]); /* if it is one */
    return error;
}
