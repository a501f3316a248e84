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

static int note(struct engine *e, uint64_t base, uint64_t size)
{
    int at = e->maps++;
    for (; at > 0 && e->map[at - 1].base > base; at--)
        e->map[at] = e->map[at - 1];
    e->map[at] = (struct interval){base, size};
    return UC_OK;
}

/* Room for one more mapping: take the holes up again if they are laid. */
static int prepare(struct engine *e)
{
    if (e->maps == MAP_LIMIT - 1)
        return UC_NOMEM;
    for (; e->holes > 0; e->holes--) {
        int error = unicorn.mem_unmap(e->uc, e->hole[e->holes - 1].base, e->hole[e->holes - 1].size);
        if (error)
            return error;
    }
    e->sealed = 0;
    return UC_OK;
}

int vcpu_map_ram(struct vcpu *v, uint64_t base, uint64_t size, void *host)
{
    struct engine *e = (struct engine *)v;
    int error = e->rams == RAM_LIMIT ? UC_NOMEM : prepare(e);
    uint8_t *code = error ? NULL : calloc((size >> 15) + 1, 1);
    if (error == UC_OK && code == NULL)
        error = UC_NOMEM;
    if (error == UC_OK)
        error = unicorn.mem_map_ptr(e->uc, base, size, UC_ALL, host);
    if (error) {
        free(code);
        return error;
    }
    e->ram[e->rams++] = (struct ram){base, size, host, code};
    return note(e, base, size);
}

int vcpu_map_device(struct vcpu *v, uint64_t base, uint64_t size, device_read_t read, device_write_t write, void *handle)
{
    struct engine *e = (struct engine *)v;
    int error = prepare(e);
    if (error == UC_OK)
        error = unicorn.mmio_map(e->uc, base, size, read, handle, write, handle);
    return error ? error : note(e, base, size);
}

static void hole_write(void *uc, uint64_t offset, unsigned int size, uint64_t value, void *user)
{
    (void)uc, (void)offset, (void)size, (void)value;
    ((struct engine *)user)->v.lines |= LINE_ABORT;
}

int lay_holes(struct engine *e)
{
    uint64_t from = 0;
    for (int i = 0; i <= e->maps; i++) {
        uint64_t to = i < e->maps ? e->map[i].base : SPACE_END;
        if (to > from) {
            int error = unicorn.mmio_map(e->uc, from, to - from, NULL, NULL, hole_write, e);
            if (error)
                return error;
            e->hole[e->holes++] = (struct interval){from, to - from};
        }
        if (i < e->maps)
            from = e->map[i].base + e->map[i].size;
    }
    e->sealed = 1;
    return UC_OK;
}

int vcpu_warm_up(struct vcpu *v)
{
    struct engine *e = (struct engine *)v;
    return e->sealed ? UC_OK : lay_holes(e);
}

static struct ram *ram_at(struct engine *e, uint64_t address)
{
    for (int i = 0; i < e->rams; i++)
        if (address - e->ram[i].base < e->ram[i].size)
            return &e->ram[i];
    return NULL;
}

/* Copy guest code as the CPU fetches it, and remember that these pages hold code. 0, or 1 if it is not in RAM. */
int read_code(struct engine *e, uint32_t address, uint8_t *bytes, uint32_t size)
{
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

void forget_code_pages(struct engine *e)
{
    for (int i = 0; i < e->rams; i++)
        memset(e->ram[i].code, 0, (e->ram[i].size >> 15) + 1);
}

int vcpu_dma_written(struct vcpu *v, uint64_t address, uint64_t length)
{
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

int vcpu_translate(struct vcpu *v, uint32_t address, uint64_t *physical)
{
    return unicorn.vmem_translate(((struct engine *)v)->uc, address, UC_READABLE, physical);
}
