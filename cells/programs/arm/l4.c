/* The microkernel's one call: a message out, a message in, or both (hypervisor/abi/l4.py has the wire). */
#include "guest.h"

enum { STRING = 1u << 12, ITEM = 2u << 6, MAP = 1u << 8, READ_WRITE = 3, CONNECT_LABEL = 20 };

u32 l4_tag(u32 label, u32 words, u32 string) { return words | (string ? STRING : 0) | label << 16; }

struct l4_answer l4_ipc(u32 to, u32 from, u32 tag, u32 timeouts, const void *data, u32 length)
{
    u64 result = hypercall_with(HYPERCALL_IPC, to | from << 16, tag, timeouts, data, length);
    struct l4_answer answer = {0, (u32)result & 0xffff, (u32)(result >> 32)};
    if ((long long)result < 0)
        answer.status = (int)result;
    return answer;
}

int l4_offer(const struct connection *link, u32 address)
{
    u32 item[2] = {address, link->size / INFO_PAGE_SIZE << 12 | MAP | READ_WRITE};
    for (;;) {
        int status = l4_ipc(link->slot, L4_NIL, CONNECT_LABEL << 16 | ITEM, 0, item, sizeof item).status;
        if (status != STATUS_WRONG_STATE) /* it does not accept pages yet */
            return status;
        hypercall(HYPERCALL_YIELD, 0, 0, 0);
    }
}
