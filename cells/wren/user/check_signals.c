/* signals: handlers, masks, what each does by itself. */
#include "check.h"

static volatile int seen;

static void shows(int signal)
{
    seen++;
    printf("handler: %s\n", signal_name(signal));
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
    u64 one = bit(SIGUSR1) | bit(SIGUSR2), before;
    on_signal(SIGUSR1, shows, 0);
    on_signal(SIGUSR2, shows, 0);
    say("block", sigprocmask(SIG_BLOCK, &one, &before));
    must(before == 0, "nothing was blocked");
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    printf("now they come\n");
    sigprocmask(SIG_SETMASK, &before, &one); /* the last frame on the stack runs first */
    printf("blocked were: %x\n", (u32)one);
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

/* Two that wake each other out of a sleep; and a parent that learns of an end by SIGCHLD. */
static void between_processes(void)
{
    int parent = getpid(), child = fork();
    struct timespec long_time = {5, 0}, rest;
    on_signal(SIGUSR1, shows, 0);
    if (!child) {
        sleep_ms(20);
        kill(parent, SIGUSR1);
        say("the child sleeps", nanosleep(&long_time, 0));
        exit(9);
    }
    say("the parent sleeps", nanosleep(&long_time, &rest));
    must(rest.seconds == 4, "most of it is left");
    on_signal(SIGCHLD, shows, 0);
    sleep_ms(20);
    kill(child, SIGUSR1);
    say("until it ends", nanosleep(&long_time, 0));
    say_end("child", wait_for(child));
    on_signal(SIGCHLD, SIG_DFL, 0);
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

int signals_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    by_itself();
    handlers();
    masks();
    nesting();
    between_processes();
    changes_registers();
    return failures != 0;
}
