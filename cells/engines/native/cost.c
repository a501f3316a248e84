/* Cycles of a translated block: every instruction costs what its class costs.
 *
 * The classes follow the encodings of the ARM Architecture Reference Manual (DDI 0406C): chapter A5 for ARM state, A6 for
 * Thumb. README.md has the table of what belongs to which class. A condition that fails does not change the cost, as
 * on cores that issue such an instruction and drop its result.
 */
#include <string.h>

#include "internal.h"

#define BITS(word, high, low) (((word) >> (low)) & ((2u << ((high) - (low))) - 1))

/* A list of registers moved one by one; loading the PC is a branch too. */
static uint32_t multiple(const uint32_t *cost, uint32_t list, int load) {
    uint32_t count = (uint32_t)__builtin_popcount(list & 0xffff);
    uint32_t each = cost[load ? COST_LOAD_MULTIPLE : COST_STORE_MULTIPLE];
    return (count ? count : 1) * each + (load && (list & 0x8000) ? cost[COST_BRANCH] : 0);
}

static uint32_t pair(const uint32_t *cost, int load) {
    return 2 * cost[load ? COST_LOAD_MULTIPLE : COST_STORE_MULTIPLE];
}

/* Coprocessor space, the same bits in both states [A5.6, A7]: LDC/STC, VFP memory, register transfers, operations. */
static uint32_t coprocessor(const uint32_t *cost, uint32_t word) {
    int load = (int)BITS(word, 20, 20), vfp = BITS(word, 11, 9) == 5;
    if (BITS(word, 25, 25) || (word & 0x0fe00000) == 0x0c400000)
        return cost[COST_COPROCESSOR];
    if (vfp && !(BITS(word, 24, 24) && !BITS(word, 21, 21))) {
        uint32_t words = BITS(word, 7, 0);
        return (words ? words : 1) * cost[load ? COST_LOAD_MULTIPLE : COST_STORE_MULTIPLE];
    }
    return cost[load ? COST_LOAD : COST_STORE];
}

/* ARM, bits 27:25 = 000: data processing, multiplies, halfwords, swaps, exclusives, branches to registers [A5.2]. */
static uint32_t arm_register(const uint32_t *cost, uint32_t word) {
    uint32_t misc = BITS(word, 24, 23) == 2 && !BITS(word, 20, 20), load = BITS(word, 20, 20);
    if ((word & 0x90) == 0x90) {
        if (BITS(word, 6, 5) == 0) {
            if (!BITS(word, 24, 24))
                return cost[COST_MULTIPLY];
            if (!BITS(word, 23, 23))
                return cost[COST_LOAD] + cost[COST_STORE];
            return BITS(word, 22, 21) == 1 ? pair(cost, (int)load) : cost[load ? COST_LOAD : COST_STORE];
        }
        if (!load && BITS(word, 6, 6))
            return pair(cost, !BITS(word, 5, 5));
        return cost[load ? COST_LOAD : COST_STORE];
    }
    if (misc) {
        if ((word & 0x90) == 0x80)
            return cost[COST_MULTIPLY];
        int to_register = BITS(word, 22, 21) == 1 && BITS(word, 7, 4) >= 1 && BITS(word, 7, 4) <= 3;
        return cost[to_register ? COST_BRANCH : COST_ALU];
    }
    return cost[BITS(word, 15, 12) == 15 && BITS(word, 24, 23) != 2 ? COST_BRANCH : COST_ALU];
}

/* ARM, condition field 1111 [A5.7]. */
static uint32_t arm_unconditional(const uint32_t *cost, uint32_t word) {
    switch (BITS(word, 27, 25)) {
    case 1:
        return cost[COST_COPROCESSOR]; /* Advanced SIMD data processing */
    case 2:
        if ((word & 0x0f100000) == 0x04000000)
            return cost[BITS(word, 21, 21) ? COST_LOAD : COST_STORE]; /* Advanced SIMD element or structure */
        return cost[COST_ALU];
    case 4:
        return BITS(word, 20, 20) ? pair(cost, 1) + cost[COST_BRANCH] : pair(cost, 0); /* RFE, SRS */
    case 5:
        return cost[COST_BRANCH];
    case 6:
    case 7:
        return coprocessor(cost, word);
    default:
        return cost[COST_ALU]; /* CPS, SETEND, PLD, barriers */
    }
}

