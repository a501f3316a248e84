/* LMbench's lat_sig: install a handler, send oneself a signal (and the same call without one), store where it is forbidden. */
#include "lat.h"

static int me;
static volatile u32 seen, wanted;
static volatile u32 *page;

static void handler_of(int signal) { seen += (u32)signal; }

static void install_once(void) { on_signal(SIGUSR1, handler_of, 0); }
static void signal_install(void) { measure(install_once); }

static void kill_once(void) { kill(me, SIGUSR1); }
static void signal_catch(void)
{
    me = getpid();
    on_signal(SIGUSR1, handler_of, 0);
    measure(kill_once);
}

static void kill0_once(void) { kill(me, 0); }
static void kill0(void)
{
    me = getpid();
    measure(kill0_once);
}

/* The store is tried again after each handler, until the page may be written: each time a fault and a signal. */
static void denied(int signal)
{
    (void)signal;
    if (seen == wanted)
        begin();
    if (seen++ == wanted + iterations) {
        end();
        mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
    }
}
static void prot_fault(void)
{
    int file = scratch("p", 4096);
    page = mmap(0, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    need((int)page, "mmap");
    sink = *page;
    wanted = iterations / 16 + 2;
    on_signal(SIGSEGV, denied, 0);
    *page = 1;
}

const struct lat signals[] = {
    {"signal_install", signal_install}, {"signal_catch", signal_catch}, {"kill0", kill0}, {"prot_fault", prot_fault}, {0, 0},
};
