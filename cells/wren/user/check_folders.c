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
    for (struct dirent *entry; count < MOST && (entry = readdir(&folder)); count++) {
        u32 at = count; /* in the order of their names: kernels have orders of their own */
        for (; at && strcmp(names[at - 1], entry->name) > 0; at--)
            strcpy(names[at], names[at - 1]);
        strcpy(names[at], entry->name);
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
    mkdir("many", 0755);
    for (u32 i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "many/file-number-%u", i);
        close(open(name, O_WRONLY | O_CREAT, 0644));
    }
    opendir(&folder, "many");
    for (struct dirent *entry; (entry = readdir(&folder)); found++)
        length += strlen(entry->name);
    closedir(&folder);
    printf("%u entries, %u characters\n", found, length);
    for (u32 i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "many/file-number-%u", i);
        must(!unlink(name), name);
    }
    say("rmdir", rmdir("many"));
}

int folders_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    struct stat status;
    say("chdir", chdir("/tmp"));
    say("mkdir", mkdir("x", 0755));
    say("mkdir again", mkdir("x", 0755));
    say("mkdir below", mkdir("x/y", 0700) + mkdir("x/y/z", 0755));
    say("mkdir below nothing", mkdir("n/y", 0755));
    close(open("x/file", O_WRONLY | O_CREAT, 0600));
    list("x");
    say("chdir", chdir("x/y/z"));
    list("..");
    say("up and down", chdir("../../y/./z/.."));
    list(".");
    say("chdir to a file", chdir("../file"));
    stat(".", &status);
    printf("mode %x\n", status.mode);
    say("rmdir what is not empty", rmdir("/tmp/x"));
    say("rmdir a file", rmdir("/tmp/x/file"));
    say("unlink a folder", unlink("/tmp/x/y") < 0 ? 1 : 0);
    say("rmdir", rmdir("z"));
    say("rmdir where we are", rmdir("/tmp/x/y"));
    say("make something there", open("file", O_WRONLY | O_CREAT, 0600));
    say("chdir", chdir("/tmp"));
    many();
    say("clean", unlink("x/file") + rmdir("x"));
    list("/tmp");
    list("/etc");
    return failures != 0;
}
