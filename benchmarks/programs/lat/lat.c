/* lat ID ITERATIONS NAME [WORDS]: one operation, many times, between two marks that a counting engine sees. Nothing else happens
   between them but the loop. What there is: the tables of lat_*.c, and ../../operations.toml, which gives ids and iterations. */
#include "lat.h"

u32 iterations, counted;
int word_count;
char **words, **environment_of_ours;
volatile u32 sink;

static u32 id;

void mark(u32 which, u32 times) { call(0xFEED, which, times); }
void begin(void) { mark(id, 0); }
void end(void) { mark(id, counted); }

void measure(void (*once)(void))
{
    u32 ahead = iterations / 16 + 2;
    for (u32 i = 0; i < ahead; i++)
        once();
    begin();
    for (u32 i = 0; i < iterations; i++)
        once();
    end();
}

void need(int answer, const char *what)
{
    if (answer >= 0 || (u32)answer < 0xfffff000) /* addresses above 2 GiB are no errors */
        return;
    say(what, answer);
    exit(1);
}

u32 word(int which, u32 otherwise) { return which < word_count ? number(words[which]) : otherwise; }

int partner(void (*serve)(void))
{
    int child = fork();
    need(child, "fork");
    if (!child) {
        serve();
        exit(0);
    }
    return child;
}

void dismiss(int child)
{
    kill(child, SIGKILL);
    wait_for(child);
}

int scratch(const char *name, u32 size)
{
    static char path[64];
    mkdir("/tmp", 0777);
    mkdir("/tmp/lat", 0777);
    snprintf(path, sizeof path, "/tmp/lat/%s", name);
    int file = open(path, O_CREAT | O_RDWR | O_TRUNC, 0666);
    need(file, path);
    static char page[4096];
    memset(page, 1, sizeof page);
    for (u32 done = 0; done < size; done += sizeof page)
        need(write_all(file, page, size - done < sizeof page ? size - done : sizeof page), path);
    return file;
}

void sum_words(const u32 *from, u32 size)
{
    u32 sum = 0;
    for (u32 i = 0; i < size / 4; i++)
        sum += from[i];
    sink = sum;
}

static const struct lat *const tables[] = {calls, files, signals, talks, tasks, pages, rings, memories, streams};

static const struct lat *find(const char *name)
{
    for (u32 i = 0; i < COUNT_OF(tables); i++)
        for (const struct lat *lat = tables[i]; lat->name; lat++)
            if (!strcmp(lat->name, name))
                return lat;
    return 0;
}

static int all_names(void)
{
    printf("lat ID ITERATIONS NAME [WORDS]; names:");
    for (u32 i = 0; i < COUNT_OF(tables); i++)
        for (const struct lat *lat = tables[i]; lat->name; lat++)
            printf(" %s", lat->name);
    printf("\n");
    return 2;
}

int main(int count, char **arguments, char **environment)
{
    const struct lat *lat = count > 3 ? find(arguments[3]) : 0;
    if (!lat)
        return all_names();
    id = number(arguments[1]);
    counted = iterations = number(arguments[2]);
    words = arguments + 4;
    word_count = count - 4;
    environment_of_ours = environment;
    lat->run();
    printf("%s: %u times\n", lat->name, iterations);
    return 0;
}
