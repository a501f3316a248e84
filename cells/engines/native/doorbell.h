/* The world switch over a shared page: two futex words, one per direction, a word that the kernel marks when the cell dies, and
 * the two records of hypervisor/abi/records.py. */
#ifndef CELLVISOR_DOORBELL_H
#define CELLVISOR_DOORBELL_H

#include <stdint.h>

/* As in records.py; tests/unit/abi compares them. */
#define LAST_KIND 10
#define PAYLOAD_LIMIT 1024
#define EVENTS_LIMIT 3072
#define OVERSHOOT 1048576

struct doorbell {
    uint32_t request;        /* counts resumes */
    uint32_t response;       /* counts exits */
    uint32_t request_waiter; /* the cell sleeps in the kernel */
    uint32_t response_waiter;
    uint32_t monitor_cpu; /* where each side last ran: who shares a CPU must not spin */
    uint32_t cell_cpu;
    uint32_t alive; /* robust futex: thread id, then FUTEX_OWNER_DIED */
    uint32_t unused;
};

struct resume_record {
    uint64_t seq, start, end, horizon, value, events; /* events: bytes that follow */
};

struct exit_record {
    uint64_t seq, kind, time, cycles, deadline, a0, a1, a2, a3, insns, interrupts;
    uint32_t output, data; /* bytes that follow */
};

/* Whether to step aside before sleeping: not for the next `pause` times; `next` is how long the next pause would be. */
struct courtesy {
    uint32_t pause, next;
};

/* The monitor's end of one page. */
struct link {
    struct doorbell *page;
    struct resume_record *resume; /* in the page */
    struct exit_record *exit;     /* in the page: hostile, read once */
    struct exit_record copy;      /* what was read */
    int pidfd;
    int spin_us;
    uint32_t seen;
    uint64_t seq, start, latest; /* what an honest exit may claim */
    struct courtesy courtesy;
};

/* The cell's end. */
struct cell_end {
    struct doorbell *page;
    struct resume_record *resume;
    struct exit_record *exit;
    int spin_us;
    uint32_t seen;
    struct courtesy courtesy;
};

enum link_outcome { LINK_EXIT = 0, LINK_TIMEOUT = 1, LINK_DEAD = 2, LINK_BAD = 3 };

/* Hand over a resume; `events` bytes of events were put into the page before. An exit may lie up to `latest`. */
void link_resume(struct link *link, uint64_t seq, uint64_t start, uint64_t end, uint64_t horizon, uint64_t value, uint64_t events,
                 uint64_t latest);
/* Wait for the exit; it is then in `copy`, checked against the resume. */
int link_wait(struct link *link, int64_t timeout_ns);

/* Cell: be marked by the kernel when this thread dies. */
void doorbell_adopt(struct doorbell *page);
/* Cell: hand over the exit that was packed into the page, then sleep until the next resume. */
void doorbell_trap(struct doorbell *page, int spin_us, uint32_t *seen, struct courtesy *courtesy);

#endif
