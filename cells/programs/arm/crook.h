/* A crime: its name, where it means something (a bit for each FLAVOUR_*), and how it is committed against a partner. */
#ifndef CROOK_H
#define CROOK_H

#include "guest.h"

enum { ON_L4 = 1 << FLAVOUR_L4, ON_XEN = 1 << FLAVOUR_XEN, ON_OKL4 = 1 << FLAVOUR_OKL4, ANYWHERE = ON_L4 | ON_XEN | ON_OKL4 };

struct crime {
    const char *name;
    u32 flavours;
    void (*commit)(const struct connection *mate);
};

#pragma GCC visibility push(hidden)

extern const struct crime l4_crimes[], xen_crimes[], ring_crimes[]; /* each ends with one that has no name */
void said(const char *what, int answer);                            /* a line of the console */
const struct connection *the_link(void);                            /* the first one; 0: there is none */
const struct connection *shared_pages(void);

#pragma GCC visibility pop
#endif
