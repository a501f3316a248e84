/* The user interface: what it knows, and how its parts call each other. `devices.c` talks to the outside, `views.c` and `calls.c`
   draw, `actions.c` is what happens, `log.c` what is kept on the disk, `main.c` the loop. */
#ifndef PHONE_PHONE_H
#define PHONE_PHONE_H

#include "draw.h"

/* ---- the screen's three parts, from top to bottom: each is drawn again when its bit is in `phone.stale` */
enum part { PART_STATUS = 1, PART_WINDOW = 2, PART_BAR = 4, PART_ALL = 7, PARTS = 3 };
enum { STATUS_HEIGHT = WINDOW_Y, BAR_Y = WINDOW_Y + WINDOW_HEIGHT, BAR_HEIGHT = SCREEN_HEIGHT - BAR_Y };

enum view { VIEW_MENU, VIEW_APPLET, VIEW_DIAL, VIEW_LOG, VIEW_ABOUT, VIEW_CALL };
enum call { CALL_NONE, CALL_DIALLING, CALL_RINGING, CALL_CONNECTED };

/* ---- what a touch can mean */
enum action {
    ACT_NONE, ACT_MENU, ACT_APPLET, ACT_DIAL_PAD, ACT_LOG, ACT_ABOUT, ACT_SHOW_CALL, ACT_DIGIT, ACT_ERASE, ACT_DIAL, ACT_ANSWER,
    ACT_HANG_UP, ACT_PICTURE,
};
struct button {
    struct area area;
    u32 action, value; /* value: class of an applet, digit */
};
#define MOST_BUTTONS 16
struct buttons { /* of one part of the screen: made anew when it is drawn again */
    u32 count;
    struct button at[MOST_BUTTONS];
};
#define MOST_DIGITS 20

/* ---- what is kept on the disk: one block */
#define LOG_ENTRIES 16
#define RECORD_MAGIC 0x31474f4c /* "LOG1" */
enum { LOG_IN = 1, LOG_OUT, LOG_MISSED };
struct log_entry {
    u32 kind, at, seconds; /* at: seconds since the machine began, in its `start`th life */
    u32 start;
    char number[MOST_DIGITS];
};
struct record {
    u32 magic, sum, starts, pictures, calls, next;
    struct log_entry entries[LOG_ENTRIES];
};

struct phone {
    enum view view;
    u32 stale;
    struct buttons buttons[PARTS];
    u32 pressed_part, pressed; /* the button under the pen: its part, its place there + 1 */
    /* applets */
    u32 class, frames, reported_frames; /* class: 0, none */
    int brew_there;
    char said[MESSAGE_TEXT + 1]; /* why an applet ended */
    /* calls */
    enum call call;
    char number[MOST_DIGITS + 1], digits[MOST_DIGITS + 1];
    u32 connected_at;
    u32 level, voice_sent, voice_lost;
    int amss_there, answered, outgoing;
    const char *last_end;
    u32 now; /* milliseconds since the machine began; 49 days of them */
    struct record record;
    int unsaved;
};
extern struct phone phone;

/* ---- devices.c */
enum { PEER_BREW, PEER_AMSS, PEERS };
struct touch {
    int x, y, down, changed; /* changed: the pen has just come down or gone */
};
void devices_open(void);
void flush(int line, int lines);
int tell(u32 peer, u32 kind, u32 a, u32 b, u32 c, const char *text); /* 0: it went */
int hear(u32 peer, struct message *to);                              /* 1: a message; 0: none; negative: there is nobody */
int touched(struct touch *pen);                                      /* 1: something has happened to it */
void wait_for_anything(u32 milliseconds);
int take_picture(void);
void account(const char *name, u32 value);

/* ---- log.c */
void record_read(void);
void record_write(void);
void record_save(void); /* what could not be written at once */
void record_call(u32 kind, u32 seconds);

/* ---- views.c */
void draw(void); /* what is stale */
void button(u32 part, struct area area, u32 action, u32 value);
void label_button(u32 part, struct area area, colour colour, const char *label, u32 action, u32 value);
int is_pressed(u32 part); /* the button of that part which is made next */
void draw_background(void);
void duration_text(char to[16], u32 seconds);

/* ---- icons.c */
void icon(u32 which, int x, int y, int pressed); /* 56 x 56 */
void draw_signal(int x, int y, u32 level, int there);
void draw_battery(int x, int y, u32 percent);
void draw_camera(int x, int y, colour colour);
void draw_handset(int x, int y, u32 size, colour colour);
enum { ICON_BOUNCE, ICON_FILM, ICON_CLOCK, ICON_DIAL, ICON_LOG, ICON_ABOUT };

/* ---- calls.c */
void draw_call(void);
void draw_dial_pad(void);
void draw_log(void);
void draw_bar(void);

/* ---- actions.c */
void go(enum view view);
void act(const struct button *button);
void from_brew(const struct message *message);
void from_amss(const struct message *message);
void gone(u32 peer); /* another cell has died */
void tick(void);     /* each second */

#endif
