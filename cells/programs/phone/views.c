/* The screen by its parts: status bar, window, bar. A part that is stale is drawn whole; its buttons are made as it is drawn. */
#include "phone.h"

#define WHITE 0xffffff
#define NIGHT 0x0a1428
#define SEA 0x1d5c78

static const struct area status_area = {0, 0, SCREEN_WIDTH, STATUS_HEIGHT};
static const struct area window_area = {WINDOW_X, WINDOW_Y, WINDOW_WIDTH, WINDOW_HEIGHT};
static const struct area bar_area = {0, BAR_Y, SCREEN_WIDTH, BAR_HEIGHT};

static struct buttons *buttons_of(u32 part) { return &phone.buttons[part >> 1]; }

void button(u32 part, struct area area, u32 action, u32 value)
{
    struct buttons *buttons = buttons_of(part);
    if (buttons->count < MOST_BUTTONS)
        buttons->at[buttons->count++] = (struct button){area, action, value};
}

int is_pressed(u32 part) { return phone.pressed_part == part && phone.pressed == buttons_of(part)->count + 1; }

void label_button(u32 part, struct area area, colour colour, const char *label, u32 action, u32 value)
{
    struct area shadow = {area.x, area.y + 1, area.width, area.height};
    int pressed = is_pressed(part);
    round_fill(shadow, 6, 0x050b18);
    round_gradient(area, 6, pressed ? mix(colour, 0, 110) : mix(colour, WHITE, 60), pressed ? mix(colour, 0, 60) : mix(colour, 0, 50));
    centred(area, 1, WHITE, label);
    button(part, area, action, value);
}

/* One gradient for the whole screen, of which the part that is drawn shows its piece. */
void draw_background(void) { gradient(whole_screen, NIGHT, SEA); }

