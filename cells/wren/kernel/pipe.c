/* Pipes: one ring of bytes with two ends. Reading from a pipe that nobody can write to any more gives its end; writing to one that
   nobody can read from gives SIGPIPE and EPIPE. */
#include "../files/files.h"

enum { FIONREAD = 0x541b };

struct pipe {
    struct ring ring;
    u32 readers, writers;
};

static int read_pipe(struct file *file, struct span *to)
{
    struct pipe *pipe = file->data;
    return ring_read(&pipe->ring, to, may_wait(file), &pipe->writers);
}

static int write_pipe(struct file *file, struct span *from)
{
    struct pipe *pipe = file->data;
    return ring_write(&pipe->ring, from, may_wait(file), &pipe->readers);
}

static int control_pipe(struct file *file, u32 request, u32 argument)
{
    u32 used = ring_used(&((struct pipe *)file->data)->ring);
    return request == FIONREAD ? copy_out(argument, &used, sizeof used) : -ENOTTY;
}

/* Ready to write: a whole atomic write would not wait. */
static u32 poll_pipe(struct file *file)
{
    const struct pipe *pipe = file->data;
    if (may_read(file))
        return (ring_used(&pipe->ring) ? POLL_IN : 0) | (pipe->writers ? 0 : POLL_HANGUP);
    return (ring_room(&pipe->ring) >= ATOMIC ? POLL_OUT : 0) | (pipe->readers ? 0 : POLL_ERROR);
}

static void close_pipe(struct file *file)
{
    struct pipe *pipe = file->data;
    if (may_read(file))
        pipe->readers--;
    else
        pipe->writers--;
    ready(&pipe->ring.queue);
    if (pipe->readers || pipe->writers)
        return;
    ring_clear(&pipe->ring);
    give_back(pipe);
}

const struct file_operations pipe_operations = {
    .read = read_pipe, .write = write_pipe, .control = control_pipe, .poll = poll_pipe, .close = close_pipe};

/* Both ends, or neither. */
static int make_ends(struct file *ends[2], u32 flags)
{
    struct pipe *pipe = take(sizeof *pipe);
    if (!pipe)
        return -ENFILE;
    ends[0] = file_make(&pipe_operations, 0, READ_ONLY | flags, pipe);
    ends[1] = file_make(&pipe_operations, 0, WRITE_ONLY | flags, pipe);
    pipe->readers = ends[0] != 0, pipe->writers = ends[1] != 0;
    if (ends[0] && ends[1])
        return 0;
    if (!ends[0] && !ends[1])
        give_back(pipe);
    for (u32 i = 0; i < 2; i++)
        if (ends[i])
            file_release(ends[i]);
    return -ENFILE;
}

/* Two descriptors for two files, told to the process. It has both or neither; socketpair needs the same. */
int file_install_pair(struct file *files[2], u32 flags, u32 to)
{
    int descriptors[2] = {file_install(files[0], flags), file_install(files[1], flags)};
    int error = descriptors[0] < 0 || descriptors[1] < 0 ? -EMFILE : copy_out(to, descriptors, sizeof descriptors);
    for (u32 i = 0; error && i < 2; i++) {
        if (descriptors[i] < 0)
            file_release(files[i]);
        else
            file_close((u32)descriptors[i]);
    }
    return error;
}

static int sys_pipe2(ARGS2(to, flags))
{
    struct file *ends[2];
    int error = flags & ~(u32)(CLOSE_ON_EXEC | NONBLOCK) ? -EINVAL : make_ends(ends, flags);
    return error ? error : file_install_pair(ends, flags, to);
}

static int sys_pipe(ARGS1(to)) { return sys_pipe2(to, 0, 0, 0, 0, 0); }

const struct call pipe_calls[] = {
    CALL(42, "pipe", sys_pipe), CALL(359, "pipe2", sys_pipe2),
    {0, 0},
};
