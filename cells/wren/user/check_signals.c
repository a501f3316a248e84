/* signals: handlers, masks, what each does by itself. */
#include "check.h"

static volatile int seen;

static void shows(int signal)
{
    seen++;
    printf("handler: %s\n", signal_name(signal));
}

static void counts(int signal)
{
    (void)signal;
    seen++;
}

static void by_itself(void)
{
    static const int deadly[] = {SIGHUP, SIGINT, SIGABRT, SIGKILL, SIGUSR1, SIGPIPE, SIGALRM, SIGTERM};
    for (u32 i = 0; i < COUNT(deadly); i++) {
        int child = fork();
        if (!child) {
            kill(getpid(), deadly[i]);
            printf("not reached\n");
        }
        say_end("killed by", wait_for(child) & 0x7f); /* without the bit that tells of a core file */
    }
    kill(getpid(), SIGCHLD);
    kill(getpid(), SIGCONT);
    printf("these are ignored\n");
}

static void handlers(void)
{
    on_signal(SIGUSR1, shows, 0);
    say("kill", kill(getpid(), SIGUSR1));
    on_signal(SIGUSR1, SIG_IGN, 0);
    say("ignored", kill(getpid(), SIGUSR1));
    on_signal(SIGUSR1, shows, SA_RESETHAND);
    kill(getpid(), SIGUSR1);
    struct sigaction action;
    sigaction(SIGUSR1, 0, &action);
    must(action.handler == SIG_DFL, "once only");
    say("SIGKILL has no handler", on_signal(SIGKILL, shows, 0));
    say("nor is there a signal 65", on_signal(65, shows, 0));
    say("nobody there", kill(30000, SIGUSR1));
    say("is anybody there", kill(getpid(), 0));
    say("a signal that is none", kill(getpid(), 65));
}

static void masks(void)
{
    u64 one = bit(SIGUSR1) | bit(SIGUSR2), before, pending = 0;
    on_signal(SIGUSR1, shows, 0);
    on_signal(SIGUSR2, shows, 0);
    say("block", sigprocmask(SIG_BLOCK, &one, &before));
    must(before == 0, "nothing was blocked");
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    sigpending(&pending);
    printf("pending: %x\n", (u32)pending);
    sigprocmask(SIG_SETMASK, &before, &one); /* the last frame on the stack runs first */
    printf("blocked were: %x\n", (u32)one);
    sigpending(&pending);
    printf("pending: %x\n", (u32)pending);
    say("a way that is none", sigprocmask(7, &one, 0));
}

static void nests(int signal)
{
    int depth = ++seen;
    printf("enter %d\n", depth);
    if (depth < 3)
        kill(getpid(), signal);
    printf("leave %d\n", depth);
}

static void nesting(void)
{
    on_signal(SIGUSR1, nests, 0); /* blocked in its own handler */
    seen = 0;
    kill(getpid(), SIGUSR1);
    on_signal(SIGUSR1, nests, SA_NODEFER);
    seen = 0;
    kill(getpid(), SIGUSR1);
}

static void suspends(void)
{
    u64 all = bit(SIGUSR1) | bit(SIGCHLD), none = 0;
    on_signal(SIGUSR1, shows, 0);
    on_signal(SIGCHLD, shows, 0);
    sigprocmask(SIG_SETMASK, &all, 0);
    int parent = getpid(), child = fork();
    if (!child) {
        kill(parent, SIGUSR1);
        sigsuspend(&none); /* until the parent answers */
        exit(9);
    }
    u64 first = bit(SIGCHLD);
    say("sigsuspend", sigsuspend(&first));
    kill(child, SIGUSR1);
    first = bit(SIGUSR1);
    say("sigsuspend", sigsuspend(&first));
    say_end("child", wait_for(child));
    sigprocmask(SIG_SETMASK, &none, &all);
    printf("mask: %x\n", (u32)all);
    on_signal(SIGCHLD, SIG_DFL, 0);
}

static void alarms(void)
{
    u64 alarm = bit(SIGALRM), none = 0, before = milliseconds();
    struct itimer timer = {{0, 10000}, {0, 20000}}, rest;
    sigprocmask(SIG_SETMASK, &alarm, 0);
    on_signal(SIGALRM, counts, 0);
    seen = 0;
    say("setitimer", setitimer(0, &timer, 0));
    while (seen < 4)
        sigsuspend(&none);
    timer = (struct itimer){{0, 0}, {0, 0}};
    setitimer(0, &timer, &rest);
    must(rest.period.microseconds == 10000, "the period that was set");
    u32 took = (u32)(milliseconds() - before);
    must(took >= 49, "not too early"); /* 20 + 3 * 10, in whole milliseconds */
    printf("alarms: %d\n", seen);
    sigprocmask(SIG_SETMASK, &none, 0);
}

/* A handler sees and changes the registers of what it interrupted. */
static void skips(int signal, struct siginfo *info, struct context *context)
{
    printf("%s: %d\n", signal_name(signal), info->signal);
    context->pc += 4;
    context->r[4] = 0x1234;
}

static void changes_registers(void)
{
    u32 kept, changed;
    on_signal(SIGILL, (handler)skips, SA_SIGINFO);
    __asm__ volatile("mov r5, #77\n mov r4, #0\n .inst 0xe7f000f0 @ undefined for ever\n mov %0, r5\n mov %1, r4"
                     : "=&r"(kept), "=&r"(changed) : : "r4", "r5", "memory");
    printf("kept %u, changed %x\n", kept, changed);
    on_signal(SIGILL, SIG_DFL, 0);
}

static void stops(void)
{
    enum { WUNTRACED = 2 };
    int status = 0, child = fork();
    if (!child) {
        kill(getpid(), SIGSTOP);
        exit(4);
    }
    waitpid(child, &status, WUNTRACED);
    printf("stopped: %x\n", status);
    say("still there", waitpid(child, &status, WNOHANG));
    kill(child, SIGCONT);
    say_end("goes on", wait_for(child));
}

int signals_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    by_itself();
    handlers();
    masks();
    nesting();
    suspends();
    alarms();
    changes_registers();
    stops();
    return failures != 0;
}
