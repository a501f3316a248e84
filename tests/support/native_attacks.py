"""Raw system calls of hostile native code, many in one cell: what the filter has to refuse, and what it lets pass.

`REFUSED`: each is a call with arguments that would do harm; it has to fail with EPERM, that is, by the sandbox and not by chance.
`MISCHIEF`: calls that a cell may make, used against others; what came of it is looked at from outside (attacked_monitor.py).
`LAST_DEEDS`: those that cost the attacker its life. Numbers are those of x86-64; see the manual pages of section 2.
"""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import mmap
import os
import signal
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.attacks import system_call

Bait = Mapping[str, Any]

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_PATH = ctypes.create_string_buffer(b"/proc/self/fd/3")
_ROOM = ctypes.create_string_buffer(4096)
_WORDS = ctypes.create_string_buffer(struct.pack("<8Q", *[0xFF] * 8))
PAGE = 4096
O_APPEND, O_ASYNC = 0o2000, 0o20000
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x1000_0000, 0x2_0000, 0x2000_0000, 0x4000_0000

# (name, number, arguments): a text names something of the bait, all else is as it is.
TABLE: tuple[tuple[str, int, tuple[object, ...]], ...] = (
    # Other processes.
    ("read another's memory", 310, ("victim", _WORDS, 1, _WORDS, 1, 0)),
    ("write another's memory", 311, ("victim", _WORDS, 1, _WORDS, 1, 0)),
    ("write the monitor's memory", 311, ("monitor", _WORDS, 1, _WORDS, 1, 0)),
    ("advise about another's memory", 440, ("victim_pidfd", _WORDS, 1, 4, 0)),
    ("reap another's memory", 448, ("victim_pidfd", 0)),
    ("open the monitor as a descriptor", 434, ("monitor", 0)),
    ("take a descriptor of another", 438, ("victim_pidfd", 3, 0)),
    ("signal the monitor through a descriptor", 424, ("monitor_pidfd", signal.SIGKILL, 0, 0)),
    ("kill another", 62, ("victim", signal.SIGKILL)),
    ("kill the monitor", 62, ("monitor", signal.SIGKILL)),
    ("kill a thread of the monitor", 200, ("monitor", signal.SIGKILL)),
    ("kill a thread of another by its group", 234, ("victim", "victim", signal.SIGKILL)),
    ("queue a forged signal", 129, ("victim", signal.SIGKILL, _ROOM)),
    ("queue a forged signal to a thread", 297, ("victim", "victim", signal.SIGKILL, _ROOM)),
    ("compare with the monitor's secrets", 312, ("monitor", "monitor", 0, 0, 0)),
    ("trace another", 101, (0x4206, "victim", 0, 0)),
    ("be traced", 101, (0, 0, 0, 0)),
    ("pin another elsewhere", 203, ("victim", 8, _WORDS)),
    ("reschedule the monitor", 144, ("monitor", 3, _WORDS)),
    ("reschedule the monitor by attributes", 314, ("monitor", _ROOM, 0)),
    ("slow the monitor down", 141, (0, "monitor", 19)),
    ("slow the monitor's disk down", 251, (1, "monitor", 3 << 13)),
    ("limit the monitor", 302, ("monitor", 7, _WORDS, 0)),
    ("move the monitor's pages", 256, ("monitor", 8, _WORDS, _WORDS)),
    ("page the monitor about", 279, ("monitor", 1, _WORDS, _WORDS, _WORDS, 0)),
    ("join the monitor's group", 109, (0, "monitor")),
    ("find the monitor's robust list", 274, ("monitor", _ROOM, _ROOM)),
    # Its own powers.
    ("raise its own limit", 160, (7, _WORDS)),
    ("be dumped again", 157, (4, 1, 0, 0, 0)),
    ("be traceable by all", 157, (0x59616D61, -1, 0, 0, 0)),
    ("outlive the zygote", 157, (1, 0, 0, 0, 0)),
    ("move its own memory map", 157, (35, 1, 0, 0, 0)),
    ("adopt orphans", 157, (36, 1, 0, 0, 0)),
    ("set its securebits", 157, (28, 0, 0, 0, 0)),
    ("change its personality", 135, (0x004_0000,)),
    ("change its segments", 158, (0x1002, 0)),
    ("have a descriptor table of its own", 154, (1, _ROOM, 16)),
    ("have the ports", 172, (3,)),
    ("add a filter", 317, (1, 0, _ROOM)),
    ("add a rule to landlock", 445, (3, 1, _ROOM, 0)),
    ("be root", 105, (0,)),
    ("have capabilities", 126, (_WORDS, _WORDS)),
    ("lock memory", 149, (_ROOM, PAGE)),
    ("lock memory on fault", 325, (_ROOM, PAGE, 1)),
    ("have keys for memory", 330, (0, 0)),
    ("make memory run by its key", 329, (_ROOM, PAGE, 4, -1)),
    ("remap a file's pages", 216, (_ROOM, PAGE, 0, 0, 0)),
    # More of itself, and what the kernel keeps for it.
    ("fork", 57, ()),
    ("fork and share", 58, ()),
    ("clone a process", 56, (signal.SIGCHLD, 0, 0, 0, 0)),
    ("clone into namespaces", 56, (CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | signal.SIGCHLD, 0, 0, 0, 0)),
    ("leave its namespaces", 272, (CLONE_NEWUSER | CLONE_NEWNET,)),
    ("enter the monitor's namespaces", 308, ("monitor_pidfd", CLONE_NEWNS)),
    ("run a file", 59, (_PATH, 0, 0)),
    ("run a descriptor", 322, ("memory", ctypes.create_string_buffer(b""), 0, 0, 0x1000)),
    ("handle page faults", 323, (0x80001,)),
    ("have a ring of requests", 425, (8, _ROOM)),
    ("enter a ring of requests", 426, (3, 1, 0, 0, 0)),
    ("load a program into the kernel", 321, (0, _ROOM, 128)),
    ("count events of the kernel", 298, (_ROOM, 0, -1, -1, 0)),
    ("watch a directory", 254, (3, _PATH, 2)),
    ("be told of files", 300, (0, 0)),
    ("have a key ring", 250, (1, 0, 0, 0, 0)),
    ("add a key", 248, (_ROOM, _ROOM, _ROOM, 1, -3)),
    ("ask for a key", 249, (_ROOM, _ROOM, 0, -3)),
    ("have a message queue", 240, (ctypes.create_string_buffer(b"q"), 0o102, 0o600, 0)),
    ("have a message queue of old", 68, (0, 0o1600)),
    ("have shared memory of old", 29, (0, 1 << 20, 0o1600)),
    ("have semaphores of old", 64, (0, 8, 0o1600)),
    ("have a timer", 222, (0, 0, _ROOM)),
    ("have a timer as a descriptor", 283, (0, 0)),
    ("be alarmed", 37, (1,)),
    ("have an event descriptor", 290, (0, 0)),
    ("have a pipe", 293, (_ROOM, 0)),
    ("have a memory file", 319, (_PATH, 0)),
    ("have secret memory", 447, (0,)),
    # Files, by name and by descriptor.
    ("open a descriptor anew for writing", 257, (-100, _PATH, os.O_RDWR, 0)),
    ("open by a handle", 304, (3, _ROOM, 0)),
    ("link a descriptor into a directory", 265, (-100, _PATH, -100, _ROOM, 0x400)),
    ("change the root", 161, (_PATH,)),
    ("mount", 165, (_PATH, _PATH, 0, 0, 0)),
    ("shrink a segment", 77, ("memory", 0)),
    ("punch holes into a segment", 285, ("memory", 3, 0, PAGE)),
    ("change a segment's mode", 91, ("memory", 0o777)),
    ("give a segment away", 93, ("memory", 0, 0)),
    ("write at a place", 18, ("memory", _ROOM, 8, 0)),
    ("copy between files", 326, ("memory", 0, "memory", 0, 8, 0)),
    ("send a file", 40, ("memory", "memory", 0, 8)),
    ("splice", 275, ("memory", 0, "memory", 0, 8, 0)),
    ("map memory into a pipe", 278, (1, _WORDS, 1, 8)),
    ("lock a file", 73, ("memory", 2)),
    ("write a file out", 74, ("memory",)),
    ("make the disk read ahead", 187, ("memory", 0, 1 << 30)),
    ("append from now on", 72, ("memory", 4, O_APPEND)),
    ("signal by a file", 72, ("memory", 4, O_ASYNC)),
    ("have others signalled", 72, ("memory", 8, "monitor")),
    ("have others signalled, in detail", 72, ("memory", 15, _WORDS)),
    ("choose the signal", 72, ("memory", 10, signal.SIGKILL)),
    ("lock a record", 72, ("memory", 6, _ROOM)),
    ("lock a record for the file", 72, ("memory", 37, _ROOM)),
    ("lease", 72, ("memory", 1024, 0)),
    ("be told of a directory", 72, ("memory", 1026, 1)),
    ("seal", 72, ("memory", 1033, 4)),
    ("hint at lifetimes", 72, ("memory", 1036, _WORDS)),
    # Sockets.
    ("have a socket", 41, (socket.AF_INET, socket.SOCK_STREAM, 0)),
    ("talk to the kernel", 41, (16, socket.SOCK_RAW, 0)),
    ("have raw frames", 41, (17, socket.SOCK_RAW, 0x300)),
    ("have a virtual socket", 41, (40, socket.SOCK_STREAM, 0)),
    ("have a crypto socket", 41, (38, 5, 0)),
    ("have a pair of sockets", 53, (1, 1, 0, _ROOM)),
    ("connect its socket elsewhere", 42, ("spare", _ROOM, 16)),
    ("bind its socket", 49, ("spare", _ROOM, 16)),
    ("listen", 50, ("spare", 1)),
    ("take a connection", 43, ("spare", 0, 0)),
    ("give its socket options", 54, ("spare", 1, 8, _WORDS, 4)),
    ("shut a socket down", 48, ("spare", 2)),
    ("receive many at once", 299, ("spare", _ROOM, 1, 0, 0)),
    # Terminals.
    ("type on the terminal", 16, (0, 0x5412, _WORDS)),
    ("take the terminal", 16, (0, 0x540E, 1)),
    ("paste on the terminal", 16, (0, 0x541C, _WORDS)),
    ("be signalled by a device", 16, (0, 0x5452, _WORDS)),
    ("have a device signal others", 16, (0, 0x8901, _WORDS)),
    ("hang the terminal up", 153, ()),
    # The host.
    ("set the clock", 227, (0, _WORDS)),
    ("slow the clock", 159, (_ROOM,)),
    ("read the kernel's log", 103, (3, _ROOM, 4096)),
    ("account for all", 163, (0,)),
    ("swap on", 167, (_PATH, 0)),
    ("load a module", 313, (3, _ROOM, 0)),
    ("have barriers on every processor", 324, (1, 0, 0)),
)


