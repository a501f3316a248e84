/* Mapping and unmapping at fixed places, for cells/memory.py. mmap(2) replaces atomically what was there, so that no thread and no
 * translated code ever finds a hole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "pages.h"

enum { READ_WRITE = PROT_READ | PROT_WRITE, NOBODYS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

static int map_at(uint64_t at, uint64_t size, int protection, int flags, int file, uint64_t offset) {
    void *place = (void *)(uintptr_t)at;
    return mmap(place, size, protection, MAP_FIXED | flags, file, (off_t)offset) == place ? 0 : errno;
}

void *pages_reserve(uint64_t size) {
    void *place = mmap(NULL, size, READ_WRITE, NOBODYS, -1, 0);
    return place == MAP_FAILED ? NULL : place;
}

int pages_place(uint64_t at, uint64_t size, int file, uint64_t offset, int writable) {
    return map_at(at, size, writable ? READ_WRITE : PROT_READ, MAP_SHARED, file, offset);
}

int pages_clear(uint64_t at, uint64_t size) {
    return map_at(at, size, READ_WRITE, NOBODYS, -1, 0);
}
