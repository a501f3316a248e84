/* folders: the tree. */
#include "check.h"

enum { MOST = 64 };

static void list(const char *path)
{
    static struct folder folder;
    static char names[MOST][32];
    u32 count = 0;
    if (opendir(&folder, path))
        return;
    for (struct dirent *entry; count < MOST && (entry = readdir(&folder));) {
        u32 at = count; /* in the order of their names: kernels have orders of their own */
        if (entry->name[0] == '.')
            continue;
        for (; at && strcmp(names[at - 1], entry->name) > 0; at--)
            strcpy(names[at], names[at - 1]);
        strcpy(names[at], entry->name);
        count++;
    }
    closedir(&folder);
    printf("%s:", path);
    for (u32 i = 0; i < count; i++)
        printf(" %s", names[i]);
    printf("\n");
}

static void many(void)
{
    char name[32];
    static struct folder folder;
    u32 found = 0, length = 0;
    for (u32 i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "/tmp/file-number-%u", i);
        close(open(name, O_WRONLY | O_CREAT, 0644));
    }
    opendir(&folder, "/tmp");
    for (struct dirent *entry; (entry = readdir(&folder));)
        if (entry->name[0] != '.')
            found++, length += strlen(entry->name);
    closedir(&folder);
    printf("%u entries, %u characters\n", found, length);
    for (u32 i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "/tmp/file-number-%u", i);
        must(!unlink(name), name);
    }
}

int folders_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    struct stat status;
    int file = open("/tmp/x", O_WRONLY | O_CREAT, 0600);
    say("slashes too many", unlink("//tmp/.//x"));
    say("what is open stays", write(file, "there", 5));
    close(file);
    close(open("/tmp/x", O_WRONLY | O_CREAT, 0644));
    say("below nothing", open("/n/y", O_WRONLY | O_CREAT, 0600));
    say("below a file", open("/tmp/x/y", O_WRONLY | O_CREAT, 0600));
    say("a folder that is a file", open("/tmp/x", O_RDONLY | O_DIRECTORY, 0));
    say("entries of a file", getdents(0, &status, sizeof status));
    stat("/tmp/.", &status);
    printf("mode %x\n", status.mode);
    say("unlink a folder", unlink("/tmp") < 0);
    say("unlink the root", unlink("/") < 0);
    list("/tmp");
    say("unlink", unlink("/tmp/x"));
    say("mkdir", mkdir("/made", 0755));
    say("mkdir again", mkdir("/made/", 0755));
    say("mkdir below nothing", mkdir("/n/y", 0755));
    close(open("/made/file", O_WRONLY | O_CREAT, 0600));
    list("/made");
    say("unlink", unlink("/made/file"));
    many();
    list("/tmp/");
    list("/etc");
    list("/bin");
    return failures != 0;
}