def refusals(bait: Bait) -> dict[str, str]:
    """What became of each call of the table: the name of its error, or "got through"."""
    return {name: _outcome(number, arguments, bait) for name, number, arguments in TABLE}


def _outcome(number: int, arguments: tuple[object, ...], bait: Bait) -> str:
    try:
        system_call(number, *(bait[word] if isinstance(word, str) else word for word in arguments))
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    return "got through"


# What a cell may do, against others.


def _map(descriptor: int, protection: int, length: int = PAGE) -> int:
    address = _libc.mmap(None, length, protection, mmap.MAP_SHARED, descriptor, 0)
    if address in (None, -1, (1 << 64) - 1):
        raise OSError(ctypes.get_errno(), "mmap")
    return int(address)


def write_what_it_may_only_read(bait: Bait) -> str:
    """Map for writing; map for reading and then change that; drop the pages; write by call."""
    held = _map(bait["readable"], mmap.PROT_READ)
    tries: tuple[Callable[[], object], ...] = (
        lambda: _map(bait["readable"], mmap.PROT_READ | mmap.PROT_WRITE),
        lambda: system_call(10, held, PAGE, 3),
        lambda: system_call(28, held, PAGE, 9),  # MADV_REMOVE
        lambda: system_call(28, held, PAGE, 23),  # MADV_POPULATE_WRITE
        lambda: system_call(28, held, PAGE, 100),  # MADV_HWPOISON
        lambda: os.write(bait["readable"], b"x"),
        lambda: system_call(25, held, 0, PAGE, 1, 0),  # mremap: a second view of it, which is as the first
    )
    return " ".join(_fails(attempt) for attempt in tries)


