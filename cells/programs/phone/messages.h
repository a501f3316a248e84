/* What the phone's cells say to each other: 64 bytes, little-endian. messages.py is the same for Python; a test holds them equal. */
#ifndef PHONE_MESSAGES_H
#define PHONE_MESSAGES_H

#define MESSAGE_SIZE 64
#define MESSAGE_TEXT 48 /* bytes of text, NUL-padded; it may fill all of them */

struct message {
    unsigned int kind, a, b, c;
    char text[MESSAGE_TEXT];
};

enum message_kind {
    /* linux -> brew and linux -> amss: I have started (again); say how things are, as if it happened now */
    KIND_HELLO = 0x01,
    /* linux -> brew */
    KIND_START = 0x11, /* a class, b x | y << 16, c width | height << 16: draw into this rectangle of the screen */
    KIND_STOP = 0x12,  /* a class; 0: whichever runs */
    KIND_TOUCH = 0x13, /* a x, b y in the rectangle, c 1 down or 0 up */
    /* brew -> linux */
    KIND_STARTED = 0x21, /* a class, b 1 it runs or 0 it does not: there is none, or it refused */
    KIND_STOPPED = 0x22, /* a class, 0 in answer to HELLO: none runs; text why, if it did not end well */
    KIND_FRAME = 0x23,   /* a frames so far: one is complete in the shared pages */
    /* linux -> amss */
    KIND_DIAL = 0x31, /* text number */
    KIND_ANSWER = 0x32,
    KIND_HANGUP = 0x33,
    /* amss -> linux */
    KIND_RINGING = 0x41,   /* text number of the caller */
    KIND_CONNECTED = 0x42, /* a milliseconds since then, text number of the other */
    KIND_ENDED = 0x43,     /* a cause, b voice frames sent, c voice frames lost */
    KIND_SIGNAL = 0x44,    /* a level, 0 to 4 */
};

enum call_end {
    END_IDLE = 0,    /* in answer to HELLO: there is no call */
    END_HERE = 1,    /* hung up here */
    END_THERE = 2,   /* hung up there */
    END_MISSED = 3,  /* rang, and nobody answered */
    END_REFUSED = 4, /* the network did not accept the keystore's answer */
    END_BUSY = 5,    /* the number is busy, or there is a call already */
};

enum applet_class {
    CLASS_BOUNCE = 0x01ce0001,
    CLASS_FILM = 0x01ce0002,
    CLASS_CLOCK = 0x01ce0003,
};

/* The screen, and the rectangle that the user interface leaves to an applet. */
#define SCREEN_WIDTH 320
#define SCREEN_HEIGHT 240
#define WINDOW_X 0
#define WINDOW_Y 22
#define WINDOW_WIDTH 320
#define WINDOW_HEIGHT 186

#endif
