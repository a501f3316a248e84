/* What `lat_dyn` starts: `hello` with a C library. */
#include "libc.h"

int main(void)
{
    write(1, "Hello world\n", 12);
    return 0;
}
