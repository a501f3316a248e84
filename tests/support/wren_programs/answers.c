/* answers: one system call after another, with the answers that Linux 6.1 gives to the same program. */
#include "ulib.h"

enum { KERNEL = 0xc0000000, EISCONN = 106, ESOCKTNOSUPPORT = 94, EOVERFLOW = 75 };

static char large[70000], text[64];
static int checked;

static void is(const char *what, int answer, int wanted)
{
    checked++;
    if (answer == wanted)
        return;
    printf("FAILED: %s: %d, not %d\n", what, answer, wanted);
    failures++;
}

static void places(void)
{
    int file = open("/tmp/q", O_RDWR | O_CREAT | O_TRUNC, 0644);
    is("lseek", lseek(file, 100, SEEK_SET), 100);
    is("write behind the end", write(file, "hello world", 11), 11);
    is("lseek from the end", lseek(file, -5, SEEK_END), 106);
    is("read", read(file, text, 64), 5);
    is("what it read", memcmp(text, "world", 5), 0);
    is("read at the end", read(file, text, 64), 0);
    is("lseek back", lseek(file, -111, SEEK_CUR), 0);
    is("read what was never written", read(file, text, 3), 3);
    is("what it read", memcmp(text, "\0\0\0", 3), 0);
    is("lseek before the beginning", lseek(file, -200, SEEK_CUR), -EINVAL);
    is("lseek from nothing", lseek(file, 0, 9), -EINVAL);
    is("lseek too far", lseek(file, 0x7fffffff, SEEK_END), -EOVERFLOW);
    lseek(file, 3, SEEK_SET); /* Linux goes there nevertheless */
    is("write from nowhere", write(file, (void *)KERNEL, 10), -EFAULT);
    is("read to nowhere", read(file, (void *)KERNEL, 10), -EFAULT);
    is("write nothing", write(file, "", 0), 0);
    is("dup2 to nothing", dup2(file, -1), -EBADF);
    is("dup2 of nothing", dup2(99, 3), -EBADF);
    is("dup2", dup2(file, 20), 20);
    is("one offset for both", lseek(20, 0, SEEK_CUR), 3);
    close(20);
    is("close again", close(20), -EBADF);
    int reader = open("/tmp/q", O_RDONLY, 0), writer = open("/tmp/q", O_WRONLY | O_APPEND, 0);
    is("write what is for reading", write(reader, "x", 1), -EBADF);
    is("read what is for writing", read(writer, text, 1), -EBADF);
    is("append", write(writer, "xx", 2), 2);
    is("where", lseek(writer, 0, SEEK_CUR), 113);
    close(open("/tmp/q", O_WRONLY | O_TRUNC, 0));
    is("nothing is left", read(reader, text, 64), 0);
    close(reader), close(writer), close(file);
}

static void names(void)
{
    struct stat status;
    is("exclusive", open("/tmp/q", O_CREAT | O_EXCL, 0644), -EEXIST);
    is("a file as a folder", stat("/tmp/q/x", &status), -ENOTDIR);
    is("a folder to write to", open("/tmp", O_RDWR, 0), -EISDIR);
    is("a folder is no file", unlink("/tmp"), -EISDIR);
    is("unlink /", unlink("/"), -EISDIR);
    is("entries of a file", call(CALL_GETDENTS64, 0, text, 64), -ENOTDIR);
    int folder = open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    is("no room for an entry", getdents(folder, text, 8), -EINVAL);
    close(folder);
    is("unlink", unlink("/tmp/q"), 0);
    is("unlink again", unlink("/tmp/q"), -ENOENT);
    is("an empty name", unlink(""), -ENOENT);
}

static void pipes(void)
{
    int ends[2], child;
    pipe(ends);
    is("nothing of nothing", read(ends[0], text, 0), 0);
    is("lseek", lseek(ends[0], 0, SEEK_CUR), -ESPIPE);
    is("the wrong end", write(ends[0], "x", 1), -EBADF);
    if (!(child = fork())) {
        close(ends[0]);
        exit(write(ends[1], large, 70000) == 70000);
    }
    close(ends[1]);
    int done = 0, part;
    while ((part = read(ends[0], large, 3000)) > 0)
        done += part;
    is("all of it", done, 70000);
    is("told", wait_for(child), 1 << 8);
    close(ends[0]);
    pipe(ends);
    if (!(child = fork())) {
        close(ends[0]);
        write(ends[1], large, 70000);
        exit(0);
    }
    close(ends[1]);
    sleep_ms(5);
    close(ends[0]);
    is("the reader goes in between", wait_for(child), SIGPIPE);
}

