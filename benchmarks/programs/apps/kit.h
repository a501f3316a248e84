/* What the application benchmarks share: files, memory, text, arithmetic. One source for the ARM cell (kit_arm.c: Linux's system
   calls, no C library) and for the host (kit_host.c), so that the outputs can be compared byte by byte. Floating point is double,
   without contraction: basic operations of IEEE 754 give the same everywhere, and `kit_math.c` uses nothing else. */
#ifndef KIT_H
#define KIT_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

int app(int count, char **arguments); /* each program has one; its exit status is ours */

/* ---- kit_arm.c or kit_host.c; each ends the program with a message if it cannot */
int open_file(const char *path, int write);
u32 read_some(int file, void *to, u32 size); /* 0 at the end */
void write_some(int file, const void *from, u32 size);
void close_file(int file);
void *more_memory(u32 size); /* zeroed */
void leave(int status) __attribute__((noreturn));

/* ---- kit.c */
void fail(const char *what) __attribute__((noreturn));
void *room(u32 size); /* zeroed, 8-aligned, never given back */
void copy(void *to, const void *from, u32 size);
void fill(void *to, int value, u32 size);
u32 length(const char *text);
int same(const char *one, const char *other);
u32 number(const char *text);

/* Files go through 4 KiB, as stdio's do. */
struct in {
    int file;
    u32 at, filled;
    u8 buffer[4096];
};
struct out {
    int file;
    u32 filled;
    u8 buffer[4096];
};
struct in *reader(const char *path);
int byte_in(struct in *in);                        /* -1 at the end */
u32 bytes_in(struct in *in, void *to, u32 size);   /* fewer at the end */
struct out *writer(const char *path);              /* 0: standard output */
void byte_out(struct out *out, int byte);
void bytes_out(struct out *out, const void *from, u32 size);
void text_out(struct out *out, const char *text);
void number_out(struct out *out, s32 value);
void hex_out(struct out *out, u32 value);
void finish(struct out *out);
u8 *whole(const char *path, u32 *size);            /* a file in memory, a 0 behind it */

u32 random_next(u32 *state); /* 24 bits; a congruence */

/* ---- kit_math.c: enough for tables and filters; errors below 1e-12 for |x| < 1000 */
double sine(double x);
double cosine(double x);
double root(double x);
double power_of_two(double x);
double exponential(double x);
double logarithm_of_two(double x);
#define PI 3.14159265358979323846
#define DOWN(x) ((s32)(x) - ((x) < (s32)(x)))

#endif
