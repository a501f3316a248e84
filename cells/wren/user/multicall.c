/* main of an ELF with several programs: links to it have their names. `box ls /` works, too. */
#include "ulib.h"

static const struct program *find(const char *path)
{
    const char *name = path;
    for (; *path; path++)
        if (*path == '/')
            name = path + 1;
    for (const struct program *program = programs; program->name; program++)
        if (!strcmp(program->name, name))
            return program;
    return 0;
}

int main(int count, char **arguments, char **environment)
{
    const struct program *program = count ? find(arguments[0]) : 0;
    if (!program && count > 1 && (program = find(arguments[1])))
        count--, arguments++;
    if (program)
        return program->main(count, arguments, environment);
    for (program = programs; program->name; program++)
        printf("%s\n", program->name);
    return 2;
}