def _fails(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def hold_the_monitor_by_a_futex(bait: Bait) -> str:
    """Words that name the monitor's thread as their owner: the kernel would lend it priorities, and pass locks on at its end."""
    held = _map(bait["memory"], 3)
    word = ctypes.c_uint32.from_address(held + 64)
    soon = ctypes.create_string_buffer(struct.pack("<2q", 0, 1_000_000))
    found = []
    for operation in (6, 13):  # FUTEX_LOCK_PI, FUTEX_LOCK_PI2
        word.value = bait["monitor"]
        found.append(_fails(lambda operation=operation: system_call(202, held + 64, operation, 0, soon, 0, 0)))
    word.value = 0
    found.append(_fails(lambda: system_call(202, held + 64, 4, 1, 100, held + 128, 0)))  # requeue whoever waits
    found.append(_fails(lambda: system_call(202, held + 64, 1, 1 << 30, 0, 0, 0)))  # wake everybody
    return " ".join(found)


def hide_descriptors_in_flight(bait: Bait) -> str:
    """Send every descriptor that it has over its own socket, again and again, that socket too."""
    with socket.socket(fileno=os.dup(bait["spare"])) as way:
        way.setblocking(False)
        held = array.array("i", [bait["memory"], bait["readable"], bait["spare"]] * 20)
        sent = 0
        try:
            for _ in range(1000):
                way.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, held)])
                sent += 1
        except OSError as error:
            return f"{errno.errorcode[error.errno or 0]} after {sent > 0}"
        return "never full"


