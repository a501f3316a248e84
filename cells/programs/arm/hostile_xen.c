/* A hostile kernel at Xen's door for unmodified ones: every hypercall by HVC, with wrong pointers, indices, handles, flags and
   in wrong states; then from user mode, where there is no such instruction.

   do=calls    all of them, each answer counted: refused (-errno), served, or impossible (no errno that there is)
   do=rings    the store's ring with impossible indices, rewritten before each time that the store is rung
   do=user     HVC in user mode: an undefined instruction, so that this kernel ends with 0x81
   do=other    HVC with another immediate: the same, in its own mode
   do=speed    no harm: xen_version so many `times`, to see what a call costs the host */
#include "xen.h"

enum { CALLS = 36, OPERATIONS = 26, ERRNO_MOST = 133 };
enum { SCHED = 29, BLOCK = 1, SHUTDOWN = 2, POLL = 3 };
enum { REQ_CONS = 2048, REQ_PROD = 2052, RSP_CONS = 2056, RSP_PROD = 2060 };

static u32 refused, served, impossible;

static int hvc(u32 number, u32 a0, u32 a1, u32 a2)
{
    register u32 r0 __asm__("r0") = a0;
    register u32 r1 __asm__("r1") = a1;
    register u32 r2 __asm__("r2") = a2;
    register u32 r3 __asm__("r3") = 0xffffffff;
    register u32 r4 __asm__("r4") = 0xffffffff;
    register u32 r12 __asm__("r12") = number;
    __asm__ volatile(".word 0xe140ea71" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3), "r"(r4), "r"(r12) : "memory");
    return (int)r0;
}

static void count(int value)
{
    if (value >= 0)
        served++;
    else if (value >= -ERRNO_MOST)
        refused++;
    else
        impossible++;
}

/* What would put us to sleep or end us is for others to test: here it gets pointers that lead nowhere only. */
static u32 ends_us(u32 number, u32 operation) { return number == SCHED && (operation == BLOCK || operation == SHUTDOWN); }

static void every_call(u32 pointer, u32 third, u32 leads_nowhere)
{
    for (u32 number = 0; number <= CALLS; number++)
        for (u32 operation = 0; operation < OPERATIONS; operation++)
            if (!ends_us(number, operation) || (leads_nowhere && operation != BLOCK))
                count(hvc(number, operation, pointer, third));
}

static void calls(void)
{
    u32 page = take_pages(2), end = info.ram_base + info.ram_size;
    const u32 nowhere[] = {0, end - 2, end, info.hypercall_base, info.window_base + 0x1000, 0xfffffffc, 0xffffffff};
    const u32 patterns[] = {0xffffffff, 0x7ff07ff0, 0x80000001, 0x00010001};
    for (u32 i = 0; i < sizeof nowhere / sizeof *nowhere; i++)
        every_call(nowhere[i], i % 2 ? nowhere[i] : 1, 1);
    for (u32 i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        for (u32 at = 0; at < 2 * INFO_PAGE_SIZE; at += 4)
            store(page + at, patterns[i]);
        every_call(page + 2 * i, page + 64, 0);
        every_call(page, 0xffffffff, 0);
    }
    for (u32 number = 64; number; number *= 2) /* numbers that are none */
        count(hvc(number, 0, page, 1));
    print("refused %u, served %u, impossible %u\n", refused, served, impossible);
}

/* What a ring may never say, while it is read: nothing but our own conversation with the store ends. */
static void rings(void)
{
    const u32 indices[] = {1, 1023, 1024, 1025, 0x7fffffff, 0x80000000, 0xffffffff};
    xen_start();
    for (u32 i = 0; i < sizeof indices / sizeof *indices; i++)
        for (u32 which = REQ_CONS; which <= RSP_PROD; which += 4) {
            store(xen_store_page + which, load(xen_store_page + which) + indices[i]);
            struct {
                u32 port;
            } ring = {xen_store_port};
            count(hvc(XEN_EVENT_CHANNEL, XEN_SEND, (u32)&ring, 0));
        }
    print("refused %u, served %u, impossible %u, store %u\n", refused, served, impossible, xen_store_error());
}

static void in_user_mode(void)
{
    print("user mode\n");
    __asm__ volatile("mrs r1, cpsr\n bic r1, r1, #0x1f\n orr r1, r1, #0x10\n msr cpsr_c, r1\n"
                     "mov r0, #0\n mov r12, #17\n .word 0xe140ea71\n"
                     :
                     :
                     : "r0", "r1", "r12", "memory");
}

static void with_another_number(void)
{
    print("another number\n");
    __asm__ volatile("mov r0, #0\n mov r12, #17\n .word 0xe140ea72\n" : : : "r0", "r12", "memory");
}

static void speed(void)
{
    for (u32 left = argument("times", 1000); left; left--)
        count(hvc(17, 0, 0, 0));
    print("served %u\n", served);
}

void program(void)
{
    if (argument_is("do", "rings"))
        rings();
    else if (argument_is("do", "user"))
        in_user_mode();
    else if (argument_is("do", "other"))
        with_another_number();
    else if (argument_is("do", "speed"))
        speed();
    else
        calls();
}
