/* answers: one system call after another on files, pipes and sockets, with the answers that Linux 6.1 gave to the same program. */
#include "ulib.h"

enum { HERE = -100, READV = 145, WRITEV = 146, LLSEEK = 140, PREAD = 180, PWRITE = 181, FTRUNCATE64 = 194, OPENAT = 322 };
enum { FCHMOD = 94, CHMOD = 15, FCHDIR = 133, CREAT = 8, FSTATAT = 327, MKDIRAT = 323, UNLINKAT = 328, DUP3 = 358, PIPE2 = 359 };
enum { SELECT6 = 335, PPOLL = 336, SOCKET = 281, BIND, CONNECT, LISTEN, ACCEPT, NAME, PEER, PAIR, SEND, SENDTO, RECV, RECVFROM };
enum { SHUTDOWN = 293, SETSOCKOPT, GETSOCKOPT, SENDMSG, RECVMSG, ACCEPT4 = 366, STREAM = 1, DATAGRAM = 2, KERNEL = 0xc0000000 };
enum { EISCONN = 106, ECONNRESET = 104, ENOPROTOOPT = 92, EPROTONOSUPPORT = 93, ESOCKTNOSUPPORT = 94, O_NOFOLLOW = 0100000 };

struct piece {
    const void *at;
    u32 size;
};
struct message {
    void *name;
    u32 name_size;
    struct piece *pieces;
    u32 count, control, control_size, flags;
};
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

static int address_of(struct address *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->family = 1;
    strcpy(address->path + (*path == '@'), path + (*path == '@')); /* @: a name that is no path */
    return 2 + (int)strlen(path) + (*path != '@');
}

static void places(int file)
{
    u64 offset;
    char one[2], other[10];
    struct piece out[] = {{"abc", 3}, {"", 0}, {"defg", 4}}, in[] = {{one, 2}, {other, 10}};
    struct piece bad[] = {{one, 2}, {(void *)KERNEL, 10}}, huge[] = {{one, 0x80000000u}};
    is("pwrite", call(PWRITE, file, "hello world", 11, 0, 100, 0), 11);
    is("pread", call(PREAD, file, text, 5, 0, 106, 0), 5);
    is("what it read", memcmp(text, "world", 5), 0);
    is("pread behind the end", call(PREAD, file, text, 5, 0, 200, 0), 0);
    is("pread before the beginning", call(PREAD, file, text, 5, 0, -1, -1), -EINVAL);
    is("the offset is what it was", lseek(file, 0, SEEK_CUR), 0);
    is("writev", call(WRITEV, file, out, 3), 7);
    lseek(file, 0, SEEK_SET);
    is("readv", call(READV, file, in, 2), 12);
    is("what it read", memcmp(other, "cdefg", 5) || memcmp(one, "ab", 2), 0);
    lseek(file, 0, SEEK_SET);
    is("readv to nowhere", call(READV, file, KERNEL, 2), -EFAULT);
    is("readv, half to nowhere", call(READV, file, bad, 2), -EFAULT);
    is("writev of too many", call(WRITEV, file, out, 1025), -EINVAL);
    is("writev of too much", call(WRITEV, file, huge, 1), -EINVAL);
    is("write from nowhere", write(file, (void *)KERNEL, 10), -EFAULT);
    is("_llseek", call(LLSEEK, file, 0, 0, &offset, 2), 0);
    is("its offset", (int)offset, 111);
    is("_llseek from nothing", call(LLSEEK, file, 0, 0, &offset, 9), -EINVAL);
    is("ftruncate64", call(FTRUNCATE64, file, 0, 50, 0), 0);
    is("ftruncate64, negative", call(FTRUNCATE64, file, 0, -1, -1), -EINVAL);
    is("F_SETFL", fcntl(file, F_SETFL, O_APPEND), 0);
    lseek(file, 0, SEEK_SET);
    is("append", write(file, "xx", 2), 2);
    is("where", lseek(file, 0, SEEK_CUR), 52);
    is("dup3 to itself", call(DUP3, file, file, 0), -EINVAL);
    is("dup3", call(DUP3, file, 20, O_CLOEXEC), 20);
    is("F_GETFD", fcntl(20, F_GETFD, 0), 1);
    is("dup2 to nothing", dup2(file, -1), -EBADF);
    close(20);
}

