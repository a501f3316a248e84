/* Pages of other cells in this process: places in its address space that the kernel lets be exchanged while somebody uses them. */
#ifndef CELLVISOR_PAGES_H
#define CELLVISOR_PAGES_H

#include <stdint.h>

/* A place for pages, with nobody's in it; NULL if there is none. */
void *pages_reserve(uint64_t size);
/* Put part of a file at `at`, in the place of whatever is there. 0, or the kernel's error. */
int pages_place(uint64_t at, uint64_t size, int file, uint64_t offset, int writable);
/* Take it away again: what is there from now on is nobody's: zero, and of no effect if written. 0, or the kernel's error. */
int pages_clear(uint64_t at, uint64_t size);

#endif
