/* What has to do with calls: the call in the window, the dial pad, the list of calls, and the bar at the bottom, which shows a call
   whatever the window does - an applet of BREW's goes on drawing there while the phone rings. */
#include "phone.h"

#define WHITE 0xffffff
#define GREEN 0x2fa84f
#define RED 0xd33f3a
#define GREY 0x4d6073
#define YELLOW 0xffd166

static const struct area left_button = {4, BAR_Y + 3, 84, 26}, right_button = {232, BAR_Y + 3, 84, 26};
static const struct area between = {90, BAR_Y, 140, BAR_HEIGHT};

static u32 call_seconds(void) { return phone.call == CALL_CONNECTED ? (phone.now - phone.connected_at) / 1000 : 0; }

static const char *number_shown(void) { return phone.number[0] ? phone.number : "unknown number"; }

/* ---- the call in the window */

static void draw_caller(int x, int y)
{
    colour shade = phone.call == CALL_RINGING ? 0x2f6fb0 : phone.call == CALL_CONNECTED ? 0x2b8a57 : 0x6a5aa0;
    disc(x, y, 70, mix(shade, 0, 70));
    disc(x, y, 64, shade);
    disc(x, y - 8, 22, 0xe8eef5);
    round_fill((struct area){x - 18, y + 7, 36, 16}, 8, 0xe8eef5);
    if (phone.call == CALL_RINGING)
        for (u32 i = 0; i < 2; i++) /* it spreads, a step a second */
            ring(x, y, 78 + 12 * ((phone.now / 1000 + i) % 3), 3, mix(YELLOW, shade, 60 + 60 * i));
}

void draw_call(void)
{
    static const char *const states[] = {"call ended", "dialling", "incoming call", "connected"};
    char time[16];
    draw_background();
    draw_caller(SCREEN_WIDTH / 2, WINDOW_Y + 56);
    u32 scale = text_width(2, number_shown()) < SCREEN_WIDTH - 20 ? 2 : 1;
    centred((struct area){0, WINDOW_Y + 108, SCREEN_WIDTH, 16}, scale, WHITE, number_shown());
    const char *state = phone.call == CALL_NONE && phone.last_end ? phone.last_end : states[phone.call];
    centred((struct area){0, WINDOW_Y + 130, SCREEN_WIDTH, 10}, 1, YELLOW, state);
    if (phone.call != CALL_CONNECTED)
        return;
    duration_text(time, call_seconds());
    centred((struct area){0, WINDOW_Y + 146, SCREEN_WIDTH, 32}, 4, WHITE, time);
}

/* ---- the dial pad */

enum { KEY_WIDTH = 92, KEY_HEIGHT = 30, KEY_GAP = 6, PAD_X = (SCREEN_WIDTH - 3 * KEY_WIDTH - 2 * KEY_GAP) / 2, PAD_Y = WINDOW_Y + 40 };

void draw_dial_pad(void)
{
    static const char keys[] = "123456789*0#";
    draw_background();
    struct area shown = {PAD_X, WINDOW_Y + 7, 3 * KEY_WIDTH + 2 * KEY_GAP - 40, 26};
    round_fill(shown, 5, 0x08101f);
    centred(shown, phone.digits[0] && text_width(2, phone.digits) < 230 ? 2 : 1, phone.digits[0] ? WHITE : 0x7f95a8,
            phone.digits[0] ? phone.digits : "enter a number");
    label_button(PART_WINDOW, (struct area){shown.x + shown.width + 6, shown.y, 34, 26}, GREY, "DEL", ACT_ERASE, 0);
    for (u32 i = 0; i < 12; i++) {
        struct area key = {PAD_X + (int)(i % 3) * (KEY_WIDTH + KEY_GAP), PAD_Y + (int)(i / 3) * (KEY_HEIGHT + KEY_GAP), KEY_WIDTH, KEY_HEIGHT};
        char label[2] = {keys[i], 0};
        int pressed = is_pressed(PART_WINDOW);
        round_gradient(key, 6, pressed ? 0x16344c : 0x3f6a88, pressed ? 0x16344c : 0x28485f);
        centred(key, 2, WHITE, label);
        button(PART_WINDOW, key, ACT_DIGIT, (u32)keys[i]);
    }
}

