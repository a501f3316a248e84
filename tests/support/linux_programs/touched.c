/* touched: tells what /dev/input/event0 is and what comes from it, until the pen goes up at x = 0. */
#include "ulib.h"

enum { IOCTL = 54, NAME = 0x80404506, ABS_X = 0x80184540, ABS_Y, KEYS = 0x80604518, GRAB = 0x40044590 };

struct input_event {
    u32 seconds, microseconds;
    u16 type, code;
    int value;
};

int main(int count, char **arguments, char **environment)
{
    struct input_event events[8];
    char name[64] = "";
    int axis[6], size, x = -1;
    (void)count, (void)arguments, (void)environment;
    int file = open("/dev/input/event0", O_RDONLY | O_NONBLOCK, 0);
    must(file >= 0, "open");
    say("name", call(IOCTL, file, NAME, name));
    printf("%s\n", name);
    call(IOCTL, file, ABS_X, axis);
    printf("x %d to %d\n", axis[1], axis[2]);
    call(IOCTL, file, ABS_Y, axis);
    printf("y %d to %d\n", axis[1], axis[2]);
    say("nothing yet", read(file, events, sizeof events));
    say("too small", read(file, events, 15));
    say("grab", call(IOCTL, file, GRAB, 1));
    say("grab again", call(IOCTL, file, GRAB, 1));
    say("a bad pointer", call(IOCTL, file, KEYS, 0xdead0000));
    fcntl(file, F_SETFL, 0);
    struct pollfd polled = {file, POLLIN, 0};
    say("poll", poll(&polled, 1, -1));
    while ((size = read(file, events, sizeof events)) > 0)
        for (int i = 0; i < size / (int)sizeof *events; i++) {
            printf("%d %d %d\n", events[i].type, events[i].code, events[i].value);
            if (events[i].type == 3 && !events[i].code)
                x = events[i].value;
            if (events[i].type == 1 && !events[i].value && !x)
                return failures;
        }
    return 1;
}
