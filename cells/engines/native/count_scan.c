/* What a block does beside its instructions, found by looking through it once: operations of the system coprocessor on caches,
 * TLB and address spaces, and the functions that begin where it begins.
 */
#include <stdlib.h>
#include <string.h>

#include "count_internal.h"

#define CRN(word) ((word) >> 16 & 15)
#define CRM(word) ((word) & 15)
#define OPC2(word) ((word) >> 5 & 7)

/* MCR or MRC p15, opc1 0 [A8.8.98, A8.8.107]. */
static int is_cp15(uint32_t word) {
    return (word & 0x0fe00f10) == 0x0e000f10 && word >> 28 != 15;
}

static int is_write(uint32_t word) {
    return !(word & 1u << 20);
}

/* c1,c0,0 is of no interest here; c2; c8; c13,c0,0 and 1 [B3.17]. */
static int changes_addresses(uint32_t word) {
    return is_write(word) && (CRN(word) == 8 || CRN(word) == 2 || (CRN(word) == 13 && CRM(word) == 0 && OPC2(word) < 2));
}

enum { ALL = 0, BY_ADDRESS = 1, BY_SET = 2, BY_TEST = 3, XSCALE_ALLOCATE = 5 };

/* c7: caches. Data: c6 invalidate, c10 and c11 clean, c14 both; instructions: c5, c1; c7 both caches. XScale gives up its data
 * cache by allocating other lines (c2, 5) [DDI 0198E 2.3.8; B4.2.1; XScale Core Developer's Manual 7.2.8]. */
int note_cache(struct note *note, uint32_t word) {
    uint32_t crm = CRM(word), how = OPC2(word);
    int data = crm == 6 || crm == 10 || crm == 11 || crm == 14;
    if (CRN(word) != 7 || (!is_write(word) && how != BY_TEST))
        return 0;
    note->dwhole += (data && (how == ALL || (how == BY_TEST && crm != 6))) || (crm == 7 && how == ALL);
    note->walks += (data && how == BY_SET) || (crm == 2 && how == XSCALE_ALLOCATE);
    note->dlines += data && how == BY_ADDRESS;
    note->iwhole += (crm == 5 || crm == 1 || crm == 7) && how == ALL;
    note->ilines += crm == 5 && how == BY_ADDRESS;
    if (how != BY_ADDRESS && (data || crm == 7 || crm == 2))
        note->how = crm == 6 || crm == 7 ? FLUSH_DROP : crm == 10 || crm == 11 ? FLUSH_CLEAN : FLUSH_ALL;
    return data || crm == 5 || crm == 7 || crm == 2 || crm == 1;
}

/* Whether an instruction may change a register: rather too often than not often enough. */
static int may_write(uint32_t word, uint32_t number) {
    if (is_cp15(word) && is_write(word))
        return 0;
    if ((word & 0x0e000000) == 0x08000000 && word & 1u << number)
        return 1;
    return (word >> 12 & 15) == number || (word >> 16 & 15) == number || (word >> 8 & 15) == number;
}

/* When the operand of the operation `at` can be read. Only ARM state is looked at. */
static uint8_t operand_time(const uint8_t *bytes, uint32_t size, uint32_t at, uint32_t number) {
    int before = 0, behind = 0;
    for (uint32_t done = 0; done + 4 <= size; done += 4) {
        uint32_t word;
        memcpy(&word, bytes + done, sizeof word);
        before |= done < at && may_write(word, number);
        behind |= done > at && may_write(word, number);
    }
    return number == 15 ? AT_NO_TIME : !before ? AT_BEGIN : !behind ? AT_END : AT_NO_TIME;
}

/* Whether an instruction may change the flags: data processing and multiplication with S, MSR, MRC to them [A5.2, A8.8.107]. */
static int may_set_flags(uint32_t word) {
    return (word & 0x0c100000) == 0x00100000 || (word & 0x0db00000) == 0x01200000 || (word & 0x0f10f010) == 0x0e10f010;
}

static uint8_t flags_time(const uint8_t *bytes, uint32_t size, uint32_t at) {
    int before = 0, behind = 0;
    for (uint32_t done = 0; done + 4 <= size; done += 4) {
        uint32_t word;
        memcpy(&word, bytes + done, sizeof word);
        before |= done < at && may_set_flags(word);
        behind |= done > at && may_set_flags(word);
    }
    return !before ? AT_BEGIN : !behind ? AT_END : AT_NO_TIME;
}

/* An operation on caches: into the sums, or of a condition that can be looked at. */
static void note_operation(struct note *note, uint32_t word, const uint8_t *bytes, uint32_t size, uint32_t at, uint32_t thumb) {
    struct op_note op = {word, AT_NO_TIME, 0, AT_NO_TIME};
    struct note alone = {0};
    if (!note_cache(&alone, word))
        return;
    if (!thumb) {
        op.when = operand_time(bytes, size, at, word >> 12 & 15);
        op.flags = flags_time(bytes, size, at);
        op.asks = word >> 28 != 14 && op.flags != AT_NO_TIME && note->ops < NOTED_OPS;
    }
    if (!op.asks)
        note_cache(note, word);
    if (note->ops < NOTED_OPS)
        note->op[note->ops++] = op;
}

static void note_word(struct note *note, uint32_t word, uint32_t address, const uint8_t *bytes, uint32_t size, uint32_t done,
                      uint32_t thumb) {
    if (!is_cp15(word))
        return;
    if (changes_addresses(word)) {
        note->word = word;
        note->at = address + done;
    } else {
        note_operation(note, word, bytes, size, done, thumb);
    }
}

static int by_address(const void *left, const void *right) {
    uint32_t a = ((const struct function *)left)->address, b = ((const struct function *)right)->address;
    return a < b ? -1 : a > b;
}

static uint16_t groups_at(const struct count *c, uint32_t address) {
    struct function wanted = {address, 0};
    const struct function *found = bsearch(&wanted, c->function, c->functions, sizeof wanted, by_address);
    return found ? found->groups : 0;
}

void scan(struct count *c, struct note *note, uint32_t address, uint32_t size, uint32_t thumb) {
    uint8_t bytes[BLOCK_BYTES + 4];
    uint32_t length;
    memset(note, 0, sizeof *note);
    note->groups = groups_at(c, address);
    if (size < 4 || size > BLOCK_BYTES || read_code(c->e, address, bytes, size))
        return;
    for (uint32_t done = 0; done + 4 <= size; done += length) {
        uint32_t word = coprocessor_word(c->e, bytes + done, address + done, thumb, &length);
        note_word(note, word, address, bytes, size, done, thumb);
    }
}

int is_noted(const struct note *note) {
    return note->word || note->groups || note->ops;
}

/* Functions by address, each address once. */
void sort_functions(struct count *c) {
    uint32_t kept = 0;
    qsort(c->function, c->functions, sizeof c->function[0], by_address);
    for (uint32_t i = 0; i < c->functions; i++)
        if (kept && c->function[kept - 1].address == c->function[i].address)
            c->function[kept - 1].groups |= c->function[i].groups;
        else
            c->function[kept++] = c->function[i];
    c->functions = kept;
}
