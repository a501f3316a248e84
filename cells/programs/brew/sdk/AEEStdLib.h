/* What a module brings along itself, and the helper functions that it was given with AEEMod_Load. */
#ifndef AEESTDLIB_H
#define AEESTDLIB_H

#include "AEEInterfaces.h"

extern const AEEHelpers *aee_helpers;

#define MALLOC(size) (aee_helpers->Malloc(size))
#define FREE(memory) (aee_helpers->Free(memory))
#define REALLOC(memory, size) (aee_helpers->Realloc((memory), (size)))
#define DBGPRINT(text) (aee_helpers->DbgPrint(text))
#define GETUPTIMEMS() (aee_helpers->GetUpTimeMS())
#define GETTIMESECONDS() (aee_helpers->GetTimeSeconds())
#define GETRAND(memory, size) (aee_helpers->GetRand((memory), (size)))
#define GETAPPINSTANCE() (aee_helpers->GetAppInstance())

void *memcpy(void *to, const void *from, uint32 size);
void *memset(void *to, int value, uint32 size);
uint32 STRLEN(const char *text);
/* A text in 16-bit characters, at most `room` of them with the zero; `to`. */
AECHAR *STRTOWSTR(const char *text, AECHAR *to, uint32 room);
/* A number in decimal digits; behind the last one. `to`: room for 12. */
char *WRITENUMBER(char *to, int32 number);

#endif