uint32_t native_cost_arm(const uint32_t *cost, uint32_t word) {
    uint32_t load = BITS(word, 20, 20), to_pc = BITS(word, 15, 12) == 15;
    if (word >> 28 == 15)
        return arm_unconditional(cost, word);
    switch (BITS(word, 27, 25)) {
    case 0:
        return arm_register(cost, word);
    case 1:
        return cost[to_pc && BITS(word, 24, 23) != 2 ? COST_BRANCH : COST_ALU];
    case 3:
        if (BITS(word, 4, 4)) /* media: multiplies and divides are op1 = 10xxx, USAD8 11000 */
            return cost[BITS(word, 24, 23) == 2 || BITS(word, 24, 20) == 24 ? COST_MULTIPLY : COST_ALU];
        /* fall through */
    case 2:
        return load ? cost[COST_LOAD] + (to_pc ? cost[COST_BRANCH] : 0) : cost[COST_STORE];
    case 4:
        return multiple(cost, word, (int)load);
    case 5:
        return cost[COST_BRANCH];
    case 7:
        if (BITS(word, 24, 24))
            return cost[COST_ALU]; /* SVC: the exception it causes is charged when it is entered */
        /* fall through */
    default:
        return coprocessor(cost, word);
    }
}

/* Thumb, 16 bits: what bits 15:12 do not settle is looked at below [A6.2]. */
static uint32_t thumb_narrow(const uint32_t *cost, uint32_t half) {
    uint32_t load = BITS(half, 11, 11);
    switch (half >> 12) {
    case 4:
        if (load)
            return cost[COST_LOAD];
        if (BITS(half, 11, 6) == 13)
            return cost[COST_MULTIPLY];
        if (!BITS(half, 10, 10))
            return cost[COST_ALU];
        /* special data: BX and BLX, or ADD and MOV to the PC */
        return cost[BITS(half, 9, 8) == 3 || (BITS(half, 9, 8) != 1 && (half & 0x87) == 0x87) ? COST_BRANCH : COST_ALU];
    case 5:
        return cost[BITS(half, 11, 9) >= 3 ? COST_LOAD : COST_STORE];
    case 6:
    case 7:
    case 8:
    case 9:
        return cost[load ? COST_LOAD : COST_STORE];
    case 11:
        if (BITS(half, 10, 9) == 2) /* PUSH, POP: bit 8 is LR or PC */
            return multiple(cost, (half & 0xff) | (half & 0x100 ? (load ? 0x8000 : 0x4000) : 0), (int)load);
        return cost[BITS(half, 10, 10) == 0 && BITS(half, 8, 8) ? COST_BRANCH : COST_ALU]; /* CBZ, CBNZ */
    case 12:
        return multiple(cost, half & 0xff, (int)load);
    case 13:
        return cost[BITS(half, 11, 8) >= 14 ? COST_ALU : COST_BRANCH]; /* UDF, SVC */
    case 14:
    case 15:
        return cost[COST_BRANCH];
    default:
        return cost[COST_ALU];
    }
}

/* Thumb, 32 bits, first halfword 11101 00xx: multiples, pairs, exclusives, table branches [A6.3.5, A6.3.6]. */
static uint32_t thumb_lists(const uint32_t *cost, uint32_t first, uint32_t second) {
    int load = (int)BITS(first, 4, 4);
    if (!BITS(first, 6, 6)) {
        if (BITS(first, 8, 7) == 0 || BITS(first, 8, 7) == 3)
            return pair(cost, load) + (load ? cost[COST_BRANCH] : 0);
        return multiple(cost, second, load);
    }
    if ((first & 0x0120) || (BITS(first, 7, 7) && BITS(second, 7, 4) == 7))
        return pair(cost, load);
    if (load && BITS(first, 7, 7) && BITS(second, 7, 5) == 0)
        return cost[COST_LOAD] + cost[COST_BRANCH];
    return cost[load ? COST_LOAD : COST_STORE];
}

/* Thumb, 32 bits, first halfword 11110 and bit 15 of the second set: branches and control [A6.3.4]. */
static uint32_t thumb_control(const uint32_t *cost, uint32_t first, uint32_t second) {
    int conditional = (second & 0x5000) == 0;
    if (conditional && BITS(first, 9, 7) == 7) {
        int leaves = (first & 0xffe0) == 0xf3c0; /* BXJ; SUBS PC, LR */
        return cost[leaves ? COST_BRANCH : COST_ALU];
    }
    return cost[COST_BRANCH];
}

