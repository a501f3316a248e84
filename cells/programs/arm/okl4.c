/* The microvisor's calls: bounded channels that refuse instead of waiting, and virtual interrupts. */
#include "guest.h"

int okl4_send(u32 slot, const void *data, u32 length)
{
    return (int)hypercall_with(HYPERCALL_CHANNEL_SEND, slot, 0, 0, data, length);
}

int okl4_receive(u32 slot, void *data, u32 limit)
{
    u64 result = hypercall(HYPERCALL_CHANNEL_RECEIVE, slot, 0, 0);
    if ((long long)result < 0)
        return (int)result;
    answer(data, limit);
    return (int)(u32)result; /* above it: how many messages are left */
}

int okl4_notify(u32 slot, u64 bits) { return (int)hypercall_with(HYPERCALL_NOTIFY, slot, bits, 0, 0, 0); }
