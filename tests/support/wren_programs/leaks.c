/* leaks: makes and leaves all kinds of files, also by dying; then all memory fits into one file, as before. */
#include "ulib.h"

enum { SOCKET = 281, BIND, CONNECT, LISTEN, ACCEPT };

static const struct address address = {1, "/tmp/sock"};
static char large[8192];

static void files(void)
{
    char name[32];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "/tmp/f%d", i);
        int file = open(name, O_CREAT | O_RDWR, 0644);
        write(file, large, (u32)i * 60);
        if (i & 1)
            unlink(name);
        close(file);
        unlink(name);
    }
}

static void pipes(void)
{
    int ends[2];
    for (int i = 0; i < 30; i++) {
        pipe(ends);
        write(ends[1], large, 4096);
        close(ends[i & 1]);
        close(ends[!(i & 1)]);
    }
}

/* A connection that is accepted or not, and ends that go in one order or the other. */
static void connections(void)
{
    for (int i = 0; i < 20; i++) {
        int listener = call(SOCKET, 1, 1, 0), client = call(SOCKET, 1, 1, 0);
        call(BIND, listener, &address, 12);
        call(LISTEN, listener, 5);
        call(CONNECT, client, &address, 12);
        write(client, large, 4000);
        if (i & 1)
            close(call(ACCEPT, listener, 0, 0));
        close(i & 2 ? client : listener);
        close(i & 2 ? listener : client);
        unlink(address.path);
    }
}

static void the_dead(void)
{
    for (int i = 0; i < 12; i++) {
        int child = fork(), ends[2];
        if (!child) {
            pipe(ends);
            write(ends[1], large, 4096);
            open("/tmp/h", O_CREAT | O_RDWR, 0644);
            unlink("/tmp/h");
            int listener = call(SOCKET, 1, 1, 0);
            call(BIND, listener, &address, 12);
            call(LISTEN, listener, 5);
            call(CONNECT, call(SOCKET, 1, 1, 0), &address, 12);
            if (i & 1)
                call(ACCEPT, call(ACCEPT, listener, 0, 0), 0, 0);
            if (i & 2)
                read(listener + 1, large, 1); /* for ever */
            exit(0);
        }
        sleep_ms(5);
        kill(child, SIGKILL);
        wait_for(child);
        unlink(address.path);
    }
}

static u32 room(void)
{
    char answer[12];
    u32 bytes = 0;
    int file = open("/tmp/all", O_CREAT | O_RDWR | O_TRUNC, 0644), size;
    while ((size = write(file, large, sizeof large)) > 0)
        bytes += (u32)size;
    printf("full: %s\n", told(size, answer));
    close(file);
    unlink("/tmp/all");
    return bytes;
}

int main(int count, char **arguments, char **environment)
{
    u32 before = 0;
    (void)count, (void)arguments, (void)environment;
    for (int round = 0; round < 3; round++) {
        files(), pipes(), connections(), the_dead();
        u32 now = room();
        if (round)
            printf("%d pages lost\n", (int)(before - now) / 4096);
        before = now;
    }
    return 0;
}
