/* memory: brk, mmap, copy on write, rights, a growing stack. */
#include "check.h"

enum { PAGE = 4096, PAGES = 20 };
static char field[PAGES * PAGE]; /* in .bss: zeros that exist only when they are touched */
static char *target;

static void reads(void)
{
    volatile char c = *(volatile char *)target;
    (void)c;
}
static void writes(void) { *(volatile char *)target = 1; }

static void touch(const char *what, void *at)
{
    target = at;
    printf("%s:", what);
    say_end(" read", child_of(reads));
    printf("%s:", what);
    say_end(" write", child_of(writes));
}

static void breaks(void)
{
    u32 begin = brk(0), size = 50 * PAGE;
    must(brk(begin + size) == begin + size, "brk up");
    pattern((void *)begin, size, 3);
    printf("brk: %08x\n", checksum((void *)begin, size, 1));
    must(brk(begin + PAGE) == begin + PAGE, "brk down");
    must(brk(begin + size) == begin + size, "and up again");
    u32 sum = 0;
    for (u32 *at = (u32 *)((begin + 2 * PAGE) & ~3u); at < (u32 *)(begin + size); at++)
        sum |= *at;
    printf("new pages: %x\n", sum);
    must(brk(begin) == begin, "back");
    must(brk(0xffff0000) == begin, "not into the kernel");
}

static void pieces(void)
{
    static char *piece[64];
    u32 wrong = 0, random = 1;
    for (u32 round = 0; round < 500; round++) {
        random = random * 1664525 + 1013904223;
        u32 which = random >> 26, size = random >> 14 & 0x7ff;
        if (piece[which])
            wrong += *piece[which] != (char)which;
        free(piece[which]);
        piece[which] = malloc(size + 1);
        must(piece[which] != 0 && !((u32)piece[which] & 7), "malloc");
        memset(piece[which], (int)which, size + 1);
    }
    printf("malloc: %u damaged\n", wrong);
    for (u32 i = 0; i < 64; i++)
        free(piece[i]);
    char *large = malloc(100000);
    must(large != 0, "a large piece");
    must(!malloc(0x7fffffff), "not everything");
}

static void maps(void)
{
    char *map = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(!((u32)map & (PAGE - 1)), "mmap");
    u32 sum = 0;
    for (u32 i = 0; i < 4 * PAGE; i++)
        sum |= (u8)map[i];
    printf("a new map: %x\n", sum);
    pattern(map, 4 * PAGE, 9);
    touch("mapped", map);
    say("munmap one in the middle", munmap(map + PAGE, PAGE));
    touch("unmapped", map + PAGE);
    touch("behind it", map + 2 * PAGE);
    printf("what is left: %08x\n", checksum(map, PAGE, checksum(map + 2 * PAGE, 2 * PAGE, 1)));
    must(mmap(map, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == map, "at a place");
    printf("replaced: %d\n", map[0]);
    must(mmap(map, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == map, "read only");
    touch("read only", map);
    must(mmap(map, PAGE, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == map, "without rights");
    touch("nothing", map);
    say("munmap all", munmap(map, 4 * PAGE));
    say("munmap again", munmap(map, 4 * PAGE));
    say("munmap of no page", munmap(map + 1, PAGE));
    say("mmap of nothing", (int)mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    say("mmap of no file", (int)mmap(0, PAGE, PROT_READ, MAP_PRIVATE, 99, 0));
}

static void overwrites(void)
{
    pattern(field, sizeof field, 5);
    printf("child: %08x\n", checksum(field, sizeof field, 1));
}

static void copies_on_write(void)
{
    pattern(field, sizeof field, 4);
    printf("parent: %08x\n", checksum(field, sizeof field, 1));
    child_of(overwrites);
    printf("parent: %08x\n", checksum(field, sizeof field, 1));
    int child = fork();
    field[PAGE] = 'p'; /* the parent first */
    if (!child)
        exit(field[PAGE] != 'p' || 1);
    must(wait_for(child) == 1 << 8, "the child ran");
    printf("parent: %c\n", field[PAGE]);
}

static u32 *shared;

static void increments(void) { shared[0] += shared[1]; }

static void shares(void)
{
    shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (shared[1] = 1; shared[1] <= 10; shared[1]++)
        child_of(increments);
    printf("shared: %u\n", shared[0]);
    munmap(shared, PAGE);
}

static void files(void)
{
    int file = open("/tmp/map", O_RDWR | O_CREAT | O_TRUNC, 0600);
    pattern(field, 2 * PAGE, 6);
    write(file, field, 2 * PAGE - 100);
    char *map = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 1);
    close(file);
    must(!memcmp(map, field + PAGE, PAGE - 100), "the second page of the file");
    u32 sum = 0;
    for (u32 i = PAGE - 100; i < PAGE; i++)
        sum |= (u8)map[i];
    printf("behind the end of the file: %x\n", sum);
    memset(map, 'm', 100);
    file = open("/tmp/map", O_RDONLY, 0);
    char byte;
    lseek(file, PAGE, SEEK_SET);
    read(file, &byte, 1);
    must(byte == field[PAGE], "a private map does not change the file");
    munmap(map, PAGE);
    close(file);
    unlink("/tmp/map");
}

static u32 deep(u32 depth)
{
    volatile char room[1000];
    room[0] = (char)depth;
    return depth ? deep(depth - 1) + (room[0] == (char)depth) : 0;
}

static volatile char *repaired;

static void repairs(int signal, struct siginfo *info, struct context *context)
{
    (void)context;
    printf("%s at page %u\n", signal_name(signal), (info->value[0] - (u32)repaired) / PAGE);
    mmap((void *)(info->value[0] & ~(PAGE - 1u)), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* A handler maps the page anew, with the right to write, and the instruction is made again. */
static void faults_are_restarted(void)
{
    repaired = mmap(0, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    on_signal(SIGSEGV, (handler)repairs, SA_SIGINFO);
    for (int page = 3; page >= 0; page--)
        repaired[page * PAGE + 8] = (char)page;
    on_signal(SIGSEGV, SIG_DFL, 0);
    printf("written: %d %d\n", repaired[PAGE + 8], repaired[3 * PAGE + 8]);
    munmap((void *)repaired, 4 * PAGE);
}

int memory_main(int count, char **arguments, char **environment)
{
    (void)count, (void)arguments, (void)environment;
    printf("zeros: %08x\n", checksum(field, sizeof field, 0));
    breaks();
    pieces();
    maps();
    copies_on_write();
    shares();
    files();
    printf("deep: %u\n", deep(100));
    faults_are_restarted();
    return failures != 0;
}
