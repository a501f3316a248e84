/* The programs of `box`, as they know each other. */
#ifndef WREN_BOX_H
#define WREN_BOX_H

#include "ulib.h"

int init_main(int count, char **arguments, char **environment);
int sh_main(int count, char **arguments, char **environment);

/* ---- sh_words.c: a line as words and signs */
enum { WORDS = 64, LINE = 512 };
struct words {
    char *word[WORDS]; /* 0 ends them; a sign (|, &&, ||, ;, &, <, >, >>, 2>) has is_sign set */
    u8 is_sign[WORDS];
    u32 count;
    char text[2 * LINE];
};
int split_words(struct words *words, const char *line); /* 0, or the character that is missing or too much */
void variable_set(const char *name, const char *value);
void status_set(int status); /* $? */

#endif
