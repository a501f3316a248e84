/* The phone's user interface: one process, which waits for the touch screen, BREW, the baseband, and the next second. */
#include "phone.h"

static int inside(const struct area *area, int x, int y)
{
    return x >= area->x && x < area->x + area->width && y >= area->y && y < area->y + area->height;
}

/* The button at a place: its part in `part`, its number from 1; 0 for none. */
static u32 find(int x, int y, u32 *part)
{
    for (*part = PART_STATUS; *part <= PART_BAR; *part <<= 1)
        for (u32 i = 0; i < phone.buttons[*part >> 1].count; i++)
            if (inside(&phone.buttons[*part >> 1].at[i].area, x, y))
                return i + 1;
    return 0;
}

static void release(int x, int y)
{
    u32 part, pressed = phone.pressed, pressed_part = phone.pressed_part;
    phone.pressed = 0;
    phone.stale |= pressed_part;
    if (pressed && find(x, y, &part) == pressed && part == pressed_part) {
        struct button chosen = phone.buttons[part >> 1].at[pressed - 1];
        act(&chosen);
    }
}

static void on_touch(const struct touch *pen)
{
    if (phone.view == VIEW_APPLET && phone.class && inside(&(struct area){WINDOW_X, WINDOW_Y, WINDOW_WIDTH, WINDOW_HEIGHT}, pen->x, pen->y))
        tell(PEER_BREW, KIND_TOUCH, (u32)(pen->x - WINDOW_X), (u32)(pen->y - WINDOW_Y), (u32)pen->down, "");
    if (pen->changed && pen->down) {
        phone.pressed = find(pen->x, pen->y, &phone.pressed_part);
        phone.stale |= phone.pressed ? phone.pressed_part : 0;
    } else if (pen->changed && phone.pressed) {
        release(pen->x, pen->y);
    }
}

static void take_messages(void)
{
    struct message message;
    for (u32 most = 32; most && hear(PEER_BREW, &message) > 0; most--)
        from_brew(&message);
    for (u32 most = 32; most && hear(PEER_AMSS, &message) > 0; most--)
        from_amss(&message);
}

static void start(void)
{
    phone.now = (u32)milliseconds();
    devices_open();
    record_read();
    tell(PEER_BREW, KIND_STOP, 0, 0, 0, ""); /* of an earlier life of ours, perhaps */
    draw();
    printf("ui: menu at %u ms, start %u\n", (u32)milliseconds(), phone.record.starts);
    account("menu_ms", (u32)milliseconds());
    record_write();
}

int main(int count, char **arguments, char **environment)
{
    static struct touch pen;
    (void)count, (void)arguments, (void)environment;
    start();
    for (u32 next = 0;;) {
        phone.now = (u32)milliseconds();
        if (phone.now >= next) {
            next = phone.now - phone.now % 1000 + 1000;
            tick();
        }
        for (u32 most = 32; most && touched(&pen); most--) {
            on_touch(&pen);
            draw(); /* the next touch means what it shows then */
        }
        take_messages();
        draw();
        wait_for_anything(next - phone.now);
    }
}