/* ---- the list of calls: the latest first */

void draw_log(void)
{
    static const char *const kinds[] = {"", "in", "out", "missed"};
    static const colour shades[] = {0, 0x7fe08a, 0x6fb7ff, 0xff8a80};
    char row[16];
    draw_background();
    for (u32 i = 0; i < 9; i++) {
        const struct log_entry *entry = &phone.record.entries[(phone.record.next + LOG_ENTRIES - 1 - i) % LOG_ENTRIES];
        int y = WINDOW_Y + 6 + 20 * (int)i;
        if (!entry->kind || entry->kind > LOG_MISSED) {
            if (!i)
                centred((struct area){0, WINDOW_Y, SCREEN_WIDTH, WINDOW_HEIGHT}, 1, 0xd5e6f0, "no calls yet");
            return;
        }
        round_fill((struct area){10, y, 300, 17}, 4, i & 1 ? 0x14304a : 0x193a57);
        text(20, y + 5, 1, shades[entry->kind], kinds[entry->kind]);
        char number[MOST_DIGITS + 1] = {0};
        memcpy(number, entry->number, MOST_DIGITS);
        text(70, y + 5, 1, WHITE, number);
        duration_text(row, entry->seconds);
        text(268, y + 5, 1, 0xd5e6f0, row);
    }
}

/* ---- the bar */

static void draw_call_bar(void)
{
    char time[16];
    int ringing = phone.call == CALL_RINGING, connected = phone.call == CALL_CONNECTED;
    if (ringing)
        label_button(PART_BAR, left_button, GREEN, "Answer", ACT_ANSWER, 0);
    else if (phone.view == VIEW_CALL || phone.view == VIEW_APPLET)
        label_button(PART_BAR, left_button, GREY, "Menu", ACT_MENU, 0);
    else
        label_button(PART_BAR, left_button, GREY, "Call", ACT_SHOW_CALL, 0);
    label_button(PART_BAR, right_button, RED, ringing ? "Decline" : "Hang up", ACT_HANG_UP, 0);
    centred((struct area){between.x, between.y + 5, between.width, 10}, 1, WHITE, number_shown());
    duration_text(time, call_seconds());
    centred((struct area){between.x, between.y + 17, between.width, 10}, 1, connected ? 0x7fe08a : YELLOW,
            connected ? time : ringing ? "calls you" : "dialling");
}

void draw_bar(void)
{
    static const char *const titles[] = {"Menu", "", "Dial", "Calls", "About", "Call"};
    gradient((struct area){0, BAR_Y, SCREEN_WIDTH, BAR_HEIGHT}, phone.call == CALL_RINGING ? 0x3a3210 : 0x131d30, 0x0b1322);
    fill((struct area){0, BAR_Y, SCREEN_WIDTH, 1}, 0x2f4058);
    if (phone.call != CALL_NONE) {
        draw_call_bar();
        return;
    }
    const char *title = titles[phone.view];
    if (phone.view == VIEW_APPLET)
        title = phone.class == CLASS_BOUNCE ? "Bounce" : phone.class == CLASS_FILM ? "Film" : phone.class == CLASS_CLOCK ? "Clock" : "BREW";
    if (phone.view != VIEW_MENU)
        label_button(PART_BAR, left_button, GREY, "Menu", ACT_MENU, 0);
    if (phone.view == VIEW_DIAL)
        label_button(PART_BAR, right_button, GREEN, "Call", ACT_DIAL, 0);
    if (phone.view == VIEW_MENU)
        label_button(PART_BAR, right_button, GREEN, "Phone", ACT_DIAL_PAD, 0);
    centred(between, 1, 0xd5deea, phone.last_end && phone.view == VIEW_MENU ? phone.last_end : title);
}
