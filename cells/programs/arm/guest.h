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
void wait_for_interrupt(void);
void mask_interrupts(void);
void unmask_interrupts(void);

/* hypercalls.c */
u64 hypercall(u32 number, u32 a1, u32 a2, u32 a3);
void heartbeat(void);
void report(u32 metric, u32 value);
void shutdown(u32 status) __attribute__((noreturn));

/* console.c: %u decimal, %x eight hexadecimal digits, %s text, %c character */
void console_start(void);
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* interrupts.c */
void interrupts_start(void);            /* the timer's line is the only one that is let through */
u32 interrupts_claim(void);             /* 1: the timer's line is pending */
void interrupts_done(void);             /* after the device was served */
extern void (*timer_handler)(u32 late); /* called with IRQs masked; `late` in timer ticks */

/* timer.c */
void timer_start(u32 period);      /* in timer ticks */
u32 timer_acknowledge(void);       /* timer ticks since the oldest due time that was not served */
extern volatile u32 timer_skipped; /* due times that had no interrupt of their own because we came too late */

/* vectors.c */
void vectors_start(void);

static inline u32 load(u32 address) { return *(volatile u32 *)address; }
static inline void store(u32 address, u32 value) { *(volatile u32 *)address = value; }

#pragma GCC visibility pop
#endif
