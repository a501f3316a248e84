/* crowded: exec while there is no room for one more process, and names that are as long as names may be. */
#include "ulib.h"

enum { LONGEST = 64, MOST = 100 }; /* of a name: with the first slash */

static int children[MOST];

/* A child lives until somebody writes a byte for it; who gets it becomes another program. */
static void live(const int pipe_of[2], char *const *environment)
{
    static char *const arguments[] = {"/bin/crowded", "born", 0};
    char byte;
    close(pipe_of[1]);
    if (read(pipe_of[0], &byte, 1) == 1)
        execve("/bin/crowded", arguments, environment);
    exit(1);
}

static void a_crowd(char *const *environment)
{
    int ends[2], count = 0, born = 0, pid;
    pipe(ends);
    while (count < MOST && (pid = fork()) >= 0) {
        if (!pid)
            live(ends, environment);
        children[count++] = pid;
    }
    printf("%d children, one more: %s\n", count, error_name(pid));
    for (int i = 0; i < count; i++)
        write(ends[1], "x", 1);
    for (int i = 0; i < count; i++)
        born += wait_for(children[i]) == 7 << 8;
    printf("of %d: %d became another program\n", count, born);
    close(ends[0]), close(ends[1]);
}

static int bind_at(u32 length)
{
    struct {
        u16 family;
        char path[108];
    } address = {AF_UNIX, "/tmp/"};
    int socket_ = socket(AF_UNIX, SOCK_STREAM, 0);
    memset(address.path + 5, 'n', length - 5);
    int error = call(CALL_BIND, socket_, &address, sizeof address);
    if (!error)
        error = unlink(address.path);
    close(socket_);
    return error;
}

int main(int count, char **arguments, char **environment)
{
    if (count > 1 && !strcmp(arguments[1], "born"))
        return 7;
    a_crowd(environment);
    say("a socket's name as long as may be", bind_at(LONGEST));
    say("and one longer", bind_at(LONGEST + 1));
    return 0;
}
