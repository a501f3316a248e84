/* by_page.c: what a layer need not know by itself, because the hypercall page has it. l4 and okl4. */
#ifndef WREN_BY_PAGE_H
#define WREN_BY_PAGE_H

#include "machine.h"

#pragma GCC visibility push(hidden)
u64 cycles_at(u64 time); /* ns -> cycles, rounded up; all ones: never, and stays so */
#pragma GCC visibility pop
#endif
