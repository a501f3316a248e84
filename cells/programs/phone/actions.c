/* What happens: a button, a message of BREW's, a message of the baseband, a second that has gone by. */
#include "phone.h"

struct phone phone = {.stale = PART_ALL};

void go(enum view view)
{
    phone.view = view;
    phone.stale |= PART_WINDOW | PART_BAR;
}

/* ---- applets */

static void stop_applet(void)
{
    if (phone.class)
        tell(PEER_BREW, KIND_STOP, phone.class, 0, 0, "");
    account("frames", phone.frames);
    phone.class = 0;
}

static void start_applet(u32 class)
{
    stop_applet();
    int refused = tell(PEER_BREW, KIND_START, class, WINDOW_X | WINDOW_Y << 16, WINDOW_WIDTH | WINDOW_HEIGHT << 16, "");
    strcpy(phone.said, refused ? "BREW does not answer" : "");
    go(VIEW_APPLET);
}

static void leave(enum view view)
{
    if (phone.view == VIEW_APPLET)
        stop_applet();
    go(view);
}

static void started(const struct message *message)
{
    if (phone.view != VIEW_APPLET) { /* the person has left meanwhile */
        tell(PEER_BREW, KIND_STOP, message->a, 0, 0, "");
        return;
    }
    phone.class = message->b ? message->a : 0;
    if (!message->b)
        strcpy(phone.said, "there is no such applet");
    printf("ui: applet %08x %s\n", message->a, message->b ? "runs" : "does not start");
    phone.stale |= PART_WINDOW | PART_BAR;
}

static void stopped(const struct message *message)
{
    if (phone.view != VIEW_APPLET)
        phone.stale |= PART_WINDOW; /* it may have drawn there until it heard of its end */
    if (phone.view != VIEW_APPLET || !phone.class || (message->a && message->a != phone.class))
        return;
    memcpy(phone.said, message->text, MESSAGE_TEXT);
    if (!phone.said[0])
        strcpy(phone.said, message->a ? "the applet has ended" : "BREW has started anew");
    phone.class = 0;
    printf("ui: applet %08x ended: %s\n", message->a, phone.said);
    phone.stale |= PART_WINDOW | PART_BAR;
}

void from_brew(const struct message *message)
{
    phone.brew_there = 1;
    if (message->kind == KIND_STARTED)
        started(message);
    else if (message->kind == KIND_STOPPED)
        stopped(message);
    else if (message->kind == KIND_FRAME && phone.view == VIEW_APPLET && phone.class) {
        phone.frames++;
        flush(WINDOW_Y, WINDOW_HEIGHT);
    }
}

/* ---- calls */

static void take_number(const struct message *message)
{
    memset(phone.number, 0, sizeof phone.number);
    for (u32 i = 0; i < MOST_DIGITS && message->text[i]; i++)
        phone.number[i] = message->text[i];
}

static void change_call(enum call call)
{
    phone.call = call;
    phone.stale |= PART_STATUS | PART_BAR | (phone.view == VIEW_CALL ? PART_WINDOW : 0);
}

static void ringing(const struct message *message)
{
    take_number(message);
    phone.answered = phone.outgoing = 0;
    printf("ui: %s calls\n", phone.number);
    change_call(CALL_RINGING);
    if (phone.view != VIEW_APPLET) /* an applet keeps the window: the bar shows the call */
        go(VIEW_CALL);
}

static void connected(const struct message *message)
{
    take_number(message);
    phone.connected_at = phone.now - message->a;
    phone.answered = 1;
    printf("ui: connected with %s\n", phone.number);
    change_call(CALL_CONNECTED);
}

static const char *const ends[] = {"the baseband started anew", "you hung up", "the other hung up", "missed call", "refused by the network", "busy"};

static void end_call(const char *why)
{
    u32 seconds = phone.answered ? (phone.now - phone.connected_at) / 1000 : 0;
    phone.last_end = why;
    record_call(phone.outgoing ? LOG_OUT : phone.answered ? LOG_IN : LOG_MISSED, seconds);
    change_call(CALL_NONE);
    if (phone.view == VIEW_CALL)
        go(VIEW_MENU);
    account("calls", phone.record.calls);
}

