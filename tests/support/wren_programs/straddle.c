/* straddle: a Thumb call whose two halves lie in two pages of a file, the second of which is not there yet. */
#include "ulib.h"

static const u16 caller[] = {0x4673, 0x46c0, 0x46c0, 0xf000, 0xf807, 0x4718}; /* mov r3, lr; nop; nop; bl; bx r3 */
static const u16 callee[] = {0x202a, 0x4770}; /* movs r0, 42; bx lr */
static u8 code[2 * 4096];

int main(int count, char **arguments, char **environment)
{
    char text[24];
    (void)count, (void)arguments, (void)environment;
    memcpy(code + 0xff8, caller, sizeof caller);
    memcpy(code + 0x1010, callee, sizeof callee);
    int file = open("/tmp/code", O_CREAT | O_RDWR, 0755);
    write_all(file, code, sizeof code);
    char *at = mmap(0, sizeof code, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    int child = fork();
    if (!child)
        exit(((int (*)(void))(at + 0xff9))());
    printf("%s\n", ending(wait_for(child), text));
    return 0;
}
