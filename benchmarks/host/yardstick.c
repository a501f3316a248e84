/* What the figures are measured against: the least block hooks, and the least hand-over between two processes.
 *
 * Compiled when a benchmark runs (native.py); nothing of the emulator is in it. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "yardstick.h"

#define REG_CPSR 3 /* unicorn/arm.h: UC_ARM_REG_CPSR */
#define CPSR_I 0x80u

void count_block(void *uc, uint64_t address, uint32_t size, void *user)
{
    (void)uc, (void)address;
    ((struct counter *)user)->count += size >> 2;
}

/* A kernel needs its timer: stop at a count, or when its interrupt can be taken. */
void count_or_stop(void *uc, uint64_t address, uint32_t size, void *user)
{
    struct counter *c = user;
    uint32_t cpsr = CPSR_I;
    (void)address;
    if (c->irq)
        ((int (*)(void *, int, void *))c->reg_read)(uc, REG_CPSR, &cpsr);
    if (c->count >= c->limit || !(cpsr & CPSR_I)) {
        c->stopped = 1;
        ((int (*)(void *))c->emu_stop)(uc);
        return;
    }
    c->count += size >> 2;
}

/* ---- two processes that take turns */

struct turns {
    uint32_t ping, pong, ping_sleeps, pong_sleeps;
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void stay_on(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void ring(uint32_t *word, uint32_t *sleeps)
{
    __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(sleeps, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void await(uint32_t *word, uint32_t seen, uint32_t *sleeps, int spin)
{
    while (spin && __atomic_load_n(word, __ATOMIC_SEQ_CST) == seen)
        ;
    __atomic_store_n(sleeps, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) == seen)
        syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
    __atomic_store_n(sleeps, 0, __ATOMIC_SEQ_CST);
}

static void answer_for_ever(struct turns *t, int spin)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t seen = 0;; seen++) {
        await(&t->ping, seen, &t->ping_sleeps, spin);
        ring(&t->pong, &t->pong_sleeps);
    }
}

double futex_round_trip_us(int cpu, int other_cpu, int times)
{
    struct turns *t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cpu_set_t before;
    double began;
    int spin = cpu != other_cpu;
    pid_t child;
    sched_getaffinity(0, sizeof before, &before);
    child = fork();
    if (child == 0) {
        stay_on(other_cpu);
        answer_for_ever(t, spin);
    }
    stay_on(cpu);
    began = now_us();
    for (int i = -times / 10; i < times; i++) {
        if (i == 0)
            began = now_us();
        uint32_t seen = t->pong;
        ring(&t->ping, &t->ping_sleeps);
        await(&t->pong, seen, &t->pong_sleeps, spin);
    }
    began = (now_us() - began) / times;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    munmap(t, sizeof *t);
    sched_setaffinity(0, sizeof before, &before);
    return began;
}
