/* keys: reads the terminal until its end, and tells what each read gave. */
#include "ulib.h"

static void interrupted(int signal) { printf("<%s>\n", signal_name(signal)); }

static void tell(const char *text, int size)
{
    char answer[12];
    if (size < 0)
        printf("[%s]\n", told(size, answer));
    for (int i = 0; i < size; i++)
        printf(text[i] < ' ' ? "\\%x" : "%c", text[i]);
    if (size >= 0)
        printf("[%d]\n", size);
}

int main(int count, char **arguments, char **environment)
{
    char text[8];
    int size;
    (void)count, (void)arguments, (void)environment;
    on_signal(SIGINT, interrupted, 0);
    printf("ready\n");
    do {
        size = read(0, text, sizeof text);
        tell(text, size);
    } while (size > 0 || size == -EINTR);
    return 0;
}
