/* The parts of `crash`, as they know each other. */
#ifndef WREN_CRASH_H
#define WREN_CRASH_H

#include "ulib.h"

void contained(const char *what, void (*act)(u32 value), u32 value); /* in a child; a line with how it ended */
void bad_pointers(void);                                             /* crash_calls.c */

#endif
