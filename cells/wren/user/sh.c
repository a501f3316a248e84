/* sh: a shell for a look around. Pipes, < > >> 2>, && || ; &, quotes, NAME=value, $NAME, $?; exit and wait are its own.

   list     = pipeline { (&& | || | ; | &) pipeline }
   pipeline = command { | command }
   command  = words and redirections */
#include "box.h"

enum { PIPED = 8, ARGUMENTS = 32 };

static char **surroundings;
static struct words words;
static u32 at; /* the word that comes next */

static int next_is(const char *sign) { return at < words.count && words.is_sign[at] && !strcmp(words.word[at], sign); }

static int redirect(const char *sign, const char *path)
{
    int to = *sign == '<' ? 0 : *sign == '2' ? 2 : 1;
    int flags = *sign == '<' ? O_RDONLY : O_WRONLY | O_CREAT | (sign[1] == '>' && *sign == '>' ? O_APPEND : O_TRUNC);
    int file = open(path, flags, 0644);
    if (file < 0) {
        dprintf(2, "sh: %s: %s\n", path, error_name(file));
        return -1;
    }
    dup2(file, to);
    return close(file);
}

/* The words of one command from `at` on; redirections are only noted. */
static u32 take_command(char *arguments[ARGUMENTS], u32 redirections[4])
{
    u32 count = 0, noted = 0;
    for (; at < words.count; at++) {
        const char *sign = words.is_sign[at] ? words.word[at] : 0;
        if (!sign && count < ARGUMENTS - 1)
            arguments[count++] = words.word[at];
        else if (sign && strchr("<>2", *sign) && at + 1 < words.count && noted < 3)
            redirections[noted++] = at++;
        else
            break;
    }
    arguments[count] = 0;
    redirections[noted] = WORDS;
    return count;
}

static __attribute__((noreturn)) void execute(char **arguments)
{
    char path[64];
    int plain = !strchr(arguments[0], '/');
    snprintf(path, sizeof path, "%s%s", plain ? "/bin/" : "", arguments[0]);
    int error = execve(path, arguments, surroundings);
    dprintf(2, "sh: %s: %s\n", arguments[0], error_name(error));
    exit(error == -ENOENT ? 127 : 126);
}

/* What the shell must do itself. -1: not such a command. */
static int builtin(char **arguments, u32 count)
{
    char *value = strchr(arguments[0], '=');
    if (value && count == 1) {
        *value = 0;
        return variable_set(arguments[0], value + 1), 0;
    }
    if (!strcmp(arguments[0], "exit"))
        exit(count > 1 ? (int)number(arguments[1]) : 0);
    if (!strcmp(arguments[0], "wait")) {
        while (wait_for(-1) >= 0)
            continue;
        return 0;
    }
    return -1;
}

static int start(char **arguments, const u32 *redirections, int input, int output, int unused)
{
    int child = fork();
    if (child)
        return child;
    dup2(input, 0);
    dup2(output, 1);
    if (input > 2)
        close(input);
    if (output > 2)
        close(output);
    if (unused > 2)
        close(unused);
    for (; *redirections < WORDS; redirections++)
        if (redirect(words.word[*redirections], words.word[*redirections + 1]) < 0)
            exit(1);
    execute(arguments);
}

static int result(int status) { return status < 0 ? 127 : status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff; }

/* Run a pipeline; its last command's status. `skip`: only read past it. */
static int pipeline(int skip)
{
    char *arguments[ARGUMENTS];
    u32 redirections[4], count;
    int children[PIPED], started = 0, input = 0, status = 0;
    while ((count = take_command(arguments, redirections))) {
        int ends[2] = {0, 1}, more = next_is("|");
        if (!skip && !more && !started && (status = builtin(arguments, count)) >= 0)
            return status;
        if (!skip && started < PIPED) {
            if (more && pipe(ends) < 0)
                break;
            children[started++] = start(arguments, redirections, input, ends[1], ends[0]);
            if (input > 2)
                close(input);
            if (ends[1] > 2)
                close(ends[1]);
            input = ends[0];
        }
        if (!more)
            break;
        at++;
    }
    if (next_is("&"))
        return 0; /* nobody waits now; `wait` does, or the end of the shell */
    for (int i = 0; i < started; i++)
        status = result(wait_for(children[i]));
    return status;
}

static int run_line(const char *line)
{
    int status = 0, skip = 0;
    int missing = split_words(&words, line);
    if (missing) {
        dprintf(2, "sh: this does not end, or is too long: %c\n", missing);
        return 2;
    }
    for (at = 0; at < words.count;) {
        int found = pipeline(skip);
        status = skip ? status : found;
        if (at == words.count)
            break;
        if (!next_is("&&") && !next_is("||") && !next_is(";") && !next_is("&")) {
            dprintf(2, "sh: what does %s mean here?\n", words.word[at]);
            return 2;
        }
        skip = next_is("&&") ? status != 0 : next_is("||") ? status == 0 : 0;
        at++;
    }
    return status;
}

/* One line from `file`, byte by byte: what follows may be for a child. 0: the end. */
static int read_line(int file, char line[LINE])
{
    u32 length = 0;
    char c;
    int size;
    while ((size = read(file, &c, 1)) == 1 && c != '\n')
        if (length < LINE - 1)
            line[length++] = c;
    line[length] = 0;
    return size == 1 || length;
}

int sh_main(int count, char **arguments, char **environment)
{
    static char line[LINE];
    int status = 0, file = 0;
    struct stat input;
    surroundings = environment;
    if (count > 2 && !strcmp(arguments[1], "-c"))
        return run_line(arguments[2]);
    if (count > 1 && (file = open(arguments[1], O_RDONLY, 0)) < 0)
        return 127;
    int person = !file && !fstat(0, &input) && (input.mode & S_IFMT) == S_IFCHR;
    do {
        if (person)
            printf("$ ");
        if (!read_line(file, line))
            break;
        status = run_line(line);
        status_set(status);
    } while (1);
    return status;
}
