/* processes: fork, wait, exec. */
#include "check.h"

static int shared = 1;

static void ends_with(int status)
{
    int child = fork();
    if (!child)
        exit(status);
    say_end("child", wait_for(child));
}

static void copies(void)
{
    shared = 2;
    printf("child: %d\n", shared);
    exit(shared);
}

static void waits(void)
{
    int status = 0, ends[2];
    char c;
    pipe(ends);
    say("no child", waitpid(-1, &status, 0));
    int child = fork();
    if (!child) {
        close(ends[1]);
        read(ends[0], &c, 1); /* until the parent lets go */
        exit(3);
    }
    say("not yet", waitpid(child, &status, WNOHANG));
    say("not our child", waitpid(1, &status, 0));
    close(ends[1]);
    close(ends[0]);
    must(waitpid(child, &status, 0) == child, "the child itself");
    say_end("now", status);
    say("not twice", waitpid(child, &status, 0));
}

static void several(void)
{
    int children[8], sum = 0, status;
    for (int i = 0; i < 8; i++)
        if (!(children[i] = fork()))
            exit(i + 1);
    must(waitpid(children[5], &status, 0) == children[5], "one of several");
    say_end("the sixth", status);
    for (int i = 0; i < 7; i++) {
        waitpid(-1, &status, 0);
        sum += status >> 8;
    }
    printf("the others: %d\n", sum);
}

static void grandchild(void)
{
    int ends[2], after = 0;
    pipe(ends);
    if (!fork()) { /* in between: ends at once, so that its own child goes to the first process */
        int between = getpid();
        if (!fork()) {
            while ((after = getppid()) == between)
                sleep_ms(1);
            write(ends[1], &after, sizeof after);
        }
        exit(0);
    }
    close(ends[1]);
    read(ends[0], &after, sizeof after);
    wait_for(-1);
    say("an orphan's parent", after);
    close(ends[0]);
}

static void executes(void)
{
    static char *const arguments[] = {"echo_arguments", "one", "", "three and four", 0};
    static char *const environment[] = {"A=1", "PATH=/bin", 0}, *const nothing[] = {0};
    say_end("exec", run("/bin/check", arguments, environment));
    say("exec of nothing", execve("/bin/none", arguments, environment));
    say("exec of a folder", execve("/tmp", arguments, environment));
    say("exec of what is not a program", execve("/etc/tests", arguments, nothing));
    int file = open("/tmp/broken", O_WRONLY | O_CREAT, 0755);
    write(file, "\177ELF", 4);
    close(file);
    say("exec of a broken one", execve("/tmp/broken", arguments, nothing));
    unlink("/tmp/broken");
}

static void quick(void)
{
    int sum = 0;
    for (int i = 0; i < 100; i++) {
        int child = fork();
        if (!child)
            exit(i & 1);
        sum += wait_for(child) >> 8;
    }
    printf("a hundred children: %d\n", sum);
}

int processes_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    ends_with(0);
    ends_with(255);
    ends_with(256 + 7);
    say_end("copies", child_of(copies));
    printf("parent: %d\n", shared);
    must(getpid() > 1, "not the first process");
    waits();
    several();
    grandchild();
    executes();
    quick();
    return failures != 0;
}
