/* One system call each: LMbench's lat_syscall and lat_select. */
#include "lat.h"

static int file;
static char byte;
static struct stat status;

static void null_once(void) { getppid(); }
static void null(void) { measure(null_once); }

static void read_once(void) { read(file, &byte, 1); }
static void read_zero(void)
{
    need(file = open("/dev/zero", O_RDONLY, 0), "/dev/zero");
    measure(read_once);
}

static void write_once(void) { write(file, &byte, 1); }
static void write_null(void)
{
    need(file = open("/dev/null", O_WRONLY, 0), "/dev/null");
    measure(write_once);
}

static void stat_once(void) { stat("/tmp/lat/f", &status); }
static void stat_path(void)
{
    scratch("f", 1);
    need(stat("/tmp/lat/f", &status), "stat");
    measure(stat_once);
}

static void fstat_once(void) { fstat(file, &status); }
static void fstat_file(void)
{
    file = scratch("f", 1);
    need(fstat(file, &status), "fstat");
    measure(fstat_once);
}

static void open_once(void) { close(open("/tmp/lat/f", O_RDONLY, 0)); }
static void open_close(void)
{
    scratch("f", 1);
    need(open("/tmp/lat/f", O_RDONLY, 0), "open");
    measure(open_once);
}

/* Descriptors that are all ready, asked for reading: `select N`, and `select_tcp N` with ends of connections. */
static u32 asked[32], set[32], last;
static struct timeval at_once;
static void select_once(void)
{
    for (u32 i = 0; i < last / 32 + 1; i++)
        set[i] = asked[i];
    select((int)last + 1, set, 0, 0, &at_once);
}
static void select_copies(int original)
{
    u32 limit[2] = {1024, 1024}, wanted = word(0, 10);
    call(CALL_SETRLIMIT, 7, limit); /* RLIMIT_NOFILE */
    if (wanted > 900)
        wanted = 900;
    for (u32 i = 0; i < wanted; i++) {
        int copy = dup(original);
        need(copy, "dup");
        asked[copy / 32] |= 1u << (copy & 31);
        last = (u32)copy;
    }
    measure(select_once);
}
static void select_files(void) { select_copies(scratch("f", 1)); }

struct address_in {
    u16 family, port;
    u32 host;
    char pad[24];
};
static void select_tcp(void)
{
    struct address_in at = {AF_INET, 0x5a11, 0x0100007f, {0}}; /* port 4442, 127.0.0.1, in network order */
    int server = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    need(server, "socket");
    need(bind(server, (struct address *)&at), "bind");
    need(listen(server, 1), "listen");
    need(connect(client, (struct address *)&at), "connect");
    int end_of_ours = accept(server);
    need(end_of_ours, "accept");
    write(client, &byte, 1);
    select_copies(end_of_ours);
}

const struct lat calls[] = {
    {"null", null}, {"read", read_zero}, {"write", write_null}, {"stat", stat_path}, {"fstat", fstat_file},
    {"open_close", open_close}, {"select", select_files}, {"select_tcp", select_tcp}, {0, 0},
};