static void sockets(void)
{
    struct address address = {AF_UNIX, "/tmp/box"}, odd = {AF_INET, "/tmp/box"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), first = socket(AF_UNIX, SOCK_STREAM, 0);
    is("another family", socket(77, SOCK_STREAM, 0), -EAFNOSUPPORT);
    is("another type", socket(AF_UNIX, 9, 0), -ESOCKTNOSUPPORT);
    is("bind by another family", bind(listener, &odd), -EINVAL);
    is("bind", bind(listener, &address), 0);
    is("bind again", bind(first, &address), -EADDRINUSE);
    is("nobody listens", connect(first, &address), -ECONNREFUSED);
    is("accept from no listener", accept(first), -EINVAL);
    is("listen", listen(listener, 5), 0);
    is("write without connect", write(first, "x", 1), -ENOTCONN);
    is("connect", connect(first, &address), 0);
    is("connect again", connect(first, &address), -EISCONN);
    is("write before accept", write(first, "early", 5), 5);
    int there = accept(listener);
    is("read", read(there, text, 64), 5);
    close(there);
    is("the end", read(first, text, 1), 0);
    is("a socket's name is no file", open("/tmp/box", O_RDWR, 0), -ENXIO);
    close(listener);
    is("it is gone", connect(socket(AF_UNIX, SOCK_STREAM, 0), &address), -ECONNREFUSED);
    unlink("/tmp/box");
}

static void waiting(void)
{
    struct timeval before = {-1, 0}, now = {0, 0}, late = {0, 1500000};
    u32 in[32] = {0}, out[32] = {0}, odd[32] = {0};
    int file = open("/tmp/q", O_RDWR | O_CREAT, 0644);
    is("select until before now", select(0, in, 0, 0, &before), -EINVAL);
    is("select as many as a set has", select(1024, in, 0, 0, &now), 0);
    in[0] = out[0] = odd[0] = 1u << file;
    is("select with more microseconds than a second has", select(file + 1, in, out, odd, &late), 2);
    is("a file is ready", in[0] == 1u << file && out[0] == 1u << file, 1);
    is("and is not odd", (int)odd[0], 0);
    close(file), unlink("/tmp/q");
}

static void children(void)
{
    int none[2];
    on_signal(SIGCHLD, (handler)1, 0); /* SIG_IGN */
    pipe(none);
    int child = fork();
    if (!child)
        exit(0);
    close(none[1]);
    read(none[0], text, 1); /* its end is the end of the pipe */
    is("a child that nobody wants to know of", waitpid(child, 0, 0), -ECHILD);
    close(none[0]);
    on_signal(SIGCHLD, 0, 0);
    if (!(child = fork()))
        exit(3);
    is("also of one that is stopped", waitpid(-1, 0, 2), child);
    is("a group of nobody's", kill(-30000, 0), -ESRCH);
}

static void others(void)
{
    is("no child", waitpid(-1, 0, WNOHANG), -ECHILD);
    is("a strange option", waitpid(-1, 0, 0x100), -EINVAL);
    is("a page that is none", munmap((void *)0x40000001, 4096), -EINVAL);
    is("neither shared nor private", (int)mmap(0, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0), -EINVAL);
    is("a map of the console", (int)mmap(0, 4096, PROT_READ, MAP_PRIVATE, 0, 0), -ENODEV);
    is("signal 0", kill(getpid(), 0), 0);
    is("nobody", kill(30000, 0), -ESRCH);
    is("a set of another size", call(CALL_SIGPROCMASK, 0, 0, 0, 4), -EINVAL);
    is("exec of a folder", execve("/tmp", 0, 0), -EACCES);
    is("a number of nobody's", call(447), -ENOSYS);
}

int main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    places();
    names();
    pipes();
    sockets();
    waiting();
    children();
    others();
    printf("%d answers, %d wrong\n", checked, failures);
    return failures != 0;
}
