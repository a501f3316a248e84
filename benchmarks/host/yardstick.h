/* yardstick.c's face towards Python: plain declarations, for cffi. */
#ifndef CELLVISOR_YARDSTICK_H
#define CELLVISOR_YARDSTICK_H

#include <stdint.h>

struct counter {
    uint64_t count; /* instructions begun: the bytes of each block / 4 */
    uint64_t limit; /* count_or_stop: stop at the first block at or after this many */
    uint32_t irq;   /* count_or_stop: stop when CPSR.I is clear */
    uint32_t stopped;
    void *emu_stop, *reg_read; /* Unicorn's functions */
};

/* Unicorn block hooks; `user` is a struct counter. */
void count_block(void *uc, uint64_t address, uint32_t size, void *user);
void count_or_stop(void *uc, uint64_t address, uint32_t size, void *user);

/* Round trip between two C programs with a futex: asleep on one CPU, spinning on two. */
double futex_round_trip_us(int cpu, int other_cpu, int times);

#endif