static void ended(const struct message *message)
{
    if (phone.call == CALL_NONE)
        return;
    end_call(message->a < COUNT(ends) ? ends[message->a] : ends[END_IDLE]);
    phone.voice_sent += message->b, phone.voice_lost += message->c;
    printf("ui: call ended (%s): %u voice frames sent, %u lost\n", phone.last_end, message->b, message->c);
}

void from_amss(const struct message *message)
{
    if (!phone.amss_there) {
        phone.amss_there = 1;
        phone.stale |= PART_STATUS;
    }
    if (message->kind == KIND_RINGING)
        ringing(message);
    else if (message->kind == KIND_CONNECTED)
        connected(message);
    else if (message->kind == KIND_ENDED)
        ended(message);
    else if (message->kind == KIND_SIGNAL && phone.level != message->a) {
        phone.level = message->a;
        phone.stale |= PART_STATUS;
    }
}

static void dial(void)
{
    if (!phone.digits[0] || phone.call != CALL_NONE)
        return;
    strcpy(phone.number, phone.digits);
    phone.digits[0] = 0;
    phone.answered = 0, phone.outgoing = 1;
    if (tell(PEER_AMSS, KIND_DIAL, 0, 0, 0, phone.number)) {
        phone.last_end = "no baseband";
        go(VIEW_MENU);
        return;
    }
    printf("ui: dials %s\n", phone.number);
    change_call(CALL_DIALLING);
    go(VIEW_CALL);
}

/* ---- buttons */

static void digit(u32 key)
{
    u32 length = strlen(phone.digits);
    if (length < MOST_DIGITS)
        phone.digits[length] = (char)key, phone.digits[length + 1] = 0;
    phone.stale |= PART_WINDOW;
}

static void erase(void)
{
    u32 length = strlen(phone.digits);
    phone.digits[length ? length - 1 : 0] = 0;
    phone.stale |= PART_WINDOW;
}

static void picture(void)
{
    draw(); /* without the pen on the button */
    int taken = take_picture();
    if (taken < 0) {
        printf("ui: no picture: %s\n", error_name(taken));
        return;
    }
    phone.record.pictures++;
    printf("ui: picture taken\n");
    record_write();
}

void act(const struct button *button)
{
    phone.last_end = 0;
    switch (button->action) {
    case ACT_MENU: leave(VIEW_MENU); break;
    case ACT_APPLET: start_applet(button->value); break;
    case ACT_DIAL_PAD: leave(VIEW_DIAL); break;
    case ACT_LOG: leave(VIEW_LOG); break;
    case ACT_ABOUT: leave(VIEW_ABOUT); break;
    case ACT_SHOW_CALL: leave(VIEW_CALL); break;
    case ACT_DIGIT: digit(button->value); break;
    case ACT_ERASE: erase(); break;
    case ACT_DIAL: dial(); break;
    case ACT_ANSWER: tell(PEER_AMSS, KIND_ANSWER, 0, 0, 0, ""); break;
    case ACT_HANG_UP: tell(PEER_AMSS, KIND_HANGUP, 0, 0, 0, ""); break;
    case ACT_PICTURE: picture(); break;
    default: break;
    }
}

/* ---- deaths of others */

static void brew_gone(void)
{
    phone.brew_there = 0;
    if (!phone.class)
        return;
    phone.class = 0;
    strcpy(phone.said, "BREW is gone");
    phone.stale |= PART_WINDOW | PART_BAR;
}

static void amss_gone(void)
{
    phone.amss_there = 0;
    phone.stale |= PART_STATUS;
    if (phone.call != CALL_NONE)
        end_call("the baseband is gone");
}

void gone(u32 peer) { (peer == PEER_BREW ? brew_gone : amss_gone)(); }

/* ---- time */

/* Those that have not answered yet, or went away and may be back: HELLO brings what is to be known. */
static void greet(void)
{
    if (!phone.brew_there)
        tell(PEER_BREW, KIND_HELLO, 0, 0, 0, "");
    if (!phone.amss_there)
        tell(PEER_AMSS, KIND_HELLO, 0, 0, 0, "");
}

void tick(void)
{
    greet();
    record_save();
    phone.stale |= PART_STATUS;
    if (phone.call != CALL_NONE)
        phone.stale |= PART_BAR | (phone.view == VIEW_CALL ? PART_WINDOW : 0);
    if (phone.frames != phone.reported_frames)
        account("frames", phone.reported_frames = phone.frames);
}
