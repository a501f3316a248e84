/* files: regular files, descriptors, names. */
#include "check.h"

static char buffer[8192];

static void contents(const char *path)
{
    int file = open(path, O_RDONLY, 0);
    int size = read(file, buffer, sizeof buffer - 1);
    buffer[size > 0 ? size : 0] = 0;
    printf("%s: \"%s\"\n", path, buffer);
    close(file);
}

static void writing_and_reading(void)
{
    int file = open("/tmp/a", O_RDWR | O_CREAT | O_TRUNC, 0640);
    must(file == 3, "the lowest free descriptor");
    say("write", write(file, "hello, file", 11));
    say("seek to 7", lseek(file, 7, SEEK_SET));
    say("write over", write(file, "wren", 4));
    say("seek from the end", lseek(file, -4, SEEK_END));
    say("read", read(file, buffer, 100));
    say("read at the end", read(file, buffer, 100));
    say("seek before the beginning", lseek(file, -1, SEEK_SET));
    say("close", close(file));
    say("close again", close(file));
    say("read what is closed", read(file, buffer, 1));
    contents("/tmp/a");
}

static void appending(void)
{
    int one = open("/tmp/a", O_WRONLY | O_APPEND, 0), other = open("/tmp/a", O_WRONLY | O_APPEND, 0);
    write(one, "1", 1);
    write(other, "22", 2);
    write(one, "3", 1);
    say("read what is for writing", read(one, buffer, 1));
    close(one);
    close(other);
    contents("/tmp/a");
}

static void sizes(void)
{
    struct stat stat;
    int file = open("/tmp/a", O_RDWR | O_TRUNC, 0);
    say("write past a hole", lseek(file, 10000, SEEK_SET) + write(file, "end", 3));
    say("fstat", fstat(file, &stat));
    printf("size %u mode %x links %u\n", (u32)stat.size, stat.mode, stat.links);
    lseek(file, 4000, SEEK_SET);
    say("a hole reads as zeros", read(file, buffer, 8000));
    u32 sum = 0;
    for (u32 i = 0; i < 6000; i++)
        sum += (u32)buffer[i];
    must(!sum && buffer[6000] == 'e', "zeros, then the end");
    close(file);
}

static void large(void)
{
    u32 written = 1, found = 1;
    int file = open("/tmp/large", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (u32 i = 0; i < 33; i++) {
        pattern(buffer, 5000, i);
        written = checksum(buffer, 5000, written);
        must(write(file, buffer, 5000) == 5000, "all is written");
    }
    lseek(file, 0, SEEK_SET);
    for (int size; (size = read(file, buffer, 4999)) > 0;)
        found = checksum(buffer, (u32)size, found);
    printf("33 times 5000 bytes: %08x %08x\n", written, found);
    close(file);
    unlink("/tmp/large");
}

static void sharing(void)
{
    int file = open("/tmp/a", O_RDWR | O_TRUNC, 0), same = dup2(file, 9);
    write(file, "abcdef", 6);
    say("a duplicate shares the offset", lseek(same, 0, SEEK_CUR));
    int again = open("/tmp/a", O_RDONLY, 0);
    say("another opening has its own", lseek(again, 0, SEEK_CUR));
    say("dup", dup(same));
    say("dup of nothing", dup(99));
    say("dup2", dup2(again, 20));
    say("dup2 to itself", dup2(20, 20));
    say("dup2 of nothing", dup2(99, 5));
    say("unlink while it is open", unlink("/tmp/a"));
    say("it is gone", open("/tmp/a", O_RDONLY, 0));
    say("and can be read", read(20, buffer, 100));
    static const int all[] = {3, 4, 5, 9, 20};
    for (u32 i = 0; i < COUNT(all); i++)
        close(all[i]);
}

static void names(void)
{
    struct stat status;
    int file = open("/tmp/one", O_WRONLY | O_CREAT | O_EXCL, 0644);
    write(file, "one", 3);
    close(file);
    say("exclusive again", open("/tmp/one", O_WRONLY | O_CREAT | O_EXCL, 0644));
    say("stat", stat("/tmp/one", &status));
    printf("mode %x size %u links %u\n", status.mode, (u32)status.size, status.links);
    say("stat through a link", stat("/bin/sh", &status)); /* which the archive has */
    printf("mode %x\n", status.mode);
    say("unlink", unlink("/tmp/one"));
    say("unlink again", unlink("/tmp/one"));
}

static void refusals(void)
{
    say("no such file", open("/tmp/none", O_RDWR, 0));
    say("no such folder", open("/none/file", O_RDWR | O_CREAT, 0644));
    say("a file as a folder", open("/etc/tests/x", O_RDONLY, 0));
    say("write to a folder", open("/tmp", O_WRONLY, 0));
    say("O_DIRECTORY of a file", open("/etc/tests", O_RDONLY | O_DIRECTORY, 0));
    say("an empty path", open("", O_RDONLY, 0));
    int folder = open("/tmp", O_RDONLY, 0);
    say("read a folder", read(folder, buffer, 10));
    close(folder);
    say("unlink nothing", unlink("/tmp/none"));
    say("a bad descriptor", write(77, "", 1));
    say("a negative one", read(-1, buffer, 1));
    memset(buffer, 'x', 5000);
    buffer[5000] = 0;
    say("a path too long", open(buffer, O_RDONLY, 0));
}

static void null_device(void)
{
    int file = open("/dev/null", O_RDWR, 0);
    say("write to /dev/null", write(file, buffer, 1000));
    say("read from it", read(file, buffer, 1000));
    close(file);
}

int files_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    writing_and_reading();
    appending();
    sizes();
    large();
    sharing();
    names();
    refusals();
    null_device();
    return failures != 0;
}
