/* System calls: from the number in r7 to a function, and what becomes of its answer.

   The families register their tables; a number is an index here. A call that has to wait answers AGAIN_LATER: the registers
   stay as the process left them, and when it is woken the kernel makes the call again with the same arguments, until it has
   an answer. */
#include "kernel.h"

enum { NUMBERS = 448, PRIVATE = 0xf0000 }; /* Linux's common numbers; ARM's own begin at PRIVATE */

static const struct call *const families[] = {
    process_calls, identity_calls, memory_calls, signal_calls, time_calls,   file_calls,
    name_calls,    status_calls,   pipe_calls,   poll_calls,   socket_calls,
};
static const struct call *by_number[NUMBERS];
static u32 missed[NUMBERS / 32];

void calls_start(void)
{
    for (u32 i = 0; i < sizeof families / sizeof *families; i++)
        for (const struct call *call = families[i]; call->function; call++)
            if (call->number < NUMBERS)
                by_number[call->number] = call;
}

static const struct call *find_private(u32 number)
{
    for (const struct call *call = identity_calls; call->function; call++)
        if (call->number == number)
            return call;
    return 0;
}

static const struct call *find(u32 number)
{
    if (number < NUMBERS)
        return by_number[number];
    return number >= PRIVATE ? find_private(number) : 0;
}

/* Who lacks a call should be able to see which; once is enough. */
static int missing(u32 number)
{
    if (number < NUMBERS && !(missed[number / 32] >> number % 32 & 1)) {
        missed[number / 32] |= 1u << number % 32;
        print("wren: %s: system call %u is not there\n", current->name, number);
    }
    return -ENOSYS;
}

static void make_call(void)
{
    struct registers *registers = &current->registers;
    const u32 *r = registers->r;
    const struct call *call = find(r[7]);
    int result = call ? call->function(r[0], r[1], r[2], r[3], r[4], r[5]) : missing(r[7]);
    int has_registers = current->has_registers; /* of an answer of its own */
    current->has_registers = 0;
    current->again = current->state == WAITING && result == AGAIN_LATER;
    current->interrupted = result == -EINTR && !has_registers;
    if (!current->again && !has_registers)
        registers->r[0] = (u32)result;
}

void call_begin(void)
{
    clear(&current->call, sizeof current->call);
    current->argument = current->registers.r[0];
    make_call();
}

void call_again(void) { make_call(); }
