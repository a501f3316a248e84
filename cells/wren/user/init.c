/* init: runs what it is told, one after the other, says how each ended, and ends with the worst status itself.

   Each word is a program; commas separate it from its arguments (a kernel's command line knows no other way). A word that begins
   with @ is a file with one program and its arguments a line. Without words: a shell. The lines "init: begin" and
   "init: end" let somebody who reads the console find what lies between. */
#include "box.h"

enum { SCRIPT = 4096, PIECES = 16, HALT = 0xcdef0123 }; /* HALT: LINUX_REBOOT_CMD_HALT of reboot(2) */

static int worst;
static char **surroundings;

/* Cut `text` at each `mark`; how many pieces there are. The last pointer is 0. */
static int cut(char *text, char mark, char *pieces[PIECES + 1])
{
    int count = 0;
    while (count < PIECES && *text) {
        pieces[count++] = text;
        while (*text && *text != mark)
            text++;
        while (*text == mark)
            *text++ = 0;
    }
    pieces[count] = 0;
    return count;
}

static void start(char *text, char mark)
{
    char *words[PIECES + 1], told[24];
    int unused;
    if (!cut(text, mark, words))
        return;
    int status = run(words[0], words, surroundings);
    printf("init: %s%s%s: %s\n", words[0], words[1] ? " " : "", words[1] ? words[1] : "", ending(status, told));
    int result = status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
    worst = result > worst ? result : worst;
    while (waitpid(-1, &unused, WNOHANG) > 0)
        continue; /* orphans come to the first process */
}

static void run_script(const char *path)
{
    static char text[SCRIPT];
    int file = open(path, O_RDONLY, 0);
    int size = file < 0 ? file : read(file, text, SCRIPT - 1);
    if (size < 0) {
        printf("init: %s: %s\n", path, error_name(size));
        worst = 127;
        return;
    }
    close(file);
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n'), *next = end ? end + 1 : line + strlen(line);
        if (end)
            *end = 0;
        if (*line != '#')
            start(line, ' ');
        line = next;
    }
}

int init_main(int count, char **arguments, char **environment)
{
    static char shell[] = "/bin/sh";
    surroundings = environment;
    printf("init: begin\n");
    if (count < 2)
        start(shell, ',');
    for (int i = 1; i < count; i++)
        if (arguments[i][0] == '@')
            run_script(arguments[i] + 1);
        else
            start(arguments[i], ',');
    printf("init: end, worst %d\n", worst);
    if (getpid() == 1)
        reboot(HALT); /* a kernel that panics when its first process ends; wren knows no such call and ends with it */
    return worst;
}
