/* The C library of wren's programs: as little as they need. What has a name of the standard library does what that says. */
#ifndef WREN_ULIB_H
#define WREN_ULIB_H

#include "calls.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- text.c */
u32 strlen(const char *text);
int strcmp(const char *one, const char *other);
char *strchr(const char *text, int character); /* 0: not in it */
char *strcpy(char *to, const char *from);
void *memcpy(void *to, const void *from, u32 size);
void *memset(void *to, int value, u32 size);
int memcmp(const void *one, const void *other, u32 size);
u32 number(const char *text); /* decimal, or hexadecimal after 0x */

/* ---- print.c: %s %d %u %x %c %%, with a width as in %08x or %4d. Each call is one write of at most 255 bytes */
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int dprintf(int file, const char *format, ...) __attribute__((format(printf, 2, 3)));
int snprintf(char *to, u32 size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- names.c */
const char *error_name(int error);   /* "ENOENT" of 2 or -2 */
const char *signal_name(int signal); /* "SIGSEGV" */
const char *told(int answer, char to[12]); /* a call's answer for people: a number, or the name of its error */
const char *ending(int status, char to[24]); /* of wait4: "exit 3", "SIGSEGV" */

/* ---- heap.c */
void *malloc(u32 size); /* multiples of 8; 0: there is no more */
void free(void *piece);

/* ---- folder.c */
struct folder {
    int file, at, filled;
    char entries[1024];
};
int opendir(struct folder *folder, const char *path); /* 0, or the error */
struct dirent *readdir(struct folder *folder);        /* 0: that was all */
void closedir(struct folder *folder);

/* ---- tasks.c: signals, children, time */
int on_signal(int signal, handler handler, u32 flags); /* returns through a restorer of ours, as the ABI wants it */
int run(const char *path, char *const *arguments, char *const *environment); /* in a child: its status as of wait4 */
int wait_for(int pid);                                 /* its status as of wait4 */
u64 milliseconds(void);                                /* since the machine began */
void sleep_ms(u32 milliseconds);
int write_all(int file, const void *from, u32 size);   /* `size`, or the error */
void say(const char *what, int answer);                /* a line "what: answer" */
void must(int true, const char *what);                 /* or a line "FAILED what", and exit status 1 at the end */
extern int failures;

/* ---- multicall.c: one ELF with many programs; argv[0] says which, or the first argument */
struct program {
    const char *name;
    int (*main)(int count, char **arguments, char **environment);
};
extern const struct program programs[]; /* ends with a name of 0 */

#endif
