/* What every image may use: the info page, a console, hypercalls, interrupts, one periodic timer.

   A program defines `void program(void)`. It starts with IRQs masked and may return, which ends the cell with status
   0. */
#ifndef GUEST_H
#define GUEST_H

#include "info_page.h"

typedef unsigned u32;
typedef unsigned long long u64;

#pragma GCC visibility push(hidden) /* all in one image: plain pc-relative addresses, no global offset table */

void program(void);

extern struct info_page info; /* our copy: page 0 of RAM holds the vectors from now on */
extern char image_end[];      /* the first byte of RAM beyond the image */

/* runtime.c */
u32 argument(const char *name, u32 otherwise); /* the number behind "name=" in the arguments */
int argument_is(const char *name, const char *value);
u64 divide(u64 dividend, u32 divisor, u32 *remainder);
u32 scale(u32 value, u32 times, u32 per); /* value * times / per, at most 0xffffffff */
u32 processor_id(void);                   /* MIDR */
u32 take_pages(u32 count);                /* address of pages of RAM, from its end downwards; they are never given back */
void wait_for_interrupt(void);
void mask_interrupts(void);
void unmask_interrupts(void);

/* hypercalls.c */
u64 hypercall(u32 number, u32 a1, u32 a2, u32 a3);
void heartbeat(void);
void report(u32 metric, u32 value);
void shutdown(u32 status) __attribute__((noreturn));
u64 hypercall_with(u32 number, u32 a1, u64 a2, u32 a3, const void *data, u32 length); /* `length` bytes go with it */
#define HYPERCALL_DATA_LIMIT 1024                                                    /* more: STATUS_TOO_LONG, no call */
u32 answer(void *to, u32 limit); /* the bytes that came with the last answer; how many there were */

/* connections.c: how a cell talks to others; what a call means depends on info.flavour */
const struct connection *connection(const char *peer); /* of a message channel or link to this cell; 0 if there is none */
struct event {
    u32 kind, source; /* EVENT_*; a slot or port of our own */
    u64 bits;
};
u32 next_event(struct event *event); /* 0: none waits */
void wait_for_event(void);           /* or for an interrupt of a private device */
void sleep_until_rung(void);         /* the same, for who looks at everything anew: handshakes go on, and the events are dropped */
int message_send(const struct connection *to, const void *data, u32 length); /* waits for room or partner; < 0: refused */
int message_receive(const struct connection *from, void *data, u32 limit);   /* waits; the length, or < 0: refused */

u32 link_open(const struct connection *link);   /* waits for the other end; address of the shared pages, 0: refused. Front ends */
int link_notify(const struct connection *link); /* rings the other end */

/* okl4.c: the microvisor's calls. All answers < 0 are STATUS_*. */
int okl4_send(u32 slot, const void *data, u32 length); /* STATUS_FULL: try again when rung */
int okl4_receive(u32 slot, void *data, u32 limit);     /* the length, STATUS_EMPTY */
int okl4_notify(u32 slot, u64 bits);

/* l4.c: the microkernel's IPC. `words` are message registers 1.. of the message sent, then of the one received. */
enum { L4_NIL = 0, L4_ANY = 0xffff, L4_REPLY = 0xfffe };
struct l4_answer {
    int status; /* 0, or STATUS_* */
    u32 from, tag;
};
u32 l4_tag(u32 label, u32 words, u32 string); /* `string` bytes follow the words */
int l4_offer(const struct connection *link, u32 address); /* pages of ours as a map item, until the partner takes them */
struct l4_answer l4_ipc(u32 to, u32 from, u32 tag, u32 timeouts, const void *data, u32 length);

/* xen.c: the hypervisor's calls by their real numbers; arguments are addresses of structures, as there */
int xen_call(u32 number, u32 operation, const void *argument, u32 count);

/* xen_channel.c: rings in granted pages that both ends set up through the store; xen.h has what is below */
int xen_channel_send(const struct connection *to, const void *data, u32 length);
int xen_channel_receive(const struct connection *from, void *data, u32 limit);
u32 xen_link_open(const struct connection *link);
int xen_link_notify(const struct connection *link);
void xen_wait(void);

/* uart.c: as it is, a character at a time; uart_get: -1 if nothing was typed */
void uart_start(void);
void uart_put(char c);
int uart_get(void);
void uart_listen(void); /* interrupt when something was typed, until it is taken */

/* console.c: %u decimal, %x eight hexadecimal digits, %s text, %c character */
void console_start(void);
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* interrupts.c */
void interrupts_start(void);            /* the timer's line is the only one that is let through */
void interrupts_allow(u32 line);        /* and this one, from now on */
u32 interrupts_claim(void);             /* 1: the timer's line is pending */
void interrupts_done(void);             /* after the device was served */
extern void (*timer_handler)(u32 late); /* called with IRQs masked; `late` in timer ticks */

/* timer.c */
void timer_start(u32 period);      /* in timer ticks */
u32 timer_acknowledge(void);       /* timer ticks since the oldest due time that was not served */
extern volatile u32 timer_skipped; /* due times that had no interrupt of their own because we came too late */

/* alarm.c: a clock and one alarm, for who has no period. All in ticks of the timer; the clock's 32 bits wrap around */
void alarm_start(void);
u32 alarm_now(void);
void alarm_set(u32 ticks); /* interrupt once, so many ticks from now */
void alarm_quiet(void);    /* after its interrupt */

/* vectors.c */
void vectors_start(void);

/* The frame of an address as we know it: what structures for a hypervisor hold. A kernel without privileges may have its RAM
   elsewhere than it is physically. */
static inline u32 frame_of(u32 address)
{
    return (info.virtual_base ? address - info.virtual_base + info.ram_base : address) / INFO_PAGE_SIZE;
}

static inline u32 load(u32 address) { return *(volatile u32 *)address; }
static inline void store(u32 address, u32 value) { *(volatile u32 *)address = value; }

#pragma GCC visibility pop
#endif
