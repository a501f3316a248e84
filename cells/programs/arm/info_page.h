/* The info page and the hypercall page, for C and assembly.
   Made from hypervisor/abi/info_page.py by `python -m cells.programs.arm.build`: change it there. */
#ifndef INFO_PAGE_H
#define INFO_PAGE_H

#define INFO_MAGIC 0x43454c4c
#define INFO_VERSION 0x1
#define INFO_ENTRY_MARK 0xce110001
#define INFO_PAGE_SIZE 0x1000
#define INFO_ARGS_OFFSET 0x100
#define HYPERCALL_XEN 0x100
#define CONNECTION_MAY_SEND 0x4
#define CONNECTION_MAY_RECEIVE 0x8

#define UART_NONE 0x0
#define UART_PL011 0x1
#define UART_NS16550 0x2

#define INTERRUPT_CONTROLLER_NONE 0x0
#define INTERRUPT_CONTROLLER_GIC 0x1
#define INTERRUPT_CONTROLLER_BCM2835 0x2
#define INTERRUPT_CONTROLLER_ORION 0x3
#define INTERRUPT_CONTROLLER_PL190 0x4
#define INTERRUPT_CONTROLLER_PXA 0x5

#define TIMER_NONE 0x0
#define TIMER_SP804 0x1
#define TIMER_ORION 0x2
#define TIMER_PXA 0x3

#define VECTORS_LOW 0x0
#define VECTORS_VBAR 0x1
#define VECTORS_MMU 0x2

#define HYPERCALL_YIELD 0x1
#define HYPERCALL_TIME 0x2
#define HYPERCALL_SHUTDOWN 0x3
#define HYPERCALL_HEARTBEAT 0x4
#define HYPERCALL_REPORT 0x5
#define HYPERCALL_IRQ_MASK 0x6
#define HYPERCALL_IRQ_UNMASK 0x7
#define HYPERCALL_IRQ_ACK 0x8
#define HYPERCALL_IRQ_EOI 0x9
#define HYPERCALL_CONSOLE_WRITE 0xa
#define HYPERCALL_CONSOLE_READ 0xb
#define HYPERCALL_PICTURE 0xc
#define HYPERCALL_FILES 0xd
#define HYPERCALL_FAULTED 0xe
#define HYPERCALL_INPUT 0xf
#define HYPERCALL_CAP_MINT 0x10
#define HYPERCALL_CAP_MOVE 0x11
#define HYPERCALL_CAP_REVOKE 0x12
#define HYPERCALL_CAP_DELETE 0x13
#define HYPERCALL_CAP_IDENTIFY 0x14
#define HYPERCALL_MEMORY_MAP 0x18
#define HYPERCALL_MEMORY_UNMAP 0x19
#define HYPERCALL_REBOOT 0x1e
#define HYPERCALL_STREAM 0x1f
#define HYPERCALL_CHANNEL_SEND 0x20
#define HYPERCALL_CHANNEL_RECEIVE 0x21
#define HYPERCALL_NOTIFY 0x22
#define HYPERCALL_IPC 0x30
#define HYPERCALL_IPC_UNMAP 0x31
#define HYPERCALL_IPC_ACCEPT 0x32
#define HYPERCALL_PAGE_FAULT 0x33
#define HYPERCALL_IPC_INJECT 0x34

#define HYPERCALL_PAGE_NUMBER 0x0
#define HYPERCALL_PAGE_ARG1 0x4
#define HYPERCALL_PAGE_ARG2 0x8
#define HYPERCALL_PAGE_ARG3 0xc
#define HYPERCALL_PAGE_RESULT 0x10
#define HYPERCALL_PAGE_RESULT_HIGH 0x14
#define HYPERCALL_PAGE_LENGTH 0x18
#define HYPERCALL_PAGE_EVENT_COUNT 0x20
#define HYPERCALL_PAGE_EVENT_KIND 0x24
#define HYPERCALL_PAGE_EVENT_SOURCE 0x28
#define HYPERCALL_PAGE_EVENT_BITS 0x2c
#define HYPERCALL_PAGE_EVENT_BITS_HIGH 0x30
#define HYPERCALL_PAGE_EVENT_NEXT 0x34
#define HYPERCALL_PAGE_EVENT_WAIT 0x44
#define HYPERCALL_PAGE_ARG1_HIGH 0x38
#define HYPERCALL_PAGE_ARG2_HIGH 0x3c
#define HYPERCALL_PAGE_ARG3_HIGH 0x40
#define HYPERCALL_PAGE_DATA 0x400

