/* crash: breaks every rule that a program can break, each time in a child, and says how the child ended.

   `crash null` is one way, `crash` without a word all that leave a Linux as it was. Lines are the same on every kernel and CPU;
   where CPUs differ (what an unaligned load gives, whether data can be run) the line says only that it was contained. */
#include "crash.h"

static int start(void (*act)(u32 value), u32 value)
{
    int child = fork();
    if (!child) {
        act(value);
        exit(0);
    }
    return wait_for(child);
}

/* The signal, without the bit that tells of a core file. */
static int plain(int status) { return status & 0x7f ? status & 0x7f : status; }

void contained(const char *what, void (*act)(u32 value), u32 value)
{
    char told[24];
    printf("%s: %s\n", what, ending(plain(start(act, value)), told));
}

/* It ended, somehow, with one of two outcomes that CPUs have for it. */
static void one_of(const char *what, void (*act)(u32 value), int one, int other)
{
    int status = plain(start(act, 0));
    char told[24];
    printf("%s: %s\n", what, status == one || status == other ? "contained" : ending(status, told));
}

/* ---- memory */
static const u32 forbidden[] = {0xc0000000, 0xc0008000, 0xc0100000, 0xe0000000, 0xe2000000, 0xf0000000, 0x3f000000};

static void load(u32 address) { (void)*(volatile u32 *)address; }
static void store(u32 address) { *(volatile u32 *)address = 0xdeadbeef; }
static void jump(u32 address) { ((void (*)(void))address)(); }

static void at_each(void (*act)(u32 value))
{
    char what[16];
    for (u32 i = 0; i < COUNT(forbidden); i++) {
        snprintf(what, sizeof what, "%08x", forbidden[i]);
        contained(what, act, forbidden[i]);
    }
}

static void null(void)
{
    contained("read 0", load, 0);
    contained("write 0", store, 0);
    contained("jump to 0", jump, 0);
}
static void read_kernel(void) { at_each(load); }
static void write_kernel(void) { at_each(store); }
static void jump_kernel(void) { at_each(jump); }
static void jump_nowhere(void) { contained("jump to 70000000", jump, 0x70000000); }

static u32 data_with_code[] = {0xe7f000f0, 0xe7f000f0}; /* undefined, if it can be run at all */
static void jump_into_data(u32 unused) { jump((u32)data_with_code + unused); }
static void jump_data(void) { one_of("run data", jump_into_data, SIGSEGV, SIGILL); }

static void write_code(void) { contained("write code", store, (u32)write_code); }

static volatile u32 bottom; /* is never there */
static u32 falls(u32 depth)
{
    volatile char room[2000];
    room[0] = (char)depth;
    return bottom ? depth : falls(depth + 1) + (u32)room[0];
}
static void overflow(u32 depth) { falls(depth); }
static void in_vain(int signal) { dprintf(1, "%s handled\n", signal_name(signal)); }
static void overflow_handled(u32 depth)
{
    on_signal(SIGSEGV, in_vain, 0); /* whose frame has no room either */
    falls(depth);
}
static void stack(void)
{
    contained("stack", overflow, 0);
    contained("stack, with a handler", overflow_handled, 0);
}

/* ---- instructions */
static void undefined_one(u32 unused)
{
    (void)unused;
    __asm__ volatile(".inst 0xe7f000f0");
}
static void undefined(void) { contained("undefined", undefined_one, 0); }

static void table_base(u32 unused)
{
    (void)unused;
    __asm__ volatile("mrc p15, 0, r0, c2, c0, 0" : : : "r0");
}
static void invalidate(u32 value) { __asm__ volatile("mcr p15, 0, %0, c8, c7, 0" : : "r"(value)); }
static void own_mode(u32 unused)
{
    (void)unused;
    u32 before, after;
    __asm__ volatile("mrs %0, cpsr\n msr cpsr_c, #0xd3\n mrs %1, cpsr" : "=&r"(before), "=&r"(after));
    printf("mode %x, then %x\n", before & 0x1f, after & 0x1f); /* in user mode it has no effect, and no exception */
}
static void privileged(void)
{
    contained("read the table base", table_base, 0);
    contained("empty the TLB", invalidate, 0);
    contained("become privileged", own_mode, 0);
}

static void other_coprocessor(u32 unused)
{
    (void)unused;
    __asm__ volatile("cdp p5, 1, c0, c0, c0, 0");
}
static void coprocessor(void) { contained("a coprocessor that is not there", other_coprocessor, 0); }

static void crooked(u32 unused)
{
    (void)unused;
    static u32 words[4];
    for (u32 i = 1; i < 4; i++)
        (void)*(volatile u32 *)((u32)words + i);
    __asm__ volatile("ldmia %0, {r2, r3}" : : "r"((u32)words + 2) : "r2", "r3", "memory");
}
static void unaligned(void) { one_of("unaligned", crooked, 0, SIGBUS); }

/* ---- calls */
static void bad_call(void)
{
    say("call 9999", call(9999, 1, 2, 3));
    say("call f0700", call(0xf0700, 1, 2, 3));
}

static void stack_is(u32 address)
{
    on_signal(SIGUSR1, in_vain, 0);
    int self = getpid();
    __asm__ volatile("mov r0, %0\n mov r1, #10\n mov r7, #37\n mov sp, %1\n svc #0\n mov r0, #0\n mov r7, #248\n svc #0"
                     : : "r"(self), "r"(address) : "r0", "r1", "r7", "memory");
}
static void bad_stack(void)
{
    contained("a signal, the stack at 0", stack_is, 0);
    contained("a signal, the stack in the kernel", stack_is, 0xc0010000);
    contained("a signal, the stack in the code", stack_is, 0x10800);
    contained("a signal, a crooked stack", stack_is, 0x40000002);
}

