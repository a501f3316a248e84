/* sockets: streams within the machine. */
#include "check.h"

static const struct address place = {AF_UNIX, "/tmp/socket"}, nowhere = {AF_UNIX, "/tmp/nowhere"};
static char buffer[9000];

static void pairs(void)
{
    int ends[2];
    say("socketpair", socketpair(AF_UNIX, SOCK_STREAM, ends));
    write(ends[0], "there", 5);
    say("there", read(ends[1], buffer, 100));
    send(ends[1], "and back", 8, 0);
    say("and back", recv(ends[0], buffer, 100, 0));
    say("seek", lseek(ends[0], 0, SEEK_SET));
    say("shutdown", shutdown(ends[0], 1));
    say("the end", read(ends[1], buffer, 100));
    write(ends[1], "x", 1);
    say("the other way goes on", read(ends[0], buffer, 100));
    on_signal(SIGPIPE, SIG_IGN, 0);
    say("write after shutdown", write(ends[0], "x", 1));
    close(ends[0]);
    say("write to the dead", write(ends[1], "x", 1));
    say("read from the dead", read(ends[1], buffer, 1));
    on_signal(SIGPIPE, SIG_DFL, 0);
    close(ends[1]);
}

/* Answers each client with the sum of what it sent, until one sends nothing. */
static void serve(int listener)
{
    for (int done = 0; !done;) {
        u32 sum = 1, bytes = 0;
        int client = accept(listener);
        for (int size; (size = read(client, buffer, sizeof buffer)) > 0; bytes += (u32)size)
            sum = checksum(buffer, (u32)size, sum);
        write(client, &sum, sizeof sum);
        close(client);
        done = !bytes;
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
    write_all(server, buffer, size);
    shutdown(server, 1);
    int got = read(server, &answer, sizeof answer);
    printf("%u bytes: %s\n", size, got == 4 && answer == expected ? "right" : "wrong");
    close(server);
}

static void servers(void)
{
    struct stat stat;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    say("connect before", connect(listener, &place));
    say("bind", bind(listener, &place));
    lstat(place.path, &stat);
    printf("a socket: %x\n", stat.mode & S_IFMT);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    say("bind again", bind(other, &place));
    say("nobody listens yet", connect(other, &place));
    say("listen", listen(listener, 5));
    struct pollfd file = {listener, POLLIN, 0};
    say("nobody waits", poll(&file, 1, 0));
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
    pairs();
    servers();
    refusals();
    return failures != 0;
}
