/* Drawing into a screen of 320 x 240 pixels of 16 bits (5:6:5, red highest): rectangles, round shapes with soft edges, text. */
#ifndef PHONE_DRAW_H
#define PHONE_DRAW_H

#include "messages.h"
#include "ulib.h"

typedef unsigned colour; /* 0xrrggbb */

struct area {
    int x, y, width, height;
};

extern u16 *screen; /* SCREEN_WIDTH * SCREEN_HEIGHT pixels */

/* What lies outside of this is not drawn; at first the whole screen. */
void clip(struct area to);
extern const struct area whole_screen;

colour mix(colour one, colour other, u32 part); /* `part` of 256 of the other */
void fill(struct area area, colour colour);
void gradient(struct area area, colour top, colour bottom); /* dithered: 5:6:5 alone would show steps */
void round_gradient(struct area area, u32 radius, colour top, colour bottom);
void round_fill(struct area area, u32 radius, colour colour);
void disc(int x, int y, u32 radius, colour colour);        /* radius in half pixels */
void ring(int x, int y, u32 radius, u32 width, colour colour); /* likewise, both */
void line(int x, int y, int to_x, int to_y, u32 width, colour colour); /* with round ends; coordinates and width in half pixels */
void triangle(const int corners[6], colour colour);        /* whole pixels */

/* Text: scale 1, 2 or 4; larger ones have their stairs smoothed. y is the top of capital letters, 7 pixels high at scale 1. */
void text(int x, int y, u32 scale, colour colour, const char *words);
void centred(struct area in, u32 scale, colour colour, const char *words);
u32 text_width(u32 scale, const char *words);

#endif
