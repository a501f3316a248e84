/* crash: breaks a rule, for tests of what happens then.

   kind=undefined   an instruction that no ARM has (the default)      kind=jump    a jump to `address`
   kind=read        a load from `address`                             kind=write   a store to `address`
   kind=svc         a supervisor call: there is no system to take it  kind=spin    a loop with all interrupts masked
   kind=storm       vectors that lead nowhere, then an undefined instruction: an exception within each exception
   kind=exit        an orderly end with `status`
   address=0xe0000000   status=1   after=0 (rounds of a delay loop before it happens) */
#include "guest.h"

static void undefined(u32 address)
{
    (void)address;
    __asm__ volatile(".word 0xe7f000f0"); /* permanently undefined (ARM DDI 0100I, A3.16) */
}

static void jump(u32 address) { ((void (*)(void))address)(); }

static void read(u32 address) { load(address); }

static void write(u32 address) { store(address, 0xdeadbeef); }

static void svc(u32 address)
{
    (void)address;
    __asm__ volatile("svc #0" : : : "lr");
}

static void spin(u32 address)
{
    (void)address;
    for (volatile u32 turn = 0;; turn++)
        ;
}

static void storm(u32 address)
{
    for (u32 i = 0; i < 8; i++)
        store(info.ram_base + i * 4, 0xe7f000f0);
    undefined(address);
}

static const struct {
    const char *kind;
    void (*commit)(u32 address);
} crimes[] = {{"undefined", undefined}, {"jump", jump}, {"read", read},  {"write", write},
              {"svc", svc},             {"spin", spin}, {"storm", storm}};

static void (*chosen(void))(u32)
{
    for (u32 i = 0; i < sizeof crimes / sizeof *crimes; i++)
        if (argument_is("kind", crimes[i].kind))
            return crimes[i].commit;
    return undefined;
}

void program(void)
{
    print("crash: here it comes\n");
    for (volatile u32 turn = argument("after", 0); turn; turn--)
        ;
    if (!argument_is("kind", "exit"))
        chosen()(argument("address", 0xe0000000));
    print("crash: still here\n");
    shutdown(argument("status", 1));
}
