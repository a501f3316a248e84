/* Guest-physical memory: RAM, devices, what lies between, and the pages that hold translated code.
 *
 * Everything that is not mapped is laid out as write-only device memory when the first run begins (lay_holes). So a stray
 * write comes back to us, and the guest gets its asynchronous abort; a stray read or fetch ends the emulator with PC at the
 * instruction, and the guest gets a synchronous one.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define SPACE_END 0x100000000ull
/* Unicorn takes time by the page to take a range away (12 ms for this), as a late mapping does to the hole that it falls in. */
#define HOLE_LIMIT 0x08000000ull

static int insert(struct engine *e, uint64_t base, uint64_t size, int hole) {
    int at = e->maps++;
    for (; at > 0 && e->map[at - 1].base > base; at--)
        e->map[at] = e->map[at - 1];
    e->map[at] = (struct interval){base, size, hole};
    return UC_OK;
}

/* Make room for a mapping: take up the holes that lie where it goes. */
static int prepare(struct engine *e, uint64_t base, uint64_t size) {
    if (e->maps >= MAP_LIMIT / 2)
        return UC_NOMEM;
    for (int i = e->maps - 1; i >= 0; i--) {
        struct interval here = e->map[i];
        if (!here.hole || here.base >= base + size || base >= here.base + here.size)
            continue;
        int error = unicorn.mem_unmap(e->uc, here.base, here.size);
        if (error)
            return error;
        e->sealed = 0;
        e->maps--;
        memmove(&e->map[i], &e->map[i + 1], (size_t)(e->maps - i) * sizeof e->map[0]);
    }
    return UC_OK;
}

static int map_memory(struct engine *e, uint64_t base, uint64_t size, uint32_t permissions, void *host) {
    int error = e->rams == RAM_LIMIT ? UC_NOMEM : prepare(e, base, size);
    uint8_t *code = error ? NULL : calloc((size >> 15) + 1, 1);
    if (error == UC_OK && code == NULL)
        error = UC_NOMEM;
    if (error == UC_OK)
        error = unicorn.mem_map_ptr(e->uc, base, size, permissions, host);
    if (error) {
        free(code);
        return error;
    }
    e->ram[e->rams++] = (struct ram){base, size, host, code};
    return insert(e, base, size, 0);
}

int vcpu_map_ram(struct vcpu *v, uint64_t base, uint64_t size, void *host) {
    return map_memory((struct engine *)v, base, size, UC_ALL, host);
}

int vcpu_map_window(struct vcpu *v, uint64_t base, uint64_t size, void *host) {
    return map_memory((struct engine *)v, base, size, 0, host);
}

int vcpu_change_window(struct vcpu *v, uint64_t base, uint64_t size, int rights) {
    static const uint32_t permissions[] = {0, UC_READABLE | UC_EXECUTABLE, 0, UC_ALL};
    struct engine *e = (struct engine *)v;
    int error = unicorn.mem_protect(e->uc, base, size, permissions[rights & 3]);
    vcpu_dma_written(v, base, size);
    unicorn.ctl(e->uc, CTL_TLB_FLUSH);
    return error;
}

int vcpu_map_device(struct vcpu *v, uint64_t base, uint64_t size, device_read_t read, device_write_t write, void *handle) {
    struct engine *e = (struct engine *)v;
    int error = prepare(e, base, size);
    if (error == UC_OK)
        error = unicorn.mmio_map(e->uc, base, size, read, handle, write, handle);
    return error ? error : insert(e, base, size, 0);
}

static void hole_write(void *uc, uint64_t offset, unsigned int size, uint64_t value, void *user) {
    (void)uc, (void)offset, (void)size, (void)value;
    ((struct engine *)user)->v.lines |= LINE_ABORT;
}

static int lay_hole(struct engine *e, uint64_t from, uint64_t to) {
    while (from < to) {
        uint64_t border = (from / HOLE_LIMIT + 1) * HOLE_LIMIT, end = border < to ? border : to;
        int error = e->maps == MAP_LIMIT ? UC_NOMEM : unicorn.mmio_map(e->uc, from, end - from, NULL, NULL, hole_write, e);
        if (error)
            return error;
        insert(e, from, end - from, 1);
        from = end;
    }
    return UC_OK;
}

int lay_holes(struct engine *e) {
    uint64_t from = 0;
    for (int i = 0; i < e->maps && e->map[i].base < SPACE_END; i++) {
        int before = e->maps, error = lay_hole(e, from, e->map[i].base);
        if (error)
            return error;
        i += e->maps - before;
        from = e->map[i].base + e->map[i].size;
    }
    int error = lay_hole(e, from, SPACE_END);
    e->sealed = error == UC_OK;
    return error;
}

int vcpu_warm_up(struct vcpu *v) {
    struct engine *e = (struct engine *)v;
    return e->sealed ? UC_OK : lay_holes(e);
}

static struct ram *ram_at(const struct engine *e, uint64_t address) {
    for (int i = 0; i < e->rams; i++)
        if (address - e->ram[i].base < e->ram[i].size)
            return (struct ram *)&e->ram[i];
    return NULL;
}

int ram_word(const struct engine *e, uint32_t address, uint32_t *word) {
    const struct ram *ram = ram_at(e, address);
    if (ram)
        memcpy(word, ram->host + ((address & ~3u) - ram->base), sizeof *word);
    return ram != NULL;
}

/* Copy guest code as the CPU fetches it, and remember that these pages hold code. 0, or 1 if it is not in RAM. */
int read_code(struct engine *e, uint32_t address, uint8_t *bytes, uint32_t size) {
    while (size > 0) {
        uint32_t part = e->page_size - (address & (e->page_size - 1));
        uint64_t physical;
        struct ram *ram;
        if (part > size)
            part = size;
        if (unicorn.vmem_translate(e->uc, address, UC_EXECUTABLE, &physical))
            return 1;
        ram = ram_at(e, physical);
        if (ram == NULL || ram->size - (physical - ram->base) < part)
            return 1;
        physical -= ram->base;
        ram->code[physical >> 15] |= (uint8_t)(1 << (physical >> 12 & 7));
        memcpy(bytes, ram->host + physical, part);
        bytes += part;
        address += part;
        size -= part;
    }
    return 0;
}

void forget_code_pages(struct engine *e) {
    for (int i = 0; i < e->rams; i++)
        memset(e->ram[i].code, 0, (e->ram[i].size >> 15) + 1);
}

int vcpu_dma_written(struct vcpu *v, uint64_t address, uint64_t length) {
    struct engine *e = (struct engine *)v;
    for (uint64_t end = address + length; address < end; address = (address | 0xfff) + 1) {
        struct ram *ram = ram_at(e, address);
        uint64_t page = ram ? (address - ram->base) >> 12 : 0;
        if (ram && ram->code[page >> 3] & 1 << (page & 7)) {
            flush_soon(e);
            return 1;
        }
    }
    return 0;
}

int vcpu_translate(struct vcpu *v, uint32_t address, uint64_t *physical) {
    return unicorn.vmem_translate(((struct engine *)v)->uc, address, UC_READABLE, physical);
}
