/* Streams between machines, as netperf's TCP_STREAM and UDP_STREAM: `tcp_send HOST PORT`, `udp_send HOST PORT`: an iteration is 64 KiB
   (45 datagrams of 1456 bytes). `tcp_receive PORT` and `udp_receive PORT` on the other side take `iterations` times 64 KiB, or what comes until
   the sender ends. And bw_udp: 64 KiB of datagrams to oneself, each received before the next is sent. */
#include "lat.h"

enum { SOCK_DATAGRAM = 2, DATAGRAM = 1456, DATAGRAMS = 45 };
struct address_in {
    u16 family, port;
    u32 host;
    char pad[24];
};
static char block[65536];
static int out, in;

static u16 swapped(u32 port) { return (u16)(port << 8 | (port >> 8 & 255)); }

static struct address_in place(const char *host, u32 port)
{
    struct address_in at = {AF_INET, swapped(port), 0, {0}};
    for (u32 i = 0; i < 4 && host; i++) {
        at.host |= number(host) << 8 * i;
        host = strchr(host, '.');
        host = host ? host + 1 : 0;
    }
    return at;
}

static int connected(int kind)
{
    struct address_in at = place(word_count ? words[0] : "127.0.0.1", word(1, 4444));
    int made = socket(AF_INET, kind, 0);
    need(made, "socket AF_INET");
    need(connect(made, (struct address *)&at), "connect");
    return made;
}
static int bound(int kind)
{
    struct address_in at = place(0, word(0, 4444));
    int made = socket(AF_INET, kind, 0), yes = 1;
    need(made, "socket AF_INET");
    call(CALL_SETSOCKOPT, made, 1, 2, &yes, 4); /* SOL_SOCKET, SO_REUSEADDR */
    need(bind(made, (struct address *)&at), "bind");
    return made;
}

static void send_once(void) { need(write_all(out, block, sizeof block), "write"); }
static void tcp_send(void)
{
    out = connected(SOCK_STREAM);
    measure(send_once);
}
static void datagrams_once(void)
{
    for (u32 i = 0; i < DATAGRAMS; i++)
        write(out, block, DATAGRAM);
}
static void udp_send(void)
{
    out = connected(SOCK_DATAGRAM);
    measure(datagrams_once);
    for (u32 i = 0; i < 8; i++) /* the end: empty ones, of which one will arrive */
        write(out, block, 0);
}

static void receive(void)
{
    u32 bytes = 0;
    begin();
    for (int got; bytes < iterations * sizeof block && (got = read(in, block, sizeof block)) > 0;)
        bytes += (u32)got;
    counted = bytes / sizeof block ? bytes / sizeof block : 1;
    end();
    printf("received: %u\n", bytes);
}
static void tcp_receive(void)
{
    int server = bound(SOCK_STREAM);
    need(listen(server, 1), "listen");
    need(in = accept(server), "accept");
    receive();
}
static void udp_receive(void)
{
    in = bound(SOCK_DATAGRAM);
    receive();
}

static void there_once(void)
{
    for (u32 i = 0; i < DATAGRAMS; i++) {
        write(out, block, DATAGRAM);
        read(in, block, DATAGRAM);
    }
}
static void bw_udp(void)
{
    struct address_in at = place("127.0.0.1", 4445);
    need(in = socket(AF_INET, SOCK_DATAGRAM, 0), "socket AF_INET");
    need(bind(in, (struct address *)&at), "bind");
    need(out = socket(AF_INET, SOCK_DATAGRAM, 0), "socket");
    need(connect(out, (struct address *)&at), "connect: is the interface lo up?");
    measure(there_once);
}

const struct lat streams[] = {
    {"tcp_send", tcp_send}, {"tcp_receive", tcp_receive}, {"udp_send", udp_send}, {"udp_receive", udp_receive}, {"bw_udp", bw_udp}, {0, 0},
};
