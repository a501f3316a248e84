/* restart: what a signal does to a call that waits. */
#include "check.h"

static volatile int seen;

static void counts(int signal)
{
    (void)signal;
    seen++;
}

/* A child that sends SIGALRM. */
static int alarm_in(u32 milliseconds)
{
    int parent = getpid(), child = fork();
    if (child)
        return child;
    sleep_ms(milliseconds);
    kill(parent, SIGALRM);
    exit(0);
}

/* Read from a pipe that is written to after 60 ms; a signal comes after 20. */
static void reads(const char *what, u32 flags)
{
    int ends[2];
    char c = '-';
    pipe(ends);
    int child = fork();
    if (!child) {
        sleep_ms(60);
        write(ends[1], "w", 1);
        exit(0);
    }
    on_signal(SIGALRM, counts, flags);
    seen = 0;
    int alarm = alarm_in(20), got = read(ends[0], &c, 1);
    say(what, got);
    printf("%c after %d signals\n", c, seen);
    wait_for(child);
    wait_for(alarm);
    close(ends[0]);
    close(ends[1]);
}

static void waits(const char *what, u32 flags)
{
    int status = 0, child = fork();
    if (!child) {
        sleep_ms(60);
        exit(6);
    }
    on_signal(SIGALRM, counts, flags);
    int alarm = alarm_in(20), found = waitpid(child, &status, 0);
    say(what, found < 0 ? found : 0);
    if (found < 0)
        status = wait_for(child);
    say_end("child", status);
    wait_for(alarm);
}

static void sleeps(void)
{
    struct timespec time = {0, 80000000}, rest = {9, 9};
    on_signal(SIGALRM, counts, SA_RESTART); /* which a sleep does not heed */
    int alarm = alarm_in(20);
    say("nanosleep", nanosleep(&time, &rest));
    must(rest.seconds == 0 && rest.nanoseconds > 10000000 && rest.nanoseconds < 61000000, "what is left of it");
    wait_for(alarm);
    alarm = alarm_in(20);
    on_signal(SIGALRM, SIG_IGN, 0);
    say("an ignored signal", nanosleep(&time, &rest));
    wait_for(alarm);
}

static void pauses(void)
{
    on_signal(SIGALRM, counts, SA_RESTART);
    int alarm = alarm_in(20);
    say("pause", pause());
    wait_for(alarm);
    say("yield", yield());
}

static void selects(void)
{
    int ends[2];
    pipe(ends);
    on_signal(SIGALRM, counts, SA_RESTART);
    u32 readable = 1u << ends[0];
    struct timeval time = {0, 80000};
    int alarm = alarm_in(20);
    say("select", select(ends[0] + 1, &readable, 0, 0, &time));
    wait_for(alarm);
    u64 before = milliseconds();
    time = (struct timeval){0, 30000};
    say("select to its end", select(ends[0] + 1, &readable, 0, 0, &time));
    must(milliseconds() - before >= 29, "all of it");
    close(ends[0]);
    close(ends[1]);
}

int restart_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    reads("read", 0);
    reads("read, restarted", SA_RESTART);
    waits("wait", 0);
    waits("wait, restarted", SA_RESTART);
    sleeps();
    pauses();
    selects();
    return failures != 0;
}
