/* The hypervisor's structures as a 32-bit ARM guest has them: public/{event_channel,grant_table,memory}.h, public/hvm/params.h. */
#ifndef XEN_H
#define XEN_H

#include "guest.h"

typedef unsigned short u16;

enum { XEN_MEMORY = 12, XEN_GRANT_TABLE = 20, XEN_EVENT_CHANNEL = 32, XEN_HVM = 34 };
enum { XEN_SELF = 0x7ff0 }; /* a domain number: the caller's own */
enum { XEN_BIND_INTERDOMAIN = 0, XEN_CLOSE = 3, XEN_SEND = 4, XEN_ALLOC_UNBOUND = 6 };
enum { XEN_MAP = 0, XEN_UNMAP = 1, XEN_TRANSFER = 4 };
enum { XEN_ADD_TO_PHYSMAP = 7, XEN_SHARED_INFO = 0, XEN_GRANT_FRAMES = 1 };
enum { XEN_SET_PARAM = 0, XEN_GET_PARAM = 1, XEN_STORE_FRAME = 1, XEN_STORE_PORT = 2 };
enum { XEN_PERMIT = 1, XEN_ACCEPT = 2, XEN_READ_ONLY = 4 };  /* flags of a grant entry; READ_ONLY of a mapping, too */
enum { XEN_HOST_MAP = 2 };                   /* of a mapping */
enum { XEN_FIRST_GRANT = 8, XEN_GRANTS = 512 }; /* of the one grant frame that we have; the first ones are not ours */

struct xen_physmap {
    u16 domain, size;
    u32 space;
    u64 index, frame;
};
struct xen_param {
    u16 domain, zero;
    u32 index;
    u64 value;
};
struct xen_unbound {
    u16 domain, remote;
    u32 port;
};
struct xen_interdomain {
    u16 domain, zero;
    u32 remote_port, port;
};
struct xen_grant {
    u16 flags, domain;
    u32 frame;
};
struct xen_map {
    u64 address;
    u32 flags, reference;
    u16 domain;
    short status;
    u32 handle;
    u64 bus;
};
struct xen_unmap {
    u64 address, bus;
    u32 handle;
    short status, zero;
};
struct xen_transfer {
    u64 frame;
    u16 domain, zero;
    u32 reference;
    short status, zeros[3];
};

#pragma GCC visibility push(hidden)

void *memset(void *to, int value, unsigned long size); /* runtime.c */

/* xen.c: one page each of shared_info, grants and store are placed at the first use. Answers < 0: -errno or a grant status. */
void xen_start(void);
u32 xen_events(void); /* takes what is pending; whether anything was, but the store's answers */
int xen_alloc_unbound(u32 remote);
int xen_bind_interdomain(u32 remote, u32 port);
int xen_send(u32 port);
int xen_close(u32 port);
volatile struct xen_grant *xen_entry(u32 reference);
u32 xen_give(u32 domain, u32 page, u32 flags); /* a reference; 0: none is free */
int xen_map(u32 domain, u32 reference, u32 address, u32 flags); /* the handle */
int xen_unmap(u32 handle, u32 address);

/* xen_store.c: requests by number, strings with their zeros; the length of the reply, or < 0 and the errno's name as reply */
enum { XS_DIRECTORY = 1, XS_READ = 2, XS_WATCH = 4, XS_WRITE = 11, XS_RM = 13, XS_WATCH_EVENT = 15, XS_ERROR = 16 };
extern u32 xen_store_page, xen_store_port;
extern char xen_reply[4097]; /* the last one, with a zero behind it */
void xen_store_start(void);
int xen_store(u32 kind, const void *body, u32 length);
int xen_store_read(const char *path);
int xen_store_write(const char *path, const char *value);
int xen_store_watch(const char *path, const char *token);
u32 xen_store_events(void); /* watches that have fired since the last time; how many */
u32 xen_store_error(void);  /* why the store has given up the ring; 0: it has not */

/* xen_channel.c, for who must not wait: carries handshakes on; whether the other end is there, and how often it came. */
u32 xen_link_poll(const struct connection *link, u32 *generation);
u32 xen_link_pages(const struct connection *link); /* address, 0: refused */
u32 xen_happened(void); /* whether events have been taken since the last time */

u32 xen_channel_ring(const struct connection *to); /* the partner's ring in our window, 0: none; for who writes into it himself */
int xen_channel_ring_bell(const struct connection *to);

#pragma GCC visibility pop
#endif
