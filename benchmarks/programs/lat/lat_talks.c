/* A byte there and back between two processes: LMbench's lat_pipe, lat_unix, lat_tcp, lat_udp, lat_sem; and bytes one way:
   bw_pipe, bw_unix, bw_tcp. */
#include "lat.h"

static int here[2], back[2]; /* pipes; or both ends of a socket in here */
static char byte;
static char block[65536];

static void echo_pipe(void)
{
    while (read(here[0], &byte, 1) == 1)
        write(back[1], &byte, 1);
}
static void pipe_once(void)
{
    write(here[1], &byte, 1);
    read(back[0], &byte, 1);
}
static void pipe_round(void)
{
    need(pipe(here), "pipe");
    need(pipe(back), "pipe");
    int child = partner(echo_pipe);
    measure(pipe_once);
    dismiss(child);
}

static void echo_socket(void)
{
    while (read(here[1], &byte, 1) == 1)
        write(here[1], &byte, 1);
}
static void socket_once(void)
{
    write(here[0], &byte, 1);
    read(here[0], &byte, 1);
}
static void unix_round(void)
{
    need(socketpair(AF_UNIX, SOCK_STREAM, here), "socketpair");
    int child = partner(echo_socket);
    measure(socket_once);
    dismiss(child);
}

/* Connections of 127.0.0.1 to itself; port 4440, in network order. */
enum { SOCK_DATAGRAM = 2, NO_DELAY = 1, IP_TCP = 6 };
struct address_in {
    u16 family, port;
    u32 host;
    char pad[24];
};
static const struct address_in loopback = {AF_INET, 0x5811, 0x0100007f, {0}};
static void connected(int ends[2])
{
    int server = socket(AF_INET, SOCK_STREAM, 0), at_once = 1;
    need(server, "socket AF_INET");
    need(call(CALL_SETSOCKOPT, server, 1, 2, &at_once, 4), "setsockopt"); /* SOL_SOCKET, SO_REUSEADDR */
    need(bind(server, (const struct address *)&loopback), "bind");
    need(listen(server, 1), "listen");
    need(ends[0] = socket(AF_INET, SOCK_STREAM, 0), "socket");
    need(connect(ends[0], (const struct address *)&loopback), "connect: is the interface lo up?");
    need(ends[1] = accept(server), "accept");
    for (int i = 0; i < 2; i++)
        call(CALL_SETSOCKOPT, ends[i], IP_TCP, NO_DELAY, &at_once, 4);
    close(server);
}
static void tcp_round(void)
{
    connected(here);
    int child = partner(echo_socket);
    measure(socket_once);
    dismiss(child);
}
static void echo_datagrams(void)
{
    struct address_in from;
    u32 size = sizeof from;
    while (call(CALL_RECVFROM, here[1], &byte, 1, 0, &from, &size) == 1)
        call(CALL_SENDTO, here[1], &byte, 1, 0, &from, 16);
}
static void udp_round(void)
{
    need(here[1] = socket(AF_INET, SOCK_DATAGRAM, 0), "socket AF_INET");
    need(bind(here[1], (const struct address *)&loopback), "bind");
    need(here[0] = socket(AF_INET, SOCK_DATAGRAM, 0), "socket");
    need(connect(here[0], (const struct address *)&loopback), "connect: is the interface lo up?");
    int child = partner(echo_datagrams);
    measure(socket_once);
    dismiss(child);
}

/* Two processes wake each other by turns; an iteration is two operations and two switches, the end mark counts two. */
static struct operation {
    u16 number;
    short change, flags;
} both[2];
static int semaphores;
static void exchange(void) { call(CALL_SEMOP, semaphores, both, 2); }
static void other_end(void)
{
    both[0] = (struct operation){1, 1, 0};
    call(CALL_SEMOP, semaphores, both, 1);
    both[0] = (struct operation){0, -1, 0};
    both[1] = (struct operation){1, 1, 0};
    for (;;)
        if (call(CALL_SEMOP, semaphores, both, 2) < 0)
            return;
}
static void semaphore(void)
{
    semaphores = call(CALL_SEMGET, 0, 2, 01600); /* IPC_PRIVATE; IPC_CREAT, rw by us */
    need(semaphores, "semget");
    int child = partner(other_end);
    both[0] = (struct operation){1, -1, 0};
    both[1] = (struct operation){0, 1, 0};
    counted = 2 * iterations;
    measure(exchange);
    dismiss(child);
    call(CALL_SEMCTL, semaphores, 0, 0, 0); /* IPC_RMID */
}

/* A child pours; an iteration takes 64 KiB. */
static void pour(void)
{
    while (write(here[1], block, sizeof block) > 0)
        continue;
}
static void take_once(void)
{
    for (int left = sizeof block, got; left > 0; left -= got)
        if ((got = read(here[0], block, (u32)left)) <= 0)
            need(got ? got : -EPIPE, "read");
}
static void bandwidth(void)
{
    memset(block, 1, sizeof block);
    int child = partner(pour);
    measure(take_once);
    dismiss(child);
}
static void bw_pipe(void)
{
    need(pipe(here), "pipe");
    bandwidth();
}
static void bw_unix(void)
{
    need(socketpair(AF_UNIX, SOCK_STREAM, here), "socketpair");
    bandwidth();
}
static void bw_tcp(void)
{
    connected(here);
    bandwidth();
}

const struct lat talks[] = {
    {"pipe", pipe_round}, {"unix", unix_round}, {"tcp", tcp_round}, {"udp", udp_round}, {"semaphore", semaphore},
    {"bw_pipe", bw_pipe}, {"bw_unix", bw_unix}, {"bw_tcp", bw_tcp}, {0, 0},
};
