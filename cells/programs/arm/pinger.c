/* pinger: the ARM end of `ping` (cells/programs/ping.py), which shows the same: asks the cell named by peer= and takes each question
   turned round as the answer, reports cycles per round trip and the checksum of all answers. times=N questions of size=N bytes;
   echo=1: answers instead of asking, until it is told that this is the end. */
#include "guest.h"

static unsigned char message[2048], reply[2048]; /* longer than any message: what is too long is tried, too */

static const char *peer(void)
{
    static char name[16];
    const char *at = info.args;
    while (*at && !(at[0] == 'p' && at[1] == 'e' && at[2] == 'e' && at[3] == 'r' && at[4] == '='))
        at++;
    for (u32 i = 0; *at && at[5 + i] && at[5 + i] != ' ' && i < sizeof name - 1; i++)
        name[i] = at[5 + i];
    return name;
}

static void refused(const char *what, int status)
{
    print("%s: refused, status -%u\n", what, (u32)-status);
    shutdown(1);
}

static u32 is_end(int length) { return length == 3 && message[0] == 'e' && message[1] == 'n' && message[2] == 'd'; }

static void echo(const struct connection *other)
{
    for (;;) {
        int length = message_receive(other, message, sizeof message);
        if (is_end(length))
            shutdown(0);
        for (int i = 0; i < length; i++)
            reply[i] = message[length - 1 - i];
        int status = length < 0 ? length : message_send(other, reply, (u32)length);
        if (status < 0)
            refused("pong", status);
    }
}

/* CRC-32 as zlib has it. */
static u32 checksum(const unsigned char *data, int length, u32 sum)
{
    sum = ~sum;
    for (int i = 0; i < length; i++) {
        sum ^= data[i];
        for (u32 bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
    }
    return ~sum;
}

static u32 is_turned(int length, u32 size)
{
    u32 right = (u32)length == size;
    for (u32 i = 0; i < size; i++)
        right &= reply[i] == message[size - 1 - i];
    return right;
}

static void ask(const struct connection *other, u32 times, u32 size)
{
    u32 sum = 0;
    u64 took = 0;
    for (u32 i = 0; i < times; i++) {
        for (u32 at = 0; at < size; at++)
            message[at] = (unsigned char)(i * 31 + at * 7 + (i >> 8));
        u64 began = hypercall(HYPERCALL_TIME, 0, 0, 0);
        int status = message_send(other, message, size);
        int length = status < 0 ? status : message_receive(other, reply, sizeof reply);
        took += hypercall(HYPERCALL_TIME, 0, 0, 0) - began;
        if (length < 0)
            refused("ping", length);
        if (!is_turned(length, size)) {
            print("ping: answer %u is wrong\n", i);
            shutdown(1);
        }
        sum = checksum(reply, length, sum);
    }
    message_send(other, "end", 3);
    report(METRIC_CHECKSUM, sum);
    report(METRIC_LATENCY, (u32)divide(took, times, 0));
    print("ping: %u round trips of %u bytes, checksum %x\n", times, size, sum);
}

void program(void)
{
    const struct connection *other = connection(peer());
    u32 size = argument("size", 16);
    if (!other) {
        print("no connection to \"%s\"\n", peer());
        shutdown(2);
    }
    if (argument("echo", 0))
        echo(other);
    ask(other, argument("times", 10), size < sizeof message ? size : sizeof message);
}