void duration_text(char to[16], u32 seconds)
{
    if (seconds >= 3600)
        snprintf(to, 16, "%u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60);
    else
        snprintf(to, 16, "%02u:%02u", seconds / 60, seconds % 60);
}

/* ---- status bar */

#define CLOCK_START (9 * 3600 + 41 * 60) /* no clock runs while the phone is off: it begins here. Assumed */
#define BATTERY_SECONDS 72                /* for each percent: two hours of use from full to empty. Assumed */

static void draw_status(void)
{
    char time[16];
    u32 seconds = phone.now / 1000, of_day = (CLOCK_START + seconds) % 86400;
    gradient(status_area, 0x1a2438, 0x0b1322);
    fill((struct area){0, STATUS_HEIGHT - 1, SCREEN_WIDTH, 1}, 0x2f4058);
    draw_signal(6, 4, phone.level, phone.amss_there);
    text(32, 7, 1, phone.amss_there ? 0xd5deea : 0xff8a80, phone.amss_there ? "Cellvisor" : "no baseband");
    snprintf(time, sizeof time, "%02u:%02u:%02u", of_day / 3600, of_day / 60 % 60, of_day % 60);
    centred((struct area){0, 0, SCREEN_WIDTH, STATUS_HEIGHT}, 1, WHITE, time);
    if (phone.call != CALL_NONE)
        draw_handset(230, 10, 4, phone.call == CALL_CONNECTED ? 0x7fe08a : 0xffd166);
    draw_camera(256, 5, is_pressed(PART_STATUS) ? 0x7fe08a : 0xc8d2e0);
    button(PART_STATUS, (struct area){244, 0, 40, STATUS_HEIGHT}, ACT_PICTURE, 0);
    draw_battery(290, 6, 100 - (seconds / BATTERY_SECONDS) % 100);
}

/* ---- menu */

static const struct {
    const char *label;
    u32 icon, action, value;
} menu[] = {
    {"Bounce", ICON_BOUNCE, ACT_APPLET, CLASS_BOUNCE}, {"Film", ICON_FILM, ACT_APPLET, CLASS_FILM},
    {"Clock", ICON_CLOCK, ACT_APPLET, CLASS_CLOCK},    {"Phone", ICON_DIAL, ACT_DIAL_PAD, 0},
    {"Calls", ICON_LOG, ACT_LOG, 0},                   {"About", ICON_ABOUT, ACT_ABOUT, 0},
};
enum { COLUMNS = 3, TILE = 56, CELL_WIDTH = SCREEN_WIDTH / COLUMNS, CELL_HEIGHT = WINDOW_HEIGHT / 2 };

static void draw_menu(void)
{
    draw_background();
    for (u32 i = 0; i < COUNT(menu); i++) {
        int x = (int)(i % COLUMNS) * CELL_WIDTH, y = WINDOW_Y + (int)(i / COLUMNS) * CELL_HEIGHT;
        icon(menu[i].icon, x + (CELL_WIDTH - TILE) / 2, y + 12, is_pressed(PART_WINDOW));
        centred((struct area){x + 1, y + 13 + TILE + 7, CELL_WIDTH, 10}, 1, 0x050b18, menu[i].label);
        centred((struct area){x, y + 12 + TILE + 7, CELL_WIDTH, 10}, 1, WHITE, menu[i].label);
        button(PART_WINDOW, (struct area){x + 16, y + 6, CELL_WIDTH - 32, CELL_HEIGHT - 8}, menu[i].action, menu[i].value);
    }
}

/* ---- about */

static void draw_about(void)
{
    char row[64];
    draw_background();
    centred((struct area){0, WINDOW_Y + 14, SCREEN_WIDTH, 16}, 2, WHITE, "Evoke QA4");
    static const char *const facts[] = {
        "linux: this user interface, an ARM program", "brew: applets, which draw into this window", "amss: baseband, calls and voice",
        "keystore: the SIM's key; only amss may ask",
    };
    for (u32 i = 0; i < COUNT(facts); i++)
        text(34, WINDOW_Y + 50 + 18 * (int)i, 1, 0xd5e6f0, facts[i]);
    snprintf(row, sizeof row, "started %u times, %u calls, %u pictures", phone.record.starts, phone.record.calls, phone.record.pictures);
    centred((struct area){0, WINDOW_Y + 140, SCREEN_WIDTH, 10}, 1, 0xffd166, row);
    centred((struct area){0, WINDOW_Y + 158, SCREEN_WIDTH, 10}, 1, 0x9fb8c8, "Each in a cell of its own");
}

/* The window while an applet is on its way, and when it has ended by itself; while it runs, the window is BREW's. */
static void draw_applet(void)
{
    if (phone.class)
        return;
    fill(window_area, 0x0b1322);
    centred(window_area, 1, 0xffd166, phone.said[0] ? phone.said : phone.brew_there ? "one moment" : "BREW does not answer");
}

static void (*const windows[])(void) = {
    [VIEW_MENU] = draw_menu, [VIEW_APPLET] = draw_applet, [VIEW_DIAL] = draw_dial_pad,
    [VIEW_LOG] = draw_log,   [VIEW_ABOUT] = draw_about,   [VIEW_CALL] = draw_call,
};

/* ---- the parts */

static void draw_window(void) { windows[phone.view](); }

static const struct {
    u32 part;
    const struct area *area;
    void (*draw)(void);
} parts[] = {{PART_STATUS, &status_area, draw_status}, {PART_WINDOW, &window_area, draw_window}, {PART_BAR, &bar_area, draw_bar}};

void draw(void)
{
    int first = SCREEN_HEIGHT, last = 0;
    for (u32 i = 0; i < COUNT(parts); i++) {
        const struct area *area = parts[i].area;
        if (!(phone.stale & parts[i].part))
            continue;
        buttons_of(parts[i].part)->count = 0;
        clip(*area);
        parts[i].draw();
        first = area->y < first ? area->y : first;
        last = area->y + area->height;
    }
    clip(whole_screen);
    phone.stale = 0;
    if (last)
        flush(first, last - first);
}
