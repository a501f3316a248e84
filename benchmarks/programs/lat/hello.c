/* What LMbench's fork+exec starts. */
#include "ulib.h"

int main(void)
{
    write(1, "Hello world\n", 12);
    return 0;
}
