/* sockets: streams within the machine. */
#include "check.h"

static const struct address place = {AF_UNIX, "/tmp/socket"}, nowhere = {AF_UNIX, "/tmp/nowhere"};
static char buffer[9000];

/* Answers each client with the sum of what it sends, which begins with how much that is; until one sends nothing. */
static void serve(int listener)
{
    for (int done = 0; !done;) {
        u32 sum = 1, left = 0;
        int client = accept(listener);
        read(client, &left, sizeof left);
        done = !left;
        for (int size; left && (size = read(client, buffer, sizeof buffer)) > 0; left -= (u32)size)
            sum = checksum(buffer, (u32)size, sum);
        write(client, &sum, sizeof sum);
        close(client);
    }
    exit(3);
}

static void ask(u32 size)
{
    u32 expected, answer = 0;
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    must(server >= 0 && !connect(server, &place), "connect");
    pattern(buffer, size, size);
    expected = checksum(buffer, size, 1);
    write(server, &size, sizeof size);
    write_all(server, buffer, size);
    int got = read(server, &answer, sizeof answer);
    printf("%u bytes: %s\n", size, got == 4 && answer == expected ? "right" : "wrong");
    say("the end", read(server, &answer, 1));
    say("connect again", connect(server, &place));
    close(server);
}

/* Both ends in one process. */
static void ends(int listener)
{
    int one = socket(AF_UNIX, SOCK_STREAM, 0);
    say("connect", connect(one, &place));
    say("write before accept", write(one, "early", 5));
    int other = accept(listener);
    say("and read it", read(other, buffer, 100));
    write(other, "back", 4);
    say("and back", read(one, buffer, 100));
    say("seek", lseek(one, 0, SEEK_SET));
    close(one);
    on_signal(SIGPIPE, SIG_IGN, 0);
    say("write to the dead", write(other, "x", 1));
    say("read from the dead", read(other, buffer, 1));
    on_signal(SIGPIPE, SIG_DFL, 0);
    close(other);
}

static void servers(void)
{
    struct stat status;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    say("connect before", connect(listener, &place));
    say("bind", bind(listener, &place));
    stat(place.path, &status);
    printf("a socket: %x\n", status.mode & S_IFMT);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    say("bind again", bind(other, &place));
    say("nobody listens yet", connect(other, &place));
    say("listen", listen(listener, 5));
    u32 readable = 1u << listener;
    struct timeval time = {0, 0};
    say("nobody waits", select(listener + 1, &readable, 0, 0, &time));
    ends(listener);
    int child = fork();
    if (!child)
        serve(listener);
    static const u32 sizes[] = {1, 100, 9000, 4096, 0};
    for (u32 i = 0; i < COUNT(sizes); i++)
        ask(sizes[i]);
    say_end("the server", wait_for(child));
    close(listener);
    say("nobody listens any more", connect(other, &place));
    say("unlink", unlink(place.path));
    say("nowhere", connect(other, &nowhere));
    close(other);
}

static void refusals(void)
{
    int file = open("/dev/null", O_RDWR, 0), unbound = socket(AF_UNIX, SOCK_STREAM, 0);
    say("bind what is no socket", bind(file, &place));
    say("accept from what is no socket", accept(file));
    say("accept without listen", accept(unbound));
    say("read without connect", read(unbound, buffer, 1) < 0);
    say("a family that is none", socket(77, SOCK_STREAM, 0));
    close(file);
    close(unbound);
}

int sockets_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    servers();
    refusals();
    return failures != 0;
}