/* Thumb, 32 bits, first halfword 11111 [A6.3.7 to A6.3.17]. */
static uint32_t thumb_memory_or_data(const uint32_t *cost, uint32_t first, uint32_t second) {
    if (BITS(first, 10, 9) == 1)
        return cost[BITS(first, 8, 8) ? COST_MULTIPLY : COST_ALU];
    if (!BITS(first, 4, 4)) /* stores; element and structure loads have bit 8 and bit 5 */
        return cost[BITS(first, 8, 8) && BITS(first, 5, 5) ? COST_LOAD : COST_STORE];
    if (BITS(second, 15, 12) != 15)
        return cost[COST_LOAD];
    /* a word to the PC is a jump; bytes and halfwords to register 15 are preload hints */
    return BITS(first, 6, 5) == 2 ? cost[COST_LOAD] + cost[COST_BRANCH] : cost[COST_ALU];
}

static uint32_t thumb_wide(const uint32_t *cost, uint32_t first, uint32_t second) {
    if (BITS(first, 10, 10) && BITS(first, 12, 11) != 2)
        return coprocessor(cost, first << 16 | second);
    switch (BITS(first, 12, 11)) {
    case 1:
        return BITS(first, 9, 9) ? cost[COST_ALU] : thumb_lists(cost, first, second);
    case 2:
        return second & 0x8000 ? thumb_control(cost, first, second) : cost[COST_ALU];
    default:
        return thumb_memory_or_data(cost, first, second);
    }
}

uint32_t native_cost_thumb(const uint32_t *cost, uint32_t first, uint32_t second, int wide) {
    return wide ? thumb_wide(cost, first, second) : thumb_narrow(cost, first);
}

/* Bytes of the Thumb instruction that begins with `first`, as the translator sees it. Before Thumb-2 the two halves of a
 * BL or BLX are one instruction unless the page ends between them. */
uint32_t thumb_length(const struct engine *e, uint32_t address, uint32_t first) {
    if (first >> 11 < 0x1d)
        return 2;
    if (e->v.features & FEATURE_V7)
        return 4;
    return first >> 11 == 0x1e && (address & (e->page_size - 1)) < e->page_size - 3 ? 4 : 2;
}

uint32_t coprocessor_word(const struct engine *e, const uint8_t *bytes, uint32_t address, uint32_t thumb, uint32_t *length) {
    uint16_t half[2];
    uint32_t word;
    memcpy(half, bytes, sizeof half);
    memcpy(&word, bytes, sizeof word);
    *length = thumb ? thumb_length(e, address, half[0]) : 4;
    if (!thumb)
        return word;
    return *length == 4 && half[0] >> 12 == 14 ? (uint32_t)half[0] << 16 | half[1] : 0;
}

/* Counters that Unicorn drives by the host's clock, as they are read: PMCCNTR and PMXEVCNTR [B4.1.113, B4.1.122], the
 * generic timer's count and its two timer values [B8.1]. */
static int follows_host_clock(uint32_t word) {
    static const uint32_t reads[][2] = {
        {0x0fff0fff, 0x0e190f1d}, {0x0fff0fff, 0x0e190f5d}, {0x0ff00f0f, 0x0c500f0e}, {0x0fff0ffe, 0x0e1e0f12}};
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
        if ((word & reads[i][0]) == reads[i][1])
            return 1;
    return 0;
}

struct sum cost_of(const struct engine *e, const uint8_t *bytes, uint32_t size, uint32_t address, int thumb, uint64_t *clocks) {
    struct sum sum = {0, 0, 0};
    while (sum.length < size) {
        uint32_t word = 0, length = 4;
        uint16_t half[2];
        memcpy(half, bytes + sum.length, sizeof half);
        if (thumb) {
            length = thumb_length(e, address + sum.length, half[0]);
            word = (uint32_t)half[0] << 16 | half[1];
            sum.cycles += native_cost_thumb(e->v.cost, half[0], half[1], length == 4);
        } else {
            memcpy(&word, bytes + sum.length, sizeof word);
            sum.cycles += native_cost_arm(e->v.cost, word);
        }
        if (length == 4 && follows_host_clock(word))
            ++*clocks;
        sum.insns++;
        sum.length += length;
    }
    return sum;
}