def take_every_descriptor(bait: Bait) -> str:
    """Duplicate until there is no more."""
    held: list[int] = []
    try:
        while len(held) < 4096:
            held.append(fcntl.fcntl(bait["memory"], fcntl.F_DUPFD_CLOEXEC, 0))
    except OSError as error:
        return f"{errno.errorcode[error.errno or 0]} below {(max(held, default=0) // 64 + 1) * 64}"
    finally:
        for descriptor in held:
            os.close(descriptor)
    return "never full"


def move_the_common_position(bait: Bait) -> str:
    """Seek, in a file that others have open."""
    return str(os.lseek(bait["memory"], 8 * PAGE, os.SEEK_SET))


def block_nothing_for_others(bait: Bait) -> str:
    """Change by ioctl whether reading waits."""
    fcntl.ioctl(bait["spare"], 0x5421, struct.pack("i", 1))
    return "ok"


def nest_pollers(_bait: Bait) -> str:
    """Pollers that look at pollers: none can be made."""
    return _fails(lambda: system_call(291, 0))


def start_threads_by_hand(_bait: Bait) -> str:
    """The flags of a thread pass the filter; the limit of processes does not let it be."""
    stack = ctypes.create_string_buffer(1 << 16)
    return _fails(lambda: system_call(56, 0x3D0F00 & ~0x1100000, ctypes.addressof(stack) + 60000, 0, 0, 0))


MISCHIEF: dict[str, Callable[[Bait], str]] = {
    function.__name__: function
    for function in (
        write_what_it_may_only_read,
        hold_the_monitor_by_a_futex,
        hide_descriptors_in_flight,
        take_every_descriptor,
        move_the_common_position,
        block_nothing_for_others,
        nest_pollers,
        start_threads_by_hand,
    )
}


def mischief(bait: Bait) -> dict[str, str]:
    """What became of each."""
    found = {}
    for name, deed in MISCHIEF.items():
        try:
            found[name] = deed(bait)
        except OSError as error:
            found[name] = f"failed: {errno.errorcode.get(error.errno or 0, '')}"
    return found


# What ends the one who does it. Code that was put in place before the sandbox closed stands for a guest's translated code.

INT_80 = bytes.fromhex("b814000000 cd80 c3".replace(" ", ""))
"""mov eax, 20; int 0x80; ret: getpid by the calls of a 32-bit process, which have other numbers."""


_code = mmap.mmap(-1, PAGE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def prepared(deed: str, bait: Bait) -> Callable[[], object]:
    """Everything that the deed needs, before the door is closed; what to do afterwards."""
    code = _code
    code.write(INT_80)
    run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    return LAST_DEEDS[deed](bait, run)


def _call_as_32_bit(_bait: Bait, run: Callable[[], int]) -> Callable[[], object]:
    return run


def _call_by_x32(_bait: Bait, _run: object) -> Callable[[], object]:
    return lambda: system_call(0x4000_0000 + 62, os.getppid(), signal.SIGKILL)


def _die_holding_shared_words(bait: Bait, _run: object) -> Callable[[], object]:
    """A robust list that goes round in circles through memory which others have: the kernel walks it when the process ends."""

    def deed() -> None:
        held = _map(bait["memory"], 3)
        for place in range(64, 1088, 32):
            following = held + 64 + (place - 32) % 1024
            ctypes.memmove(held + place, struct.pack("<QI", following, 0x4000_0000), 12)
        head = ctypes.create_string_buffer(struct.pack("<QqQ", held + 64, 8, held + 64))
        system_call(273, head, 24)
        os._exit(0)

    return deed


def _overflow_its_stack(_bait: Bait, _run: object) -> Callable[[], object]:
    def deed() -> None:
        system_call(131, ctypes.create_string_buffer(struct.pack("<QiiQ", 8, 0, 0, 4096)), 0)
        ctypes.memset(16, 0, 8)

    return deed


def _die_by_a_nameless_signal(_bait: Bait, _run: object) -> Callable[[], object]:
    return lambda: _libc.syscall(234, os.getpid(), os.getpid(), 40)


def _raise_every_signal(_bait: Bait, _run: object) -> Callable[[], object]:
    def deed() -> None:
        for number in range(1, 65):
            for _ in range(1000):
                _libc.syscall(234, os.getpid(), os.getpid(), number)

    return deed


LAST_DEEDS: dict[str, Callable[[Bait, Any], Callable[[], object]]] = {
    "call as a 32-bit process": _call_as_32_bit,
    "call by the second door of x32": _call_by_x32,
    "die holding words that others share": _die_holding_shared_words,
    "fault without a stack": _overflow_its_stack,
    "die by a signal without a name": _die_by_a_nameless_signal,
    "raise every signal a thousand times": _raise_every_signal,
}