static void names(int file, int folder)
{
    struct stat stat;
    is("access", access("/tmp/q", 1), -EACCES);
    is("chmod", call(CHMOD, "/tmp/q", 0755), 0);
    is("access now", access("/tmp/q", 1), 0);
    is("access for what", access("/tmp/q", 8), -EINVAL);
    is("fstatat of the file itself", call(FSTATAT, file, "", &stat, 0x1000), 0);
    is("fstatat of nothing", call(FSTATAT, file, "", &stat, 0), -ENOENT);
    is("a file as a folder", call(OPENAT, file, "m", 0, 0), -ENOTDIR);
    is("nothing as a folder", call(OPENAT, 99, "m", 0, 0), -EBADF);
    is("mkdirat", call(MKDIRAT, folder, "d", 0755), 0);
    is("unlinkat of a folder", call(UNLINKAT, folder, "d", 0), -EISDIR);
    is("unlinkat as a folder", call(UNLINKAT, folder, "d", 0x200), 0);
    is("fchdir", call(FCHDIR, folder), 0);
    is("fchdir to a file", call(FCHDIR, file), -ENOTDIR);
    is("symlink", symlink("q", "link"), 0);
    is("readlink into nothing", readlink("link", text, 0), -EINVAL);
    is("open, but no link", open("link", O_NOFOLLOW, 0), -ELOOP);
    is("a new one, but it is a link", open("link", O_CREAT | O_EXCL, 0644), -EEXIST);
    is("a slash behind a file", open("/tmp/q/", 0, 0), -ENOTDIR);
    is("a new file with a slash", open("/tmp/z/", O_CREAT | O_WRONLY, 0644), -EISDIR);
    is("a new folder with a slash", mkdir("/tmp/z/", 0755), 0);
    is("rmdir .", rmdir("/tmp/z/."), -EINVAL);
    is("rmdir ..", rmdir("/tmp/z/.."), -ENOTEMPTY);
    is("rename into itself", rename("/tmp/z", "/tmp/z/a"), -EINVAL);
    is("unlink /", unlink("/"), -EISDIR);
    is("rmdir /", rmdir("/"), -EBUSY);
    is("a file over a folder", rename("/tmp/q", "/tmp/z"), -EISDIR);
    is("a folder over a file", rename("/tmp/z", "/tmp/q"), -ENOTDIR);
    is("rename to a slash", rename("/tmp/q", "/tmp/new/"), -ENOTDIR);
    chdir("/tmp/z");
    is("remove where we are", rmdir("/tmp/z"), 0);
    is("getcwd", getcwd(text, 64), -ENOENT);
    is("a file where nothing is", open("a", O_CREAT | O_WRONLY, 0644), -ENOENT);
    int gone = open(".", 0, 0);
    is("read what is gone", getdents(gone, large, 256), -ENOENT);
    close(gone);
    chdir("/");
    is("link a folder", link("/tmp", "/tmp2"), -EPERM);
    is("a link to nothing at all", symlink("", "/tmp/e"), -ENOENT);
    memset(large, 'a', 299);
    is("a long name", open(large, O_CREAT, 0644), -ENAMETOOLONG);
    is("no room for a name", getdents(folder, large, 10), -EINVAL);
}