#define STATUS_OK 0x0
#define STATUS_UNKNOWN_CALL (-1)
#define STATUS_BAD_ARGUMENT (-2)
#define STATUS_NOT_YOURS (-3)
#define STATUS_NO_ROOM (-4)
#define STATUS_WRONG_STATE (-5)
#define STATUS_NO_SUCH_SLOT (-6)
#define STATUS_RIGHTS (-7)
#define STATUS_TIMEOUT (-8)
#define STATUS_FULL (-9)
#define STATUS_EMPTY (-10)
#define STATUS_PEER_GONE (-11)
#define STATUS_DENIED (-12)
#define STATUS_TOO_LONG (-13)

#define METRIC_LATENCY 0x1
#define METRIC_PROGRESS 0x2
#define METRIC_CHECKSUM 0x3

#define FLAVOUR_NATIVE 0x0
#define FLAVOUR_L4 0x1
#define FLAVOUR_XEN 0x2
#define FLAVOUR_OKL4 0x3

#define CONNECTION_MESSAGE 0x0
#define CONNECTION_BLOCK 0x1
#define CONNECTION_NET 0x2
#define CONNECTION_CONSOLE 0x3
#define CONNECTION_DISPLAY 0x4
#define CONNECTION_INPUT 0x5
#define CONNECTION_SHARED 0x6

#define EVENT_CONSOLE 0x1
#define EVENT_LINE 0x2
#define EVENT_DMA 0x3
#define EVENT_NOTIFY 0x4
#define EVENT_MEMORY 0x5
#define EVENT_PEER 0x6
#define EVENT_ANSWER 0x7
#define EVENT_FAULT 0x8
#define EVENT_WINDOW 0x9
#define EVENT_END 0xa
#define EVENT_STREAM 0xb

#ifndef __ASSEMBLER__

struct connection {
    char name[16], peer[16];
    unsigned kind, back, slot, bell, address, size, writable, rights;
};

struct info_page {
    unsigned magic;                /* 0x00 0x43454C4C */
    unsigned version;              /* 0x04 of this layout */
    unsigned ram_base;             /* 0x08 guest physical address of RAM, and of this page */
    unsigned ram_size;             /* 0x0c bytes of RAM */
    unsigned hz_low, hz_high;      /* 0x10 cycles of the board's CPU per second: the unit of virtual time */
    unsigned uart_kind;            /* 0x18 UART_* */
    unsigned uart_base;            /* 0x1c address of its registers */
    unsigned ic_kind;              /* 0x20 INTERRUPT_CONTROLLER_* */
    unsigned ic_base;              /* 0x24 address of its registers (GIC: of the distributor) */
    unsigned ic_base2;             /* 0x28 GIC: address of the CPU interface */
    unsigned timer_kind;           /* 0x2c TIMER_* */
    unsigned timer_base;           /* 0x30 address of its registers */
    unsigned timer_irq;            /* 0x34 its number at the controller that it is wired to */
    unsigned timer_hz;             /* 0x38 ticks per second */
    unsigned cascade_base;         /* 0x3c address of the second controller that the timer is wired to, 0 for none */
    unsigned cascade_irq;          /* 0x40 input of the first controller that the second one drives */
    unsigned hypercall_base;       /* 0x44 address of the hypercall page */
    unsigned core_count;           /* 0x48 virtual CPUs of the cell */
    unsigned seed_low, seed_high;  /* 0x4c of the run and the cell, for what should differ from seed to seed */
    unsigned vectors;              /* 0x54 VECTORS_* */
    unsigned flavour;              /* 0x58 FLAVOUR_*: what the hypercalls of connections mean */
    unsigned connection_count;     /* 0x5c entries of `connections` */
    unsigned window_base;          /* 0x60 address at which pages of others may appear */
    unsigned window_size;          /* 0x64 bytes of that window */
    unsigned initrd_base;          /* 0x68 physical address of the initial RAM disk */
    unsigned initrd_size;          /* 0x6c bytes of it, 0: there is none */
    unsigned memory_end;           /* 0x70 physical: RAM from here on is the monitor's, for page tables; 0: as ram_size says */
    unsigned virtual_base;         /* 0x74 virtual address at which a kernel without privileges finds ram_base; 0: the same */
    unsigned uart_irq;             /* 0x78 number of the UART's line at the controller that ic_kind says */
    unsigned reserved[33];
    char args[1792];
    struct connection connections[32];
};

#endif
#endif
