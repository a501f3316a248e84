/* Children, signals and time, one step above the system calls; and how tests say what they found. */
#include "ulib.h"

void restore_plain(void), restore_with_info(void); /* start.S */

int failures;

int on_signal(int signal, handler handler, u32 flags)
{
    struct sigaction action = {handler, flags | SA_RESTORER, flags & SA_SIGINFO ? restore_with_info : restore_plain, {0, 0}};
    return sigaction(signal, &action, 0);
}

int wait_for(int pid)
{
    int status = 0, found;
    do
        found = waitpid(pid, &status, 0);
    while (found == -EINTR);
    return found < 0 ? found : status;
}

int run(const char *path, char *const *arguments, char *const *environment)
{
    int child = fork();
    if (child < 0)
        return child;
    if (!child) {
        int error = execve(path, arguments, environment);
        dprintf(2, "%s: %s\n", path, error_name(error));
        exit(127);
    }
    return wait_for(child);
}

/* 1000 a second; a million nanoseconds each. */
u64 milliseconds(void)
{
    struct timespec now;
    clock_gettime(1, &now); /* CLOCK_MONOTONIC */
    return (u64)now.seconds * 1000 + now.nanoseconds / 1000000;
}

void sleep_ms(u32 milliseconds)
{
    struct timespec rest = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&rest, &rest) == -EINTR)
        continue;
}

int write_all(int file, const void *from, u32 size)
{
    for (u32 done = 0; done < size;) {
        int written = write(file, (const char *)from + done, size - done);
        if (written < 0 && written != -EINTR)
            return written;
        done += written > 0 ? (u32)written : 0;
    }
    return (int)size;
}

void say(const char *what, int answer)
{
    char number[12];
    printf("%s: %s\n", what, told(answer, number));
}

void must(int true, const char *what)
{
    if (!true) {
        failures++;
        printf("FAILED: %s\n", what);
    }
}
