/* returned: pages that a process gave back after it broke their rules, and whether it can still reach them. */
#include "ulib.h"

static volatile int faults;
static u32 back;

static void on_fault(int signal, struct siginfo *info, struct context *context)
{
    (void)signal, (void)info;
    faults++;
    context->pc = back ? back : context->pc + 4;
    back = 0;
}

static volatile u32 *page_of(u32 rights)
{
    return mmap(0, 4096, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void load(volatile u32 *page)
{
    u32 word;
    __asm__ volatile("ldr %0, [%1]" : "=r"(word) : "r"(page) : "memory");
}

static void store(volatile u32 *page)
{
    __asm__ volatile("str %0, [%0]" : : "r"(page) : "memory");
}

/* By whoever has no right to. ARMv5 and v6 know no page that must not be executed: there it comes back by itself. */
static void jump(volatile u32 *page)
{
    *page = 0xe12fff1e; /* bx lr */
    __asm__ volatile("adr r0, 1f\n str r0, [%0]\n blx %1\n1:" : : "r"(&back), "r"(page) : "r0", "r12", "lr", "memory");
    back = 0;
}

static void give_back(const char *what, volatile u32 *page)
{
    munmap((void *)page, 4096);
    faults = 0;
    load(page);
    store(page);
    printf("%s: %d of 2 faults\n", what, faults);
}

int main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    on_signal(SIGSEGV, (handler)(void *)on_fault, SA_SIGINFO);
    volatile u32 *read = page_of(PROT_READ), *written = page_of(PROT_READ | PROT_WRITE);
    load(read);
    store(read);
    give_back("written without right", read);
    jump(written);
    give_back("executed without right", written);
    return 0;
}
