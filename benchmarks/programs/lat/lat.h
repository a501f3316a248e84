/* What the micro-benchmarks share. Each prepares, calls `measure` with what one iteration does, and cleans up. The library is
   that of wren's programs (cells/wren/user): system calls as functions whose answer is the kernel's. */
#ifndef LAT_H
#define LAT_H

#include "ulib.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CALL_FSYNC 118
#define CALL_MSYNC 144
#define CALL_SETRLIMIT 75
#define CALL_SENDTO 290
#define CALL_RECVFROM 292
#define CALL_SETSOCKOPT 294
#define CALL_SEMOP 298
#define CALL_SEMGET 299
#define CALL_SEMCTL 300

extern u32 iterations;             /* how often `measure` does it */
extern u32 counted;                /* what the end mark says: iterations, or more if one iteration is several operations */
extern int word_count;             /* words behind the name */
extern char **words;
extern volatile u32 sink;          /* results go here, so that they are computed */
extern char **environment_of_ours;

/* A mark: who counts events takes its counters here (svc 0, r7 = 0xFEED); a kernel alone answers ENOSYS. */
void mark(u32 id, u32 times);
/* A few iterations ahead, then between two marks as many as asked for. */
void measure(void (*once)(void));
void begin(void), end(void);       /* the two marks alone, for loops of one's own */
void need(int answer, const char *what); /* an answer that must not be an error: says so and ends with status 1 */
u32 word(int which, u32 otherwise); /* the number in words[which] */
int partner(void (*serve)(void));  /* a child that serves until it is dismissed */
void dismiss(int child);
int scratch(const char *name, u32 size); /* a file in /tmp/lat of so many bytes, open to read and write */
void sum_words(const u32 *from, u32 size); /* read them all, four bytes each */

/* A file's benchmarks: ends with a name of 0. */
struct lat {
    const char *name;
    void (*run)(void);
};
extern const struct lat calls[], files[], signals[], talks[], tasks[], pages[], rings[], memories[], streams[];

#endif