static void pipes(void)
{
    int ends[2], child;
    is("pipe told nowhere", pipe((int *)4), -EFAULT);
    is("pipe2, unknown", pipe2(ends, 1), -EINVAL);
    pipe(ends);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    is("more than it holds", write(ends[1], large, 70000), 65536);
    is("once more", write(ends[1], large, 1), -EAGAIN);
    is("a little", read(ends[0], large, 100), 100);
    is("what must be whole", write(ends[1], large, 4096), -EAGAIN);
    is("read to nowhere", read(ends[0], (void *)KERNEL, 10), -EFAULT);
    is("nothing is lost", read(ends[0], large, 70000), 65436);
    close(ends[0]);
    close(ends[1]);
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

static void waits(void)
{
    u32 bits[1] = {0}, time[2] = {0, 1000000}, mask[2] = {0, 0}, with[2] = {(u32)mask, 4};
    is("pselect", call(SELECT6, 32, bits, 0, 0, time, 0), 0);
    is("a mask of another size", call(SELECT6, 32, bits, 0, 0, time, with), -EINVAL);
    time[0] = 0, time[1] = 1000000000;
    is("a time that is none", call(SELECT6, 32, bits, 0, 0, time, 0), -EINVAL);
    time[1] = 1000000;
    is("ppoll", call(PPOLL, 0, 0, time, mask, 8), 0);
}

static void messages(void)
{
    struct address address;
    int pair[2], receiver = call(SOCKET, 1, DATAGRAM, 0), sender = call(SOCKET, 1, DATAGRAM, 0), length = sizeof address;
    struct piece out[] = {{"ab", 2}, {"cde", 3}}, in[] = {{text, 1}, {text + 10, 20}};
    struct message message = {.pieces = in, .count = 2};
    is("socketpair", call(PAIR, 1, DATAGRAM, 0, pair), 0);
    is("send", call(SEND, pair[0], "one", 3, 0), 3);
    is("send nothing", call(SEND, pair[0], "", 0, 0), 0);
    is("look", call(RECV, pair[1], text, 64, 2), 3);
    is("a part; the rest is lost", call(RECV, pair[1], text, 2, 0), 2);
    is("nothing is a message, too", call(RECV, pair[1], text, 64, 0), 0);
    is("none", call(RECV, pair[1], text, 64, 0x40), -EAGAIN);
    is("writev is one", call(WRITEV, pair[0], out, 2), 5);
    is("recvmsg", call(RECVMSG, pair[1], &message, 0), 5);
    is("what came", memcmp(text + 10, "bcde", 4), 0);
    close(pair[0]);
    is("to nobody", write(pair[1], "x", 1), -ECONNREFUSED);
    close(pair[1]);
    int size = address_of(&address, "/tmp/box");
    is("bind", call(BIND, receiver, &address, size), 0);
    is("sendto", call(SENDTO, sender, "hi", 2, 0, &address, size), 2);
    is("recvfrom", call(RECVFROM, receiver, text, 64, 0, &address, &length), 2);
    is("its sender has no name", length, 0);
    is("to whom?", call(SEND, sender, "x", 1, 0), -ENOTCONN);
    address_of(&address, "/tmp/box");
    is("connect", call(CONNECT, sender, &address, size), 0);
    close(receiver);
    is("it is gone", call(SEND, sender, "x", 1, 0), -ECONNREFUSED);
    close(sender);
    unlink("/tmp/box");
}

static void streams(void)
{
    struct address address;
    int listener = call(SOCKET, 1, STREAM, 0), first = call(SOCKET, 1, STREAM, 0), second = call(SOCKET, 1, STREAM | O_NONBLOCK, 0);
    int third = call(SOCKET, 1, STREAM | O_NONBLOCK, 0), size = address_of(&address, "@hidden"), length = sizeof address, value = 9;
    is("bind", call(BIND, listener, &address, size), 0);
    is("nobody listens", call(CONNECT, first, &address, size), -ECONNREFUSED);
    is("listen", call(LISTEN, listener, 1), 0);
    is("connect", call(CONNECT, first, &address, size), 0);
    is("connect again", call(CONNECT, first, &address, size), -EISCONN);
    is("another", call(CONNECT, second, &address, size), 0);
    is("too many wait", call(CONNECT, third, &address, size), -EAGAIN);
    is("write before accept", write(first, "early", 5), 5);
    int there = call(ACCEPT4, listener, &address, &length, O_NONBLOCK);
    is("accept4", there > 0 && length == 2, 1);
    is("read", read(there, text, 64), 5);
    is("none", read(there, text, 64), -EAGAIN);
    length = 4;
    is("SO_TYPE", call(GETSOCKOPT, first, 1, 3, &value, &length), 0);
    is("its value", value, STREAM);
    is("SO_REUSEADDR", call(SETSOCKOPT, first, 1, 2, &value, 4), 0);
    is("an unknown option", call(SETSOCKOPT, first, 1, 9999, &value, 4), -ENOPROTOOPT);
    close(there);
    is("to the dead, silently", call(SEND, first, "x", 1, 0x4000), -EPIPE);
    is("the end", read(first, text, 1), 0);
    address_of(&address, "@hidden");
    is("connect", call(CONNECT, third, &address, size), 0);
    close(listener);
    is("never accepted", read(third, text, 4), -ECONNRESET);
    is("shutdown how", call(SHUTDOWN, third, 9), -EINVAL);
    close(second);
    second = call(SOCKET, 1, STREAM, 0);
    is("accept from no listener", call(ACCEPT, second, 0, 0), -EINVAL);
    is("write without connect", write(second, "x", 1), -ENOTCONN);
    is("another protocol", call(SOCKET, 1, STREAM, 99), -EPROTONOSUPPORT);
    is("another type", call(SOCKET, 1, 9, 0), -ESOCKTNOSUPPORT);
    close(first), close(second), close(third);
}

/* What has a place in memory counts, to the byte. */
static void halves(int file)
{
    u8 *pages = mmap(0, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *end = pages + 4096;
    struct piece pieces[] = {{end - 96, 32}, {end - 64, 128}};
    munmap(end, 4096);
    call(FTRUNCATE64, file, 0, 1000, 0);
    lseek(file, 0, SEEK_SET);
    is("read to the end of memory", read(file, end - 64, 128), 64);
    is("readv to it", call(READV, file, pieces, 2), 96);
    is("pread to it", call(PREAD, file, end - 32, 128, 0, 0, 0), 32);
    is("so far", lseek(file, 0, SEEK_CUR), 160);
    is("read beyond it", read(file, end, 128), -EFAULT);
    is("write from it", write(file, end - 64, 128), 64);
    is("write from beyond it", write(file, end, 128), -EFAULT);
    is("so far: it appends", lseek(file, 0, SEEK_CUR), 1064);
}

int main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    int file = call(OPENAT, HERE, "/tmp/q", O_RDWR | O_CREAT | O_TRUNC, 0644), folder = open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    places(file);
    names(file, folder);
    pipes();
    waits();
    messages();
    streams();
    halves(file);
    printf("%d answers, %d wrong\n", checked, failures);
    return failures != 0;
}
