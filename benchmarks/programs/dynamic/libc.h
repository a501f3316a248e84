/* Of the C library's headers, what our dynamic programs use (the compiler's package has none for a bare target). */
#ifndef DYNAMIC_LIBC_H
#define DYNAMIC_LIBC_H

#define NULL ((void *)0)
int fork(void), waitpid(int pid, int *status, int options), close(int file), atoi(const char *text);
int execve(const char *path, char *const *arguments, char *const *environment);
int strcmp(const char *one, const char *other), write(int file, const void *from, unsigned size);
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void perror(const char *what);
void exit(int status) __attribute__((noreturn));

#endif
