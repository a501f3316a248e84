/* Pages that this machine shares with a driver domain, and a bell: what a front end (devices/block.c, input.c) talks over.

   The pages are only as good as the other end: it may write anything there at any time, and may die and come back, which is a new
   `generation`. What stands in the pages is the front end's business. */
#ifndef WREN_LINK_H
#define WREN_LINK_H

#include "machine.h"

#pragma GCC visibility push(hidden)

struct link {
    u8 *memory;      /* `size` bytes, whole pages; 0: not yet */
    u32 size;
    u32 connected;   /* the other end is there */
    u32 generation;  /* how often it came */
};

/* The first link of a class (CONNECTION_BLOCK, CONNECTION_INPUT) whose front end is here; 0: there is none. Never waits; each call
   carries on what the two ends have to agree about, so that it is to be made at each use and at each TRAP_INTERRUPT. */
struct link *machine_link(u32 kind);
void machine_link_notify(struct link *link); /* ring the other end */

/* For the layers, common_link.c: pages that links will want, taken off the end of memory before the kernel gets it. */
struct connection;
u32 links_reserve(u32 end, u32 more); /* `more` pages beside; where memory ends now */
const struct connection *link_front(u32 kind); /* what the info page says of it; 0: nothing */

#pragma GCC visibility pop
#endif