static void forged(int signal, struct siginfo *info, struct context *context)
{
    (void)signal, (void)info;
    context->psr = (context->psr & ~0x1fu) | 0x13; /* supervisor mode, please */
    context->pc = 0xc0008000;
}
static void forge(u32 unused)
{
    (void)unused;
    on_signal(SIGUSR1, (handler)forged, SA_SIGINFO);
    kill(getpid(), SIGUSR1);
}
/* The lowest bit says which of the two calls. */
static void return_far(u32 address)
{
    __asm__ volatile("mov sp, %0\n mov r7, %1\n svc #0" : : "r"(address & ~1u), "r"(address & 1 ? CALL_RT_SIGRETURN : CALL_SIGRETURN)
                     : "r7", "memory");
}
static void bad_return(void)
{
    static u32 zeros[256], ones[256];
    memset(ones, 0xff, sizeof ones);
    const u32 frames[] = {(u32)zeros, (u32)ones, 0, 0xc0008000};
    static const char *const names[] = {"of zeros", "of ones", "at 0", "in the kernel"};
    char what[32];
    for (u32 i = 0; i < 2 * COUNT(frames); i++) {
        snprintf(what, sizeof what, "a frame %s%s", names[i / 2], i & 1 ? ", with info" : "");
        contained(what, return_far, frames[i / 2] | (i & 1));
    }
    contained("a forged frame", forge, 0);
}

/* ---- too much of everything */
static void writes_to_the_dead(u32 unused)
{
    (void)unused;
    int ends[2];
    pipe(ends);
    close(ends[0]);
    write(ends[1], "x", 1);
}
static void dead_pipe(void) { contained("write to the dead", writes_to_the_dead, 0); }

/* Each of up to 2^7 processes makes further ones; those that exist wait until the first lets all go. */
static void bombs(int generation, const int ends[2])
{
    char c;
    for (; generation < 7; generation++)
        if (!fork())
            return bombs(generation + 1, ends);
    close(ends[1]);
    read(ends[0], &c, 1);
    while (wait_for(-1) >= 0)
        continue;
}
static void bomb(u32 unused)
{
    int ends[2];
    (void)unused;
    pipe(ends);
    int child = fork();
    if (!child) {
        bombs(0, ends);
        exit(0);
    }
    sleep_ms(100);
    close(ends[0]);
    close(ends[1]); /* but each of them has the writing end until it waits itself: all of them wait, or none */
    wait_for(child);
}
static void fork_bomb(void)
{
    contained("fork bomb", bomb, 0);
    contained("and then", undefined_one, 0);
}

static void opens(u32 unused)
{
    (void)unused;
    int file;
    while ((file = open("/dev/null", O_RDONLY, 0)) >= 0)
        continue;
    say("too many files", file);
}
static void descriptors(void) { contained("descriptors", opens, 0); }

/* ---- what makes a Linux look for something to kill: by name only */
static void takes_all(u32 unused)
{
    (void)unused;
    for (u32 *at = (u32 *)0x20000000; at < (u32 *)0xb0000000; at += 0x40000) {
        mmap(at, 0x100000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        for (u32 page = 0; page < 256; page++)
            at[page * 1024] = 1;
    }
}
static void memory_hog(void)
{
    contained("all memory", takes_all, 0);
    contained("and then", undefined_one, 0);
}

static void fills(u32 unused)
{
    (void)unused;
    static char chunk[4096];
    int written, file = open("/tmp/hog", O_WRONLY | O_CREAT, 0600);
    while ((written = write(file, chunk, sizeof chunk)) > 0)
        continue;
    say("a file without end", written);
}
static void file_hog(void)
{
    contained("all room for files", fills, 0);
    say("unlink", unlink("/tmp/hog"));
}

static const struct {
    const char *name;
    void (*commit)(void);
} crimes[] = {
    {"null", null}, {"read_kernel", read_kernel}, {"write_kernel", write_kernel}, {"jump_kernel", jump_kernel},
    {"jump_nowhere", jump_nowhere}, {"jump_data", jump_data}, {"write_code", write_code}, {"stack", stack},
    {"undefined", undefined}, {"privileged", privileged}, {"coprocessor", coprocessor}, {"unaligned", unaligned},
    {"bad_call", bad_call}, {"bad_pointers", bad_pointers}, {"bad_stack", bad_stack}, {"bad_return", bad_return},
    {"dead_pipe", dead_pipe}, {"fork_bomb", fork_bomb}, {"descriptors", descriptors}, {"memory_hog", memory_hog},
    {"file_hog", file_hog},
};
enum { LAST = 2 }; /* how many of them are by name only */

static int crash_main(int count, char **arguments, char **environment)
{
    (void)environment;
    int found = 0;
    for (u32 i = 0; i < COUNT(crimes); i++)
        if (count > 1 ? !strcmp(arguments[1], crimes[i].name) : i < COUNT(crimes) - LAST) {
            crimes[i].commit();
            found = 1;
        }
    printf("%s\n", found ? "alive" : "no such crime");
    return !found;
}

const struct program programs[] = {{"crash", crash_main}, {0, 0}};
