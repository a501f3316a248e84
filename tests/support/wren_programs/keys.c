/* keys [raw | few | poll]: reads the terminal until its end, or until a key q, and tells what each read gave. */
#include "ulib.h"

enum { TCGETS = 0x5401, TCSETSF = 0x5404, ICANON = 2, ECHO = 8, VTIME = 5, VMIN = 6 };

struct modes {
    u32 input, output, control, local;
    u8 line, keys[19];
};

static void interrupted(int signal) { printf("<%s>\n", signal_name(signal)); }

static void make_raw(u8 least, u8 tenths)
{
    struct modes modes;
    must(!call(CALL_IOCTL, 0, TCGETS, &modes), "TCGETS");
    modes.local &= ~(u32)(ICANON | ECHO);
    modes.keys[VMIN] = least;
    modes.keys[VTIME] = tenths;
    must(!call(CALL_IOCTL, 0, TCSETSF, &modes), "TCSETSF");
}

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
    const char *how = count > 1 ? arguments[1] : "";
    (void)environment;
    on_signal(SIGINT, interrupted, 0);
    if (!strcmp(how, "raw"))
        make_raw(1, 0);
    if (!strcmp(how, "few"))
        make_raw(3, 0);
    if (!strcmp(how, "timed"))
        make_raw(0, 2);
    if (!strcmp(how, "poll"))
        fcntl(0, F_SETFL, O_NONBLOCK);
    printf("ready\n");
    do {
        size = read(0, text, sizeof text);
        tell(text, size);
        if (size == -EAGAIN)
            sleep_ms(100);
    } while (size > 0 ? text[0] != 'q' : size == -EINTR || size == -EAGAIN || (!size && !strcmp(how, "timed")));
    return 0;
}
