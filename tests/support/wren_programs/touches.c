/* touches: tells what comes from /dev/input, until an event of kind "up" (3) at x = 0. */
#include "ulib.h"

struct event {
    u32 time[2];
    u16 kind, x, y, code;
};

int main(int count, char **arguments, char **environment)
{
    struct event events[4];
    (void)count, (void)arguments, (void)environment;
    int file = open("/dev/input", O_RDONLY, 0), size;
    u32 readable = 1u << file;
    struct timeval now = {0, 0};
    must(file >= 0, "open");
    say("nothing yet", select(file + 1, &readable, 0, 0, &now));
    say("too small", read(file, events, 15));
    readable = 1u << file;
    say("select", select(file + 1, &readable, 0, 0, 0));
    while ((size = read(file, events, sizeof events)) > 0)
        for (int i = 0; i < size / (int)sizeof *events; i++) {
            printf("%d %d %d %d\n", events[i].kind, events[i].x, events[i].y, events[i].code);
            if (events[i].kind == 3 && !events[i].x)
                return failures;
        }
    return 1;
}
