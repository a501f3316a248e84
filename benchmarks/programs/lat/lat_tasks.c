/* Processes: LMbench's lat_proc; and any program as a process of its own. */
#include "lat.h"

static char *hello[] = {"./hello", 0};
static char *shell[] = {"/bin/sh", "-c", "./hello", 0};
static char **started;

static void exit_once(void)
{
    int child = fork();
    if (!child)
        exit(1);
    wait_for(child);
}
static void fork_exit(void) { measure(exit_once); }

/* As LMbench: the child closes its output, so that nothing is printed. */
static void start_once(void)
{
    int child = fork();
    if (!child) {
        close(1);
        execve(started[0], started, environment_of_ours);
        exit(127);
    }
    if (wait_for(child) >> 8 == 127)
        need(-ENOENT, started[0]);
}
static void start(char **arguments)
{
    started = arguments;
    measure(start_once);
}
static void fork_execve(void) { start(word_count ? words : hello); }
static void fork_sh(void)
{
    if (word_count)
        shell[0] = words[0];
    start(shell);
}

/* `run PROGRAM ARGUMENTS`: between the marks a program is made, works and ends; several times: once more ahead of them. */
static void run_once(void)
{
    int status = run(words[0], words, environment_of_ours);
    if (status)
        need(-EIO, words[0]);
}
static void run_program(void)
{
    if (!word_count)
        need(-EINVAL, "run: which program?");
    if (iterations > 1)
        run_once();
    begin();
    for (u32 i = 0; i < iterations; i++)
        run_once();
    end();
}

const struct lat tasks[] = {
    {"fork_exit", fork_exit}, {"fork_execve", fork_execve}, {"fork_sh", fork_sh}, {"run", run_program}, {0, 0},
};
