/* Accesses to where nothing is mapped: the guest gets an external abort, as from a bus that nobody answers on.
 *
 * A read or a fetch ends the emulator with PC at the instruction: a synchronous abort. A write comes back through hole_write
 * (memory.c) while its block goes on: an asynchronous one, taken at the block's end or when CPSR.A lets it. In the window of pages
 * that come and go a write ends the emulator too: whoever shares them finds out where it was.
 */
#include "internal.h"

static _Bool note_address(void *uc, int kind, uint64_t address, int size, int64_t value, void *user) {
    (void)uc, (void)kind, (void)size, (void)value;
    ((struct engine *)user)->probed = (uint32_t)address;
    return 0;
}

/* The physical address of the access at `pc` that failed. Unicorn tells it to a hook only, and a memory hook that stays makes all
 * stores slow and breaks the tracking of code pages: so the one instruction runs once more, with a hook. */
static uint32_t probe_address(struct engine *e, uint32_t pc, uint32_t cpsr) {
    uint64_t limit = e->v.limit;
    size_t hook;
    unicorn.ctl(e->uc, CTL_TLB_FLUSH);
    e->probed = 0;
    e->probing = 1;
    e->v.limit = 0;
    unicorn.hook_add(e->uc, &hook, UC_HOOK_READ_UNMAPPED | UC_HOOK_READ_PROT | UC_HOOK_WRITE_PROT, (void *)note_address, e, 1, 0);
    unicorn.emu_start(e->uc, pc | (cpsr & CPSR_T ? 1 : 0), 0, 0, 0);
    unicorn.hook_del(e->uc, hook);
    unicorn.ctl(e->uc, CTL_TLB_FLUSH);
    e->v.limit = limit;
    e->probing = 0;
    return e->probed;
}

/* The virtual address that translates to it: with one register near it in nearly every addressing mode, look around each. */
static uint32_t virtual_address(struct engine *e, uint32_t physical) {
    for (uint32_t number = 0; number < 16; number++) {
        uint32_t value = general(e, number);
        for (uint32_t page = 0; page < 3; page++) {
            uint32_t candidate = ((value + (page - 1) * 0x1000) & ~0xfffu) | (physical & 0xfff);
            uint64_t found;
            if (unicorn.vmem_translate(e->uc, candidate, UC_READABLE, &found) == UC_OK && found == physical)
                return candidate;
        }
    }
    return physical;
}

/* The same for an access at `pc`. Rights of pages are looked at where they enter the TLB, so none may stay there that failed. */
static uint32_t failed_address(struct engine *e, uint32_t pc, uint32_t cpsr) {
    uint32_t address = virtual_address(e, probe_address(e, pc, cpsr));
    unicorn.ctl(e->uc, CTL_TLB_FLUSH);
    return address;
}

/* emu_start ended with `error`: 1 if the guest gets an external abort for it. */
int external_abort(struct engine *e, int error) {
    uint32_t pc = reg_read(e, REG_PC), old = reg_read(e, REG_CPSR);
    switch (error) {
    case UC_FETCH_UNMAPPED:
    case UC_FETCH_PROT:
        unicorn.ctl(e->uc, CTL_TLB_FLUSH);
        prefetch_abort(e, pc, old, FSR_EXTERNAL, pc);
        return 1;
    case UC_READ_UNMAPPED:
    case UC_READ_PROT:
        take_back(e, pc);
        data_abort(e, pc, old, FSR_EXTERNAL, failed_address(e, pc, old));
        return 1;
    case UC_WRITE_PROT:
        take_back(e, pc);
        data_abort(e, pc, old, FSR_EXTERNAL | (e->v.features & FEATURE_V6 ? FSR_WRITE : 0), failed_address(e, pc, old));
        return 1;
    case UC_WRITE_UNMAPPED: /* beyond the 4 GiB that lay_holes covers: as hole_write */
        e->v.lines |= LINE_ABORT;
        return 1;
    default:
        return 0;
    }
}
