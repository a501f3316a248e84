/* The front end's half of a ring (cells/split/ring.py) with one request at a time: between front.c, block.c and input.c. */
#ifndef WREN_FRONT_H
#define WREN_FRONT_H

#include "../machine/link.h"
#include "../files/files.h"
#include "info_page.h"

#pragma GCC visibility push(hidden)

enum { BODY = 16 };
struct front {
    u32 class, slots, buffers, buffer_size; /* CONNECTION_*; the layout of protocol.py, slots a power of two */
    u8 *data;                               /* the request's bytes, then the response's: buffer_size of them */
    /* the talk */
    u32 generation, live, broken; /* live: attached since the session began */
    u32 session, echo, life, requests, taken;
    /* the request */
    u32 busy, sent, answered;
    u64 id;
    u16 operation;
    short status;
    u32 size;
    u32 body[BODY / 4];
};

void front_progress(struct front *front);     /* carry handshakes on, take the response: at each interrupt, and by itself */
void front_submit(struct front *front, u32 operation, const u32 body[BODY / 4], u32 size); /* not while it is busy */
int front_take(struct front *front);          /* 1: the response is in `status`, `body`, `data`; 0: not yet; -EIO: never */

void block_interrupt(void);
void input_interrupt(void);
extern const struct file_operations block_operations, input_operations;

#pragma GCC visibility pop
#endif
