/* Memory of the calling process that a call reads or fills: one piece (read), or several (readv), as if they were one.
   The list of pieces is the process's own memory too, and may change under us: it is read as we go, and `size` is the limit. */
#include "files.h"

enum { PIECES = 1024, LARGEST = 0x7fffffff };

struct piece { /* struct iovec */
    u32 at, size;
};

/* What begins below the kernel and does not reach into it; if nothing is mapped there, that is seen later. */
static int may_lie(u32 at, u32 size) { return size <= USER_END && at <= USER_END - size; }

int span_of(struct span *span, u32 at, u32 size)
{
    *span = (struct span){.at = at, .left = size, .size = size};
    return size > LARGEST ? -EINVAL : may_lie(at, size) ? 0 : -EFAULT;
}

int span_vector(struct span *span, u32 vector, u32 count)
{
    *span = (struct span){.vector = vector, .count = count};
    if (count > PIECES)
        return -EINVAL;
    for (u32 i = 0; i < count; i++) {
        struct piece piece;
        if (copy_in(&piece, vector + i * sizeof piece, sizeof piece))
            return -EFAULT;
        if (piece.size > LARGEST - span->size)
            return -EINVAL;
        if (!may_lie(piece.at, piece.size))
            return -EFAULT;
        span->size += piece.size;
    }
    return 0;
}

/* Go on to a piece in which something is left. */
static int next_piece(struct span *span)
{
    while (!span->left) {
        struct piece piece;
        if (!span->count || copy_in(&piece, span->vector, sizeof piece))
            return -EFAULT;
        span->vector += sizeof piece, span->count--;
        span->at = piece.at, span->left = piece.size;
    }
    return 0;
}

enum way { IN, OUT, SKIP };

/* What was moved before the process's memory ended is gone from the span: who counts, counts that. */
static int move(struct span *span, void *kernel, u32 size, enum way way)
{
    u8 *bytes = kernel;
    while (size) {
        if (next_piece(span))
            return -EFAULT;
        u32 part = smaller(size, span->left), done = part;
        if (way == IN)
            done = copy_in_part(bytes, span->at, part);
        else if (way == OUT)
            done = copy_out_part(span->at, bytes, part);
        span->at += done, span->left -= done, span->size -= done;
        bytes += done, size -= done;
        if (done != part)
            return -EFAULT;
    }
    return 0;
}

int span_in(struct span *span, void *to, u32 size) { return size > span->size ? -EFAULT : move(span, to, size, IN); }

int span_out(struct span *span, const void *from, u32 size)
{
    return size > span->size ? -EFAULT : move(span, (void *)from, size, OUT);
}

int span_skip(struct span *span, u32 size) { return size > span->size ? -EFAULT : move(span, 0, size, SKIP); }
