/* Futex doorbell: a round trip costs 2.6 us on one host core, 0.7 us across two (HOST.md section 1).
 *
 * Each side publishes the CPU on which it runs and spins only if the other last ran on another one: on the same CPU spinning
 * keeps the peer from running at all. Death is noticed through a robust futex: the kernel sets FUTEX_OWNER_DIED in `alive`
 * and wakes the waiter; a hostile cell may unset its robust list, so the pidfd is looked at on every timeout as well. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "doorbell.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define LOAD(word) __atomic_load_n(word, __ATOMIC_SEQ_CST)
#define STORE(word, value) __atomic_store_n(word, value, __ATOMIC_SEQ_CST)

/* As in hypervisor/abi/time.py; tests/unit/abi compares them. */
#define NEVER (1ull << 62)

#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause()
#else
#define RELAX() __asm__ volatile("" ::: "memory")
#endif

/* One yield suffices mostly; measured: 4.2 us a round trip, asleep 5.4. On a busy host a yield may give the CPU to strangers for
 * milliseconds: after one that took so long the next ones are left out, twice as many each time. */
enum { YIELDS = 2, SLOW_NS = 200000, FIRST_PAUSE = 256, LONGEST_PAUSE = 1 << 20 };

/* Own layout: older kernel headers lack struct futex_waitv. */
struct waiter {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static uint64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct timespec timespec_of(uint64_t ns) {
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

static int spin_past(uint32_t *word, uint32_t seen, int spin_us) {
    uint64_t end = monotonic_ns() + (uint64_t)spin_us * 1000u;
    do {
        for (int i = 0; i < 32; i++) {
            if (LOAD(word) != seen) return 1;
            RELAX();
        }
    } while (monotonic_ns() < end);
    return 0;
}

/* On one CPU the peer runs as soon as we step aside; whoever only stepped aside need not be woken by the kernel. A peer that has
 * more to do than that is waited for asleep. */
static int yield_past(uint32_t *word, uint32_t seen, struct courtesy *courtesy) {
    if (courtesy->pause > 0) {
        courtesy->pause--;
        return 0;
    }
    uint64_t began = monotonic_ns();
    int moved = 0;
    for (int i = 0; i < YIELDS && !moved; i++) {
        sched_yield();
        moved = LOAD(word) != seen;
    }
    if (monotonic_ns() - began < SLOW_NS) {
        courtesy->next = FIRST_PAUSE;
        return moved;
    }
    courtesy->pause = courtesy->next > FIRST_PAUSE ? courtesy->next : FIRST_PAUSE;
    courtesy->next = courtesy->pause < LONGEST_PAUSE ? courtesy->pause * 2 : LONGEST_PAUSE;
    return moved;
}

static int wait_awake(uint32_t *word, uint32_t seen, int elsewhere, int spin_us, struct courtesy *courtesy) {
    if (elsewhere) return spin_us > 0 && spin_past(word, seen, spin_us);
    return yield_past(word, seen, courtesy);
}

static void ring(uint32_t *word, uint32_t *waiter) {
    __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    if (LOAD(waiter)) syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Sleep until `word` moves past `seen`, `alive` changes (if given), or the absolute time `end` (0: for ever). */
static void sleep_past(uint32_t *word, uint32_t seen, uint32_t *alive, uint32_t living, uint64_t end) {
    struct waiter both[2] = {{seen, (uintptr_t)word, 2, 0}, {living, (uintptr_t)alive, 2, 0}}; /* 2: FUTEX2_SIZE_U32, shared */
    struct timespec t = timespec_of(end);
    if (alive && syscall(SYS_futex_waitv, both, 2, 0, end ? &t : NULL, CLOCK_MONOTONIC) >= 0) return;
    if (alive && errno != ENOSYS) return;
    uint64_t now = monotonic_ns();
    struct timespec left = timespec_of(end > now ? end - now : 1);
    syscall(SYS_futex, word, FUTEX_WAIT, seen, end ? &left : NULL, NULL, 0);
}

void link_resume(struct link *link, uint64_t seq, uint64_t start, uint64_t end, uint64_t horizon, uint64_t value, uint64_t events,
                 uint64_t latest) {
    *link->resume = (struct resume_record){seq, start, end, horizon, value, events};
    link->seq = seq;
    link->start = start;
    link->latest = latest;
    link->seen = LOAD(&link->page->response);
    ring(&link->page->request, &link->page->request_waiter);
}

static int dead(struct doorbell *page) { return (LOAD(&page->alive) & FUTEX_OWNER_DIED) != 0; }

static int ended(int pidfd) {
    struct pollfd fd = {pidfd, POLLIN, 0};
    return pidfd >= 0 && poll(&fd, 1, 0) > 0;
}

/* Whether the copied record is one that an honest runtime sends (hypervisor/abi/records.py, checked_exit). */
static int honest(const struct link *link) {
    const struct exit_record *e = &link->copy;
    return e->seq == link->seq && e->kind <= LAST_KIND && e->time >= link->start && e->time <= link->latest && e->deadline <= NEVER &&
           e->cycles <= NEVER && e->output <= PAYLOAD_LIMIT && e->data <= PAYLOAD_LIMIT;
}

static void sleep_until_answered(struct link *link, int64_t timeout_ns) {
    struct doorbell *page = link->page;
    uint64_t end = monotonic_ns() + (uint64_t)timeout_ns;
    STORE(&page->response_waiter, 1);
    while (LOAD(&page->response) == link->seen && !dead(page) && monotonic_ns() < end)
        sleep_past(&page->response, link->seen, &page->alive, LOAD(&page->alive), end);
    STORE(&page->response_waiter, 0);
    STORE(&page->monitor_cpu, (uint32_t)sched_getcpu());
}

int link_wait(struct link *link, int64_t timeout_ns) {
    struct doorbell *page = link->page;
    uint32_t cpu = (uint32_t)sched_getcpu();
    STORE(&page->monitor_cpu, cpu);
    if (LOAD(&page->response) == link->seen) {
        int elsewhere = LOAD(&page->cell_cpu) != cpu;
        if (!wait_awake(&page->response, link->seen, elsewhere, link->spin_us, &link->courtesy))
            sleep_until_answered(link, timeout_ns);
    }
    if (LOAD(&page->response) == link->seen) return dead(page) || ended(link->pidfd) ? LINK_DEAD : LINK_TIMEOUT;
    link->seen = LOAD(&page->response); /* an exit is taken once */
    link->copy = *(volatile struct exit_record *)link->exit;
    return honest(link) ? LINK_EXIT : LINK_BAD;
}

static struct {
    void *next;
} entry;
static struct {
    void *next;
    long offset;
    void *pending;
} robust;

void doorbell_adopt(struct doorbell *page) {
    entry.next = &robust;
    robust.next = &entry;
    robust.offset = (char *)&page->alive - (char *)&entry;
    robust.pending = NULL;
    STORE(&page->alive, (uint32_t)syscall(SYS_gettid) | FUTEX_WAITERS);
    syscall(SYS_set_robust_list, &robust, sizeof robust);
}

void doorbell_trap(struct doorbell *page, int spin_us, uint32_t *seen, struct courtesy *courtesy) {
    ring(&page->response, &page->response_waiter);
    uint32_t cpu = (uint32_t)sched_getcpu();
    STORE(&page->cell_cpu, cpu);
    if (LOAD(&page->request) == *seen &&
        !wait_awake(&page->request, *seen, LOAD(&page->monitor_cpu) != cpu, spin_us, courtesy)) {
        STORE(&page->request_waiter, 1);
        while (LOAD(&page->request) == *seen) sleep_past(&page->request, *seen, NULL, 0, 0);
        STORE(&page->request_waiter, 0);
        STORE(&page->cell_cpu, (uint32_t)sched_getcpu());
    }
    *seen = LOAD(&page->request);
}
