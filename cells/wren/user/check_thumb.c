/* thumb: the other instruction set of the CPU, system calls and signals from it, and a handler in it. */
#include "check.h"

/* thumb.S */
u32 thumb_sum(const u8 *data, u32 size);
int thumb_call(int number, u32 first, u32 second);
void thumb_handler(int signal);
extern volatile u32 thumb_seen;

static volatile int seen;

static void counts(int signal)
{
    (void)signal;
    seen++;
}

static void skips(int signal, struct siginfo *info, struct context *context)
{
    (void)info;
    printf("%s, in %s state\n", signal_name(signal), context->psr & 0x20 ? "Thumb" : "ARM");
    context->pc += 2;
}

int thumb_undefined(int kept);

int thumb_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    static char data[1000];
    u32 sum = 0;
    pattern(data, sizeof data, 2);
    for (u32 i = 0; i < sizeof data; i++)
        sum += (u8)data[i];
    printf("sum: %u %u\n", sum, thumb_sum((u8 *)data, sizeof data));
    must(thumb_call(CALL_GETPID, 0, 0) == getpid(), "a call from Thumb state");
    say("an error", thumb_call(CALL_CLOSE, 99, 0));
    on_signal(SIGUSR1, counts, 0);
    say("a signal in Thumb state", thumb_call(CALL_KILL, (u32)getpid(), SIGUSR1));
    on_signal(SIGUSR2, thumb_handler, 0);
    say("a handler in Thumb state", kill(getpid(), SIGUSR2));
    printf("seen: %d, %u\n", seen, thumb_seen);
    on_signal(SIGILL, (handler)skips, SA_SIGINFO);
    printf("kept: %d\n", thumb_undefined(1234));
    return failures != 0;
}
