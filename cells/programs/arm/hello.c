/* hello: says on what it runs, and ends. */
#include "guest.h"

void program(void)
{
    u32 mebibytes = info.ram_size >> 20;
    print("hello from a bare-metal guest: ");
    print("processor %x, %u MiB of RAM at %x\n", processor_id(), mebibytes, info.ram_base);
    print("arguments: \"%s\"\n", info.args);
    shutdown(argument("status", 0));
}
