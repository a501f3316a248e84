/* A queue of bytes between processes: what a pipe is, and each direction of a pair of sockets. The bytes lie in pages that come
   when they are needed and go when they were read; an empty ring starts again at its first page, so that who sends little and
   is answered soon takes no page at all. */
#include "files.h"

/* The bytes from `position` to the end of its page. */
static u8 *bytes_at(struct ring *ring, u32 position, int make)
{
    u32 *page = &ring->pages[position / PAGE % RING_PAGES];
    if (!*page && make)
        *page = page_take();
    return *page ? (u8 *)at_physical(*page) + position % PAGE : 0;
}

int ring_put(struct ring *ring, u32 ahead, struct span *from, u32 size)
{
    u32 position = ring->tail + ahead;
    while (size) {
        u32 part = smaller(size, PAGE - position % PAGE);
        u8 *to = bytes_at(ring, position, 1);
        if (!to)
            return -ENOMEM;
        if (span_in(from, to, part))
            return -EFAULT;
        position += part, size -= part;
    }
    return 0;
}

int ring_put_bytes(struct ring *ring, u32 ahead, const void *from, u32 size)
{
    u32 position = ring->tail + ahead;
    for (const u8 *byte = from; size; size--, position++) {
        u8 *to = bytes_at(ring, position, 1);
        if (!to)
            return -ENOMEM;
        *to = *byte++;
    }
    return 0;
}

int ring_get(struct ring *ring, u32 ahead, struct span *to, u32 size)
{
    u32 position = ring->head + ahead;
    while (size) {
        u32 part = smaller(size, PAGE - position % PAGE);
        if (span_out(to, bytes_at(ring, position, 0), part))
            return -EFAULT;
        position += part, size -= part;
    }
    return 0;
}

void ring_get_bytes(struct ring *ring, u32 ahead, void *to, u32 size)
{
    u32 position = ring->head + ahead;
    for (u8 *byte = to; size; size--)
        *byte++ = *bytes_at(ring, position++, 0);
}

static void release(struct ring *ring, u32 position)
{
    u32 *page = &ring->pages[position / PAGE % RING_PAGES];
    if (*page)
        page_release(*page);
    *page = 0;
}

/* Whether the oldest byte's page is also the newest's: the ring is nearly full, and begins within a page. */
static int bites_its_tail(const struct ring *ring) { return ring->tail - ring->head / PAGE * PAGE > RING_SIZE; }

/* Pages that were read to their end are given back, and so is all but the first of an empty ring. */
void ring_drop(struct ring *ring, u32 size)
{
    u32 to = ring->head + size;
    for (; ring->head / PAGE != to / PAGE; ring->head = (ring->head / PAGE + 1) * PAGE)
        if (!bites_its_tail(ring))
            release(ring, ring->head);
    ring->head = to;
    if (ring->head == ring->tail) {
        for (u32 page = 1; page < RING_PAGES; page++)
            release(ring, page * PAGE);
        ring->head = ring->tail = 0;
    }
}

void ring_clear(struct ring *ring)
{
    for (u32 page = 0; page < RING_PAGES; page++)
        release(ring, page * PAGE);
    ring->head = ring->tail = 0;
}

/* How much of a write fits now. One of up to ATOMIC bytes is done whole or not at all. */
static u32 acceptable(const struct ring *ring, u32 size, u32 done)
{
    u32 room = ring_room(ring);
    return size <= room ? size : done + size <= ATOMIC ? 0 : room;
}

static int end_of_write(u32 done, int error, u32 ways)
{
    if (error == -EPIPE && !(ways & SILENT))
        signal_send(current, SIGPIPE);
    return done ? (int)done : error;
}

/* A write that waits for room is made again as often as it takes; what was written of it before stands in the process. */
int ring_write(struct ring *ring, struct span *from, u32 ways, const u32 *readers)
{
    u32 done = current->call.done;
    if (span_skip(from, done))
        return end_of_write(done, -EFAULT, ways);
    while (from->size) {
        if (!*readers)
            return end_of_write(done, -EPIPE, ways);
        u32 part = acceptable(ring, from->size, done);
        if (part) {
            int error = ring_put(ring, 0, from, part);
            if (error)
                return end_of_write(done, error, ways);
            ring->tail += part, done += part;
            ready(&ring->queue);
        } else {
            current->call.done = done;
            int outcome = ways & WAIT ? wait_on(&ring->queue, NEVER) : -EAGAIN;
            return outcome == AGAIN_LATER ? outcome : end_of_write(done, outcome, ways);
        }
    }
    return (int)done;
}

int ring_read(struct ring *ring, struct span *to, u32 ways, const u32 *writers)
{
    u32 part = smaller(ring_used(ring), to->size);
    if (!to->size)
        return 0;
    if (part) {
        if (ring_get(ring, 0, to, part))
            return -EFAULT;
        if (ways & PEEK)
            return (int)part;
        ring_drop(ring, part);
        ready(&ring->queue);
        return (int)part;
    }
    if (!*writers)
        return 0;
    return ways & WAIT ? wait_on(&ring->queue, NEVER) : -EAGAIN;
}
