"""The front door of the microkernel: how a kernel that is a task, and the tasks of its processes, talk to it (L4Linux).

Theory (the survey's Figs. 2 and 3): inside its cell the microkernel knows *tasks*, address spaces, and *threads* in them. The
root task is the guest kernel, the "Linux server", whose one thread `ROOT` waits for messages. Each process is a task of its own
with nothing of the kernel in it and with two threads: its main thread runs the program, its signal thread obeys the server.
What a program does that needs a kernel, a system call, a page fault, an undefined instruction, becomes a message to the server:
an *exception IPC* with all registers, in the name of the main thread, which waits for the reply. The reply has the registers to
go on with, and items that map pages of the server into the task. So a system call is two messages and two switches.

The server runs above the signal threads, and these above the main threads. While a program runs, the server waits; what ends its
wait is an exception, a notification of another cell, or the time that it gave. It cannot stop a program itself, because threads
may exchange only the registers of threads beside them: it sends a message to the task's signal thread, which forces the main
thread into an exception. (L4Linux does it in this way; its signal thread wrote pc and sp.)

A call is `svc #Call` in ARM state; r0 is the answer, a `Status` if below 0. Any other svc of a program is its kernel's affair.

    svc #IPC          r0 = to, r1 = from, r2, r3 = until: send, receive -> who sent (NIL: something happened; EMPTY: it is time)
    svc #TASK_NEW     -> number of a new task, its threads `thread_of(task, MAIN)` and `thread_of(task, SIGNAL)`
    svc #TASK_DELETE  r0 = task
    svc #MAP          r0 = task: the items in the registers, without a message -> how many
    svc #UNMAP        r0 = task, r1 = address there, r2 = pages, r3 = rights to take -> how many pages lost something
    svc #EXCHANGE     r0 = thread, r1 = pc, r2 = sp, r3 = `Exchange`
    svc #UTCB         r0 = virtual address of the server's message registers, `UTCB_SIZE` bytes of its RAM

All but IPC and EXCHANGE are the root task's alone, and a main thread may call nothing at all. A signal thread may receive from
`ROOT`, send to it, and force the main thread beside it.

Messages lie in the server's message registers as those to other cells do (abi/l4.py: the tag, words, words of items). An
exception is label EXCEPTION with a `TRAP` (abi/pv.py) as its words; the reply has the `CORE` registers. `until` is a point in
time, in cycles. A send phase never waits; a main thread that waits for its first message takes a reply as well, and so starts.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct

from hypervisor.abi.memory import PAGE, READ, WRITE
from hypervisor.abi.pv import CORE


class Call(IntEnum):
    """System calls of the microkernel: immediates of `svc`."""

    IPC = 0x100
    TASK_NEW = 0x101
    TASK_DELETE = 0x102
    MAP = 0x103
    UNMAP = 0x104
    EXCHANGE = 0x105
    UTCB = 0x106


class Index(IntEnum):
    """Threads of a task."""

    MAIN = 0
    SIGNAL = 1


class Exchange(IntFlag):
    """START: go on at pc with sp. FORCE: as if it had come to an exception now, of kind IRQ."""

    START = 1
    FORCE = 2


FIRST_CALL, LAST_CALL = 0x100, 0x1FF
"""These immediates are the microkernel's, whether there is such a call or not."""
ROOT_TASK = 1
_INDEX_BITS = 4


def thread_of(task: int, index: int) -> int:
    """Number of a thread.

    >>> hex(thread_of(2, Index.SIGNAL)), hex(ROOT)
    ('0x21', '0x10')
    """
    return task << _INDEX_BITS | index


def task_of(thread: int) -> int:
    """The task that a thread's number names."""
    return thread >> _INDEX_BITS


ROOT = thread_of(ROOT_TASK, Index.MAIN)
"""The server."""

TASKS_LIMIT = 128
"""Tasks of a cell, the root's included: more than a kernel of ours has processes, fewer than identifiers of an ARMv6 CPU."""

UTCB_SIZE = 256
"""The tag and 63 message registers; they lie at such a border."""
MESSAGE_REGISTERS = UTCB_SIZE // 4 - 1
TYPED_SHIFT, LABEL_SHIFT, COUNT_MASK = 6, 16, 0x3F
"""Of a tag: untyped words, words of items from bit 6 on, the label from bit 16 on."""

ITEM = Struct("<II")
"""Where the page appears | `MAP_ITEM`; where the server has it | rights (READ, WRITE of abi/memory.py)."""
MAP_ITEM = 8
ITEMS_LIMIT = (MESSAGE_REGISTERS - CORE) // 2
"""Of a reply with registers; a MAP has room for `MAP_LIMIT`."""
MAP_LIMIT = MESSAGE_REGISTERS // 2
UNMAP_LIMIT = 1024
"""Pages of one UNMAP."""
SIGNAL_PAGE, SIGNAL_SIZE = 0xF000_0000, 0x10_0000
"""What is mapped here into a task is in another domain: its signal thread finds its code here, its main thread faults."""
FOREVER = (1 << 64) - 1
"""As `until`: no end."""


def pack_item(destination: int, source: int, rights: int) -> bytes:
    """A map item.

    >>> pack_item(0x8000, 0xC0012000, READ | WRITE).hex()
    '08800000032001c0'
    """
    return ITEM.pack(destination | MAP_ITEM, source | rights)


def unpack_item(first: int, second: int) -> tuple[int, int, int] | None:
    """Destination, source, rights; None: that is no map item."""
    rights = second & (PAGE - 1)
    if first & (PAGE - 1) != MAP_ITEM or not rights & READ or rights & ~(READ | WRITE):
        return None
    return first & -PAGE, second & -PAGE, rights
