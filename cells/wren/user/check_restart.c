/* restart: what a signal does to a call that waits. */
#include "check.h"

static volatile int seen;

static void counts(int signal)
{
    (void)signal;
    seen++;
}

static void alarm_in(u32 milliseconds)
{
    struct itimer timer = {{0, 0}, {0, milliseconds * 1000}};
    setitimer(0, &timer, 0);
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
    alarm_in(20);
    int got = read(ends[0], &c, 1);
    say(what, got);
    printf("%c after %d signals\n", c, seen);
    wait_for(child);
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
    alarm_in(20);
    int found = waitpid(child, &status, 0);
    say(what, found < 0 ? found : 0);
    if (found < 0)
        status = wait_for(child);
    say_end("child", status);
}

static void sleeps(void)
{
    struct timespec time = {0, 80000000}, rest = {9, 9};
    on_signal(SIGALRM, counts, SA_RESTART); /* which a sleep does not heed */
    alarm_in(20);
    say("nanosleep", nanosleep(&time, &rest));
    must(rest.seconds == 0 && rest.nanoseconds > 10000000 && rest.nanoseconds < 61000000, "what is left of it");
    alarm_in(20);
    on_signal(SIGALRM, SIG_IGN, 0);
    say("an ignored signal", nanosleep(&time, &rest));
}

static void polls(void)
{
    int ends[2];
    pipe(ends);
    struct pollfd file = {ends[0], POLLIN, 0};
    on_signal(SIGALRM, counts, SA_RESTART);
    alarm_in(20);
    say("poll", poll(&file, 1, 80));
    u32 readable = 1u << ends[0];
    struct timeval time = {0, 80000};
    alarm_in(20);
    say("select", select(ends[0] + 1, &readable, 0, 0, &time));
    u64 before = milliseconds();
    say("poll to its end", poll(&file, 1, 30));
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
    polls();
    return failures != 0;
}
