/* box: init, a shell and the few tools that one misses first, in one ELF. */
#include "box.h"

enum { CHUNK = 1024 };

/* Give each named file (none: standard input) to `act`. */
static int each_file(int count, char **arguments, int (*act)(int file, const char *name))
{
    int status = 0;
    if (count < 2)
        return act(0, "");
    for (int i = 1; i < count; i++) {
        int file = open(arguments[i], O_RDONLY, 0);
        if (file < 0) {
            dprintf(2, "%s: %s\n", arguments[i], error_name(file));
            status = 1;
            continue;
        }
        status |= act(file, arguments[i]);
        close(file);
    }
    return status;
}

static int cat_one(int file, const char *name)
{
    static char chunk[CHUNK];
    int size;
    while ((size = read(file, chunk, CHUNK)) > 0)
        if (write_all(1, chunk, (u32)size) < 0)
            return 1;
    if (size < 0)
        dprintf(2, "cat: %s: %s\n", name, error_name(size));
    return size < 0;
}

static int wc_one(int file, const char *name)
{
    static char chunk[CHUNK];
    u32 lines = 0, words = 0, bytes = 0, inside = 0;
    int size;
    while ((size = read(file, chunk, CHUNK)) > 0)
        for (int i = 0; i < size; i++, bytes++) {
            u32 letter = chunk[i] > ' ';
            words += letter && !inside;
            lines += chunk[i] == '\n';
            inside = letter;
        }
    printf("%u %u %u%s%s\n", lines, words, bytes, *name ? " " : "", name);
    return size < 0;
}

static int cat_main(int count, char **arguments, char **environment)
{
    (void)environment;
    return each_file(count, arguments, cat_one);
}

static int wc_main(int count, char **arguments, char **environment)
{
    (void)environment;
    return each_file(count, arguments, wc_one);
}

static int echo_main(int count, char **arguments, char **environment)
{
    (void)environment;
    static char line[CHUNK];
    u32 length = 0;
    for (int i = 1; i < count; i++)
        length += (u32)snprintf(line + length, sizeof line - length - 1, "%s%s", i > 1 ? " " : "", arguments[i]);
    line[length++] = '\n';
    return write_all(1, line, length) < 0;
}

static char kind_of(u32 mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFCHR: return 'c';
    case S_IFSOCK: return 's';
    default: return '-';
    }
}

static void ls_entry(const char *folder, const char *name)
{
    char path[256];
    struct stat status;
    snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
    if (stat(path, &status) < 0)
        return;
    printf("%c%c%c%c %8u %s\n", kind_of(status.mode), status.mode & 0400 ? 'r' : '-', status.mode & 0200 ? 'w' : '-',
           status.mode & 0100 ? 'x' : '-', (u32)status.size, name);
}

static int ls_one(const char *path)
{
    static struct folder folder;
    int error = opendir(&folder, path);
    if (error == -ENOTDIR)
        return ls_entry("", path), 0;
    if (error) {
        dprintf(2, "ls: %s: %s\n", path, error_name(error));
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(&folder));)
        if (entry->name[0] != '.')
            ls_entry(path, entry->name);
    closedir(&folder);
    return 0;
}

static int ls_main(int count, char **arguments, char **environment)
{
    (void)environment;
    int status = count < 2 ? ls_one(".") : 0;
    for (int i = 1; i < count; i++)
        status |= ls_one(arguments[i]);
    return status;
}

static int rm_main(int count, char **arguments, char **environment)
{
    (void)environment;
    int status = 0;
    for (int i = 1; i < count; i++) {
        int error = unlink(arguments[i]);
        if (error < 0) {
            dprintf(2, "rm: %s: %s\n", arguments[i], error_name(error));
            status = 1;
        }
    }
    return status;
}

static int true_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    return 0;
}

static int false_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    return 1;
}

static int uname_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    char names[6][65];
    int error = call(CALL_UNAME, names);
    return error < 0 ? 1 : printf("%s %s %s\n", names[0], names[2], names[4]) < 0;
}

static int sleep_main(int count, char **arguments, char **environment)
{
    (void)environment;
    sleep_ms(count > 1 ? number(arguments[1]) * 1000 : 0);
    return 0;
}

const struct program programs[] = {
    {"init", init_main}, {"sh", sh_main}, {"ls", ls_main}, {"cat", cat_main}, {"echo", echo_main}, {"wc", wc_main},
    {"rm", rm_main}, {"true", true_main}, {"false", false_main}, {"uname", uname_main},
    {"sleep", sleep_main}, {0, 0},
};
