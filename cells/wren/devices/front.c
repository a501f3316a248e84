/* A front end: requests to a driver domain through a ring in shared pages. The protocol and its reasons are in
   cells/split/ring.py; here it has one request at a time, which is sent again to each new back end until one answers it.

   The other end may write anything at any time: a number is read once, compared with what we remember ourselves, and what
   cannot be ends the talk until there is another back end. */
#include "front.h"

enum { SESSION = 0, ECHO = 4, LIFE = 8, REQUESTS = 12 };           /* ours */
enum { NONCE = 32, ATTACHED = 36, RESPONSES = 40, VERDICT = 44 };  /* the back end's */
enum { SLOTS = 64, SLOT = 32, OPERATION = 8, STATUS = 10, SIZE = 12, BODY_AT = 16 };

static u32 get(const struct link *link, u32 at) { return *(volatile u32 *)(void *)(link->memory + at); }
static void put(struct link *link, u32 at, u32 value) { *(volatile u32 *)(void *)(link->memory + at) = value; }

static u32 after(u32 number) { return number + 1 ? number + 1 : 1; } /* never 0, which means none */

/* ---- Requests and responses */

static u32 slot(const struct front *front) { return SLOTS + (front->taken & (front->slots - 1)) * SLOT; }
static u32 buffer(const struct front *front) { return front->buffers + (front->taken & (front->slots - 1)) * front->buffer_size; }

static void send(struct front *front, struct link *link)
{
    u32 at = slot(front);
    if (front->size)
        copy(link->memory + buffer(front), front->data, front->size);
    put(link, at, (u32)front->id);
    put(link, at + 4, (u32)(front->id >> 32));
    put(link, at + OPERATION, front->operation); /* and no status */
    put(link, at + SIZE, front->size);
    for (u32 i = 0; i < BODY; i += 4)
        put(link, at + BODY_AT + i, front->body[i / 4]);
    put(link, REQUESTS, ++front->requests); /* valid from here on */
    front->sent = 1;
    machine_link_notify(link);
}

static void collect(struct front *front, struct link *link)
{
    u32 ready = get(link, RESPONSES) - front->taken, at = slot(front), size = get(link, at + SIZE);
    if (get(link, VERDICT) || ready > front->requests - front->taken)
        front->broken = 1;
    if (front->broken || !ready)
        return;
    if (get(link, at) != (u32)front->id || get(link, at + 4) != (u32)(front->id >> 32) || size > front->buffer_size) {
        front->broken = 1;
        return;
    }
    front->status = (short)(get(link, at + OPERATION) >> 16);
    front->size = size;
    for (u32 i = 0; i < BODY; i += 4)
        front->body[i / 4] = get(link, at + BODY_AT + i);
    if (size)
        copy(front->data, link->memory + buffer(front), size);
    front->taken++;
    front->answered = 1;
}

/* ---- The handshake */

/* Empty the ring and name a new session; the echo makes it valid. What a dead back end answered last is answered. */
static void begin_session(struct front *front, struct link *link, u32 nonce)
{
    if (front->live && front->sent && !front->answered)
        collect(front, link);
    u32 there = get(link, SESSION);
    front->session = after(there > front->session ? there : front->session);
    if (!front->life)
        front->life = after(get(link, LIFE));
    front->live = front->broken = front->sent = 0;
    front->requests = front->taken = 0;
    front->generation = link->generation, front->echo = nonce;
    put(link, SESSION, front->session);
    put(link, LIFE, front->life);
    put(link, REQUESTS, 0);
    put(link, ECHO, nonce);
    machine_link_notify(link);
}

void front_progress(struct front *front)
{
    struct link *link = machine_link(front->class);
    if (!link || !link->connected || !link->memory || link->size < front->buffers + front->slots * front->buffer_size)
        return;
    u32 nonce = get(link, NONCE);
    if (link->generation != front->generation || nonce != front->echo)
        begin_session(front, link, nonce);
    else if (!front->live && get(link, ATTACHED) == front->session)
        front->live = 1;
    if (!front->live || !front->busy || front->broken || front->answered)
        return;
    if (front->sent)
        collect(front, link);
    else
        send(front, link);
}

void front_submit(struct front *front, u32 operation, const u32 body[BODY / 4], u32 size)
{
    front->operation = (u16)operation;
    front->size = size;
    copy(front->body, body, BODY);
    front->id++;
    front->busy = 1, front->answered = front->sent = 0;
    front_progress(front);
}

int front_take(struct front *front)
{
    front_progress(front);
    if (!front->answered && !front->broken)
        return 0;
    front->busy = 0;
    return front->answered ? 1 : -EIO;
}
