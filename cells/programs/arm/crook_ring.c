/* Crimes of a front end against its driver domain, by stores into the ring of a block link (cells/split/ring.py): the front's words
   are session, echo, life and the count of requests; the back's nonce, attached, count of responses and verdict; then the slots. */
#include "crook.h"

enum { SESSION = 0, ECHO = 4, LIFE = 8, REQUESTS = 12, NONCE = 32, ATTACHED = 36, RESPONSES = 40, VERDICT = 44 };
enum { SLOTS = 64, SLOT_SIZE = 32, SLOT_COUNT = 16, IDENTIFY = 1, READ = 2, PATIENCE = 50 };

static const struct connection *link;
static u32 ring;

static u32 came(u32 at, u32 otherwise)
{
    for (u32 i = 0; i < PATIENCE && load(ring + at) == otherwise; i++)
        sleep_until_rung();
    return load(ring + at);
}

/* The handshake, as an honest front end does it. */
static void attach(void)
{
    link = the_link();
    ring = link_open(link);
    store(ring + ECHO, came(NONCE, 0));
    store(ring + LIFE, 1);
    store(ring + REQUESTS, 0);
    store(ring + SESSION, 1);
    link_notify(link);
    said("attached", (int)came(ATTACHED, 0));
}

static void put(u32 count, u32 id, u32 operation, u32 length)
{
    u32 slot = ring + SLOTS + count % SLOT_COUNT * SLOT_SIZE;
    store(slot, id);
    store(slot + 4, 0);
    store(slot + 8, operation);
    store(slot + 12, length);
    for (u32 i = 16; i < SLOT_SIZE; i += 4)
        store(slot + i, 0);
}

static void submit(u32 requests)
{
    store(ring + REQUESTS, requests);
    link_notify(link);
}

/* An honest request first: the ring works. */
static void begin(void)
{
    attach();
    put(0, 1, IDENTIFY, 0);
    submit(1);
    said("responses", (int)came(RESPONSES, 0));
}

static void overrun(const struct connection *mate)
{
    (void)mate;
    begin();
    submit(1000);
    said("verdict", (int)came(VERDICT, 0));
}

static void identity(const struct connection *mate)
{
    (void)mate;
    begin();
    put(1, 77, READ, 0);
    submit(2);
    said("verdict", (int)came(VERDICT, 0));
}

static void length(const struct connection *mate)
{
    (void)mate;
    begin();
    put(1, 2, READ, 0xffffffff);
    submit(2);
    said("verdict", (int)came(VERDICT, 0));
}

/* Requests that change while they are being read, over and over, in both halves of the header and in every slot. */
static void scribbled(const struct connection *mate)
{
    u32 noise = 1;
    (void)mate;
    begin();
    for (u32 round = 0; round < 40; round++) {
        put(1, 2, READ, 0);
        submit(2 + round % SLOT_COUNT);
        for (u32 at = REQUESTS; at < SLOTS + SLOT_COUNT * SLOT_SIZE; at += 4) {
            noise = noise * 1664525 + 1013904223;
            store(ring + at, noise >> round % 32);
        }
        link_notify(link);
    }
    print("scribbled\n");
}

const struct crime ring_crimes[] = {
    {"ring_overrun", ANYWHERE, overrun},
    {"ring_identity", ANYWHERE, identity},
    {"ring_length", ANYWHERE, length},
    {"ring_scribbled", ANYWHERE, scribbled},
    {0, 0, 0},
};
