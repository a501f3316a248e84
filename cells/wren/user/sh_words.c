/* The shell's words: quotes, backslashes, $NAME and $?, and the signs between words. */
#include "box.h"

enum { VARIABLES = 16, LONGEST = 64 };
static struct {
    char name[16], value[LONGEST];
} variables[VARIABLES];
static char last_status[12] = "0";
static const char signs[][3] = {"&&", "||", ">>", "2>", "|", ";", "&", "<", ">"};

static char *variable_of(const char *name, int make)
{
    for (u32 i = 0; i < VARIABLES; i++) {
        if (!variables[i].name[0] && make)
            snprintf(variables[i].name, sizeof variables[i].name, "%s", name);
        if (!strcmp(variables[i].name, name))
            return variables[i].value;
    }
    return 0;
}

void variable_set(const char *name, const char *value)
{
    char *variable = variable_of(name, 1);
    if (variable)
        snprintf(variable, LONGEST, "%s", value);
}

void status_set(int status) { snprintf(last_status, sizeof last_status, "%d", status); }

static int is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/* What $... at `from` (behind the $) stands for; *from moves behind it. */
static const char *value_at(const char **from)
{
    char name[16];
    u32 length = 0;
    if (**from == '?')
        return (*from)++, last_status;
    while (is_name(**from) && length < sizeof name - 1)
        name[length++] = *(*from)++;
    name[length] = 0;
    const char *value = length ? variable_of(name, 0) : "$";
    return value ? value : "";
}

static const char *sign_at(const char *at)
{
    for (u32 i = 0; i < COUNT(signs); i++)
        if (at[0] == signs[i][0] && (!signs[i][1] || at[1] == signs[i][1]))
            return signs[i];
    return 0;
}

/* Copy one word from *from to *to. 0, or the quote that has no end, or '$' when it does not fit. */
static int take_word(const char **from, char **to, const char *limit)
{
    char quote = 0;
    for (; **from && (quote || (**from > ' ' && !(sign_at(*from) && **from != '2'))); (*from)++) {
        char c = **from;
        if (*to + LONGEST > limit)
            return '$';
        if (quote ? c == quote : c == '"' || c == '\'') {
            quote = quote ? 0 : c;
        } else if (c == '$' && quote != '\'') {
            ++*from;
            strcpy(*to, value_at(from));
            *to += strlen(*to);
            --*from;
        } else {
            if (c == '\\' && quote != '\'' && (*from)[1])
                c = *++*from;
            *(*to)++ = c;
        }
    }
    *(*to)++ = 0;
    return quote;
}

int split_words(struct words *words, const char *line)
{
    char *to = words->text;
    words->count = 0;
    for (;;) {
        while (*line && *line <= ' ')
            line++;
        if (!*line || *line == '#')
            break;
        if (words->count == WORDS - 1)
            return 'w';
        const char *sign = sign_at(line);
        words->word[words->count] = to;
        words->is_sign[words->count++] = sign != 0;
        if (sign) {
            line += strlen(sign);
            strcpy(to, sign);
            to += strlen(sign) + 1;
        } else {
            int missing = take_word(&line, &to, words->text + sizeof words->text);
            if (missing)
                return missing;
        }
    }
    words->word[words->count] = 0;
    words->is_sign[words->count] = 0;
    return 0;
}
