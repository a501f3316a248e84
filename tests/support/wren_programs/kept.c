/* kept: what must not be lost when a call cannot do all of it, and whom a long one must not keep waiting. */
#include "ulib.h"

static char bytes[4096], large[256 * 1024];

/* The bytes lie round the end of the pipe's page, and the buffer goes bad in the middle. */
static void a_pipe(void)
{
    int ends[2], first, rest;
    char *page = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    pipe(ends);
    write(ends[1], bytes, 3000), read(ends[0], bytes, 3000);
    write(ends[1], bytes, 4000);
    first = read(ends[0], page + 4096 - 1500, 4000);
    rest = read(ends[0], bytes, 4000);
    printf("of 4000 bytes of a pipe: %d\n", (first > 0 ? first : 0) + rest);
    close(ends[0]), close(ends[1]);
}

static void a_connection(void)
{
    struct address address = {AF_UNIX, "/tmp/door"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), last = 0;
    bind(listener, &address), listen(listener, 4), connect(client, &address);
    for (int copy; (copy = dup(0)) >= 0;)
        last = copy;
    say("a connection without a descriptor", accept(listener));
    close(last);
    say("and with one", accept(listener) == last);
    for (int file = 3; file <= last; file++)
        close(file);
    unlink("/tmp/door");
}

static void time_of_others(void)
{
    u64 before;
    int child = fork();
    if (!child) {
        write(open("/dev/console", O_WRONLY, 0), large, sizeof large);
        exit(0);
    }
    before = milliseconds();
    for (int i = 0; i < 4; i++)
        sleep_ms(5);
    before = milliseconds() - before;
    wait_for(child);
    printf("\nfour naps of 5 ms beside a long line: %s\n", before < 60 ? "short" : "long");
}

int main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    memset(large, '.', sizeof large);
    a_pipe();
    a_connection();
    time_of_others();
    return 0;
}
