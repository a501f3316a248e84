/* Directories, entry by entry: the kernel gives as many as fit (getdents64). */
#include "ulib.h"

int opendir(struct folder *folder, const char *path)
{
    folder->file = open(path, O_RDONLY | O_DIRECTORY, 0);
    folder->at = folder->filled = 0;
    return folder->file < 0 ? folder->file : 0;
}

struct dirent *readdir(struct folder *folder)
{
    if (folder->at >= folder->filled) {
        folder->filled = getdents(folder->file, folder->entries, sizeof folder->entries);
        folder->at = 0;
    }
    if (folder->filled <= 0)
        return 0;
    struct dirent *entry = (struct dirent *)(folder->entries + folder->at);
    folder->at += entry->length;
    return entry;
}

void closedir(struct folder *folder) { close(folder->file); }
