/* malloc: a list of pieces in the order of their addresses; the first free one that is large enough is taken, neighbours that are
   free become one when somebody looks at them. More room comes from brk, a few pages at a time. */
#include "ulib.h"

struct piece {
    u32 size; /* with this header; the lowest bit: in use */
    u32 pad;  /* what follows is a multiple of 8 */
};
enum { USED = 1, STEP = 16384 };

static struct piece *first, *last; /* `last`: a header without anything behind it */

static struct piece *after(struct piece *piece) { return (struct piece *)((char *)piece + (piece->size & ~USED)); }

static int grow(u32 size)
{
    u32 end = last ? (u32)last + sizeof *last : (brk(0) + 7) & ~7u;
    u32 more = (size + sizeof *last + STEP - 1) & ~(STEP - 1u);
    if (brk(end + more) != end + more)
        return 0;
    if (!last)
        first = last = (struct piece *)end, more -= sizeof *last;
    last->size = more;
    last = after(last);
    last->size = USED;
    return 1;
}

static void join(struct piece *piece)
{
    while (!(after(piece)->size & USED))
        piece->size += after(piece)->size;
}

static void split(struct piece *piece, u32 size)
{
    u32 rest = piece->size - size;
    if (rest >= 2 * sizeof *piece) {
        piece->size = size;
        after(piece)->size = rest;
    }
    piece->size |= USED;
}

void *malloc(u32 size)
{
    if (size > 0x7fff0000)
        return 0;
    u32 wanted = ((size + 7) & ~7u) + sizeof(struct piece);
    do
        for (struct piece *piece = first; piece && piece != last; piece = after(piece)) {
            if (piece->size & USED)
                continue;
            join(piece);
            if (piece->size >= wanted) {
                split(piece, wanted);
                return piece + 1;
            }
        }
    while (grow(wanted));
    return 0;
}

void free(void *piece)
{
    if (piece)
        ((struct piece *)piece - 1)->size &= ~(u32)USED;
}
