/* lat_dyn ID ITERATIONS NAME: LMbench's lat_proc as a dynamically linked program, as the survey's sources ran it: what fork copies
   and exit frees are the mappings of the C library and its loader, and exec maps them again. */
#include "libc.h"

static char *const hello[] = {"./hello_dyn", NULL}, *const nothing[] = {"./no_such_program", NULL};
static char *const shell[] = {"/bin/dash", "-c", "./hello_dyn", NULL};
static char *const *started;
static char **environ_of_ours;

static void mark(int id, int times)
{
    register int r0 __asm__("r0") = id;
    register int r1 __asm__("r1") = times;
    register int r7 __asm__("r7") = 0xFEED;
    __asm__ volatile("svc 0" : "+r"(r0) : "r"(r1), "r"(r7) : "memory");
}

static void once(void)
{
    int child = fork(), status = 0;
    if (!child) {
        if (started) {
            close(1);
            execve(started[0], started, environ_of_ours);
        }
        exit(started == nothing ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || (started && status)) {
        perror(started ? started[0] : "fork");
        exit(1);
    }
}

int main(int count, char **arguments, char **environment)
{
    static const struct {
        const char *name;
        char *const *started;
    } lats[] = {{"fork_exit", NULL}, {"fork_execve", hello}, {"fork_execve_fail", nothing}, {"fork_sh", shell}};
    unsigned which = 0;
    if (count != 4)
        return 2;
    while (which < 4 && strcmp(lats[which].name, arguments[3]) != 0)
        which++;
    if (which == 4)
        return 2;
    environ_of_ours = environment;
    int id = atoi(arguments[1]), times = atoi(arguments[2]);
    started = lats[which].started;
    for (int i = 0; i < times / 16 + 2; i++)
        once();
    mark(id, 0);
    for (int i = 0; i < times; i++)
        once();
    mark(id, times);
    printf("%s: %d times\n", lats[which].name, times);
    return 0;
}
