/* pipes: between parent and child, full and empty, with one end only. */
#include "check.h"

enum { LARGE = 200000 };
static char buffer[LARGE];

static void conversation(void)
{
    int to[2], from[2];
    pipe(to);
    pipe(from);
    int child = fork();
    if (!child) {
        char text[64];
        close(to[1]);
        for (int size; (size = read(to[0], text, sizeof text)) > 0;) {
            for (int i = 0; i < size; i++)
                text[i] -= text[i] >= 'a' && text[i] <= 'z' ? 'a' - 'A' : 0;
            write(from[1], text, (u32)size);
        }
        exit(5);
    }
    close(to[0]);
    close(from[1]);
    static const char *const questions[] = {"one", "two and three", "x"};
    for (u32 i = 0; i < COUNT(questions); i++) {
        write(to[1], questions[i], strlen(questions[i]));
        int size = read(from[0], buffer, 64);
        buffer[size > 0 ? size : 0] = 0;
        printf("%s -> %s\n", questions[i], buffer);
    }
    close(to[1]);
    say_end("the child saw the end", wait_for(child));
    say("and so do we", read(from[0], buffer, 1));
    close(from[0]);
}

static void much(void)
{
    int ends[2];
    pipe(ends);
    pattern(buffer, LARGE, 7);
    u32 sent = checksum(buffer, LARGE, 1), found = 1, bytes = 0;
    int child = fork();
    if (!child) {
        close(ends[0]);
        exit(write(ends[1], buffer, LARGE) == LARGE ? 0 : 1); /* more than a pipe holds: it waits, and is not cut */
    }
    close(ends[1]);
    for (int size; (size = read(ends[0], buffer, 7000)) > 0; bytes += (u32)size)
        found = checksum(buffer, (u32)size, found);
    printf("%u bytes, %s\n", bytes, sent == found ? "whole" : "damaged");
    say_end("the writer", wait_for(child));
    close(ends[0]);
}

static void odd_ends(void)
{
    int ends[2];
    pipe(ends);
    say("seek in a pipe", lseek(ends[0], 0, SEEK_SET));
    say("write to the reader's end", write(ends[0], "x", 1));
    say("read from the writer's end", read(ends[1], buffer, 1));
    say("read nothing", read(ends[0], buffer, 0));
    close(ends[0]);
    close(ends[1]);
}

static void handled(int signal) { printf("%s\n", signal_name(signal)); }

static void to_the_dead(void)
{
    int ends[2];
    pipe(ends);
    close(ends[0]);
    on_signal(SIGPIPE, SIG_IGN, 0);
    say("ignored", write(ends[1], "x", 1));
    on_signal(SIGPIPE, handled, 0);
    say("handled", write(ends[1], "x", 1));
    on_signal(SIGPIPE, SIG_DFL, 0);
    write(ends[1], "x", 1);
    printf("not reached\n");
}

static void many_writers(void)
{
    int ends[2], status = 0;
    u32 whole = 0;
    pipe(ends);
    for (u32 writer = 0; writer < 4; writer++)
        if (!fork()) {
            memset(buffer, 'a' + (int)writer, 500);
            for (u32 i = 0; i < 10; i++)
                write(ends[1], buffer, 500); /* up to a page: never mixed with another's */
            exit(0);
        }
    close(ends[1]);
    for (int size; (size = read(ends[0], buffer, 500)) > 0; whole++)
        for (int i = 1; i < size; i++)
            must(buffer[i] == buffer[0] && size == 500, "a piece of one writer");
    for (u32 writer = 0; writer < 4; writer++)
        status |= wait_for(-1);
    printf("%u pieces, %d\n", whole, status);
    close(ends[0]);
}

int pipes_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    conversation();
    much();
    odd_ends();
    many_writers();
    say_end("to the dead", child_of(to_the_dead));
    return failures != 0;
}
