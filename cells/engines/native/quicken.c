/* Fewer questions in translated code.
 *
 * Unicorn's code calls helper_check_exit_request behind each block hook, each load and each store: has somebody asked to stop? Behind
 * the block hook it is the hook itself that knows: its answer is looked at instead, and the question asked only if it says so. The
 * others are for accesses to where nothing is mapped, and for callbacks that stop the CPU; who has neither (vcpu.quick) can do
 * without: the calls are overwritten by instructions that do nothing. Each is recognized byte for byte (17 of them: the engine's
 * address, zero, a call of that function), so that another Unicorn, or another host, just keeps them. The one behind the block's
 * own hook is where that returns to; the first one behind another hook is the next block's.
 */
#define _GNU_SOURCE /* memmem */
#include <string.h>

#include "internal.h"

#if defined(__x86_64__)

#define CHECK_BYTES 17
#define AHEAD (1u << 16)  /* bytes of code of one block at most (README.md, last line but one) */
#define PER_INSTRUCTION 768

static uint64_t target_of(const uint8_t *call) {
    int32_t distance;
    memcpy(&distance, call + 1, sizeof distance);
    return call[0] == 0xe8 ? (uintptr_t)call + 5 + (uint64_t)(int64_t)distance : 0;
}

/* Whether a block hook returns to here: called by its distance, or, if that is over 2 GiB, through a word behind the block. Where
 * an instruction's number looks like the latter, questions stay, and that is all. */
static int behind_hook(const struct engine *e, const uint8_t *at) {
    return target_of(at - 5) == (uintptr_t)e->hook || (at[-6] == 0xff && at[-5] == 0x15);
}

/* test rax, rax; jz behind; mov rdi, rax; xor esi, esi; call check; nop of 2 */
static void ask_hook(uint8_t *at, const void *check) {
    uint8_t code[CHECK_BYTES] = {0x48, 0x85, 0xc0, 0x74, 0x0a, 0x48, 0x89, 0xc7, 0x31, 0xf6, 0xe8, 0, 0, 0, 0, 0x66, 0x90};
    int32_t distance = (int32_t)((uintptr_t)check - (uintptr_t)(at + 15));
    memcpy(code + 11, &distance, sizeof distance);
    memcpy(at, code, sizeof code);
}

void quicken(struct engine *e, uint64_t site, uint32_t insns) {
    /* nop of 9 bytes, nop of 8 [Intel SDM, NOP] */
    static const uint8_t nothing[CHECK_BYTES] = {0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
    uint8_t wanted[12] = {[0] = 0x48, [1] = 0xbf, [10] = 0x33, [11] = 0xf6};  /* mov rdi, engine; xor esi, esi */
    uint32_t most = 512 + PER_INSTRUCTION * insns;
    uint8_t *at = (uint8_t *)(uintptr_t)site, *end = at + (most < AHEAD ? most : AHEAD);
    if (e->check == NULL)
        return;
    memcpy(wanted + 2, &e->uc, sizeof e->uc);
    while ((at = memmem(at, (size_t)(end - at), wanted, sizeof wanted)) != NULL) {
        if (target_of(at + 12) == (uintptr_t)e->check) {
            if ((uintptr_t)at == site)
                ask_hook(at, e->check);
            else if (behind_hook(e, at))
                return; /* the next block */
            else
                memcpy(at, nothing, sizeof nothing);
            e->v.quickened++;
        }
        at += CHECK_BYTES;
    }
}

#else

void quicken(struct engine *e, uint64_t site, uint32_t insns) {
    (void)e, (void)site, (void)insns;
}

#endif
