"""System calls of threads: futexes, and where the kernel tells that a thread has ended.

Theory: a futex is a word of memory; the kernel keeps who sleeps at it. A private one is known by its space and address (its page
may be copied while somebody sleeps), a shared one by where it lies physically. `futex_wake` wakes the first sleepers in the order
of their coming; a sleeper goes on because it was woken or because its time has come, so it need not look at the word again.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import EAGAIN, EFAULT, EINVAL, ENOSYS, ESRCH, ETIMEDOUT, Errno
from cells.personalities.arm.reach import Fault
from cells.personalities.arm.regions import WRITE
from cells.personalities.arm.wait import Queue, Sleeping, Wait
from cells.personalities.linux.table import PARTIAL, call
from cells.personalities.linux.words import signed
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process

WAIT, WAKE, _FD, REQUEUE, CMP_REQUEUE, WAKE_OP = range(6)
OPERATIONS = (
    lambda _old, word: word,
    lambda old, word: old + word,
    lambda old, word: old | word,
    lambda old, word: old & ~word,
    lambda old, word: old ^ word,
)
COMPARISONS = (
    lambda old, word: old == word,
    lambda old, word: old != word,
    lambda old, word: old < word,
    lambda old, word: old <= word,
    lambda old, word: old > word,
    lambda old, word: old >= word,
)
"""FUTEX_OP_*: what becomes of the second word, and which of its old values wake who sleeps there."""
WAIT_BITSET, WAKE_BITSET = 9, 10
PRIVATE, REALTIME = 128, 256
ALL = 0xFFFF_FFFF
NSEC = 1_000_000_000
MOST_KEPT = 256
"""Queues, before those at which nobody sleeps are looked for."""
_PAGE = 4096


def _key(process: Process, address: int, private: int) -> Any:
    """By what a futex is known.

    Raises:
        Errno: it is no word of the process's memory.
    """
    if address & 3:
        raise Errno(EINVAL)
    try:
        page = process.space.page(address & -_PAGE, WRITE)
    except Fault:
        raise Errno(EFAULT) from None
    return (process.space, address) if private else page + address % _PAGE


def _queue(process: Process, key: Any) -> Queue:
    queues: dict[Any, Queue] = process.kernel.futexes
    if len(queues) >= MOST_KEPT and key not in queues:
        for empty in [other for other, queue in queues.items() if not queue.sleepers]:
            del queues[empty]  # moved sleepers whose time has ended do not know where they were
    return queues.setdefault(key, Queue())


def _forget(process: Process, key: Any) -> None:
    """Nobody sleeps there any more."""
    queues: dict[Any, Queue] = process.kernel.futexes
    if key in queues and not queues[key].sleepers:
        del queues[key]


def _value(process: Process, address: int) -> int:
    return int.from_bytes(process.space.read(address, 4), "little")


def _deadline(process: Process, address: int, operation: int, layout: str) -> int:
    """Until when to sleep: WAIT has a time from now on, WAIT_BITSET a point in time."""
    if not address:
        return NEVER
    seconds, nanoseconds = struct.unpack(layout, process.space.read(address, struct.calcsize(layout)))
    if seconds < 0 or not 0 <= nanoseconds < NSEC:
        raise Errno(EINVAL)
    kernel = process.kernel
    cycles: int = (seconds * NSEC + nanoseconds) * kernel.hz // NSEC
    return min(cycles + (0 if operation == WAIT_BITSET else kernel.now()), NEVER)


def _wait(process: Process, key: Any, address: int, value: int, until: int) -> Sleeping:
    if _value(process, address) != value:
        raise Errno(EAGAIN)
    queue = _queue(process, key)
    try:
        yield Wait((queue,), until)
    finally:
        _forget(process, key)
    if process.kernel.now() >= until:
        raise Errno(ETIMEDOUT)
    return 0


def wake(process: Process, key: Any, most: int) -> int:
    """Wake the first sleepers; how many."""
    queues: dict[Any, Queue] = process.kernel.futexes
    queue = queues.get(key)
    chosen = list(queue.sleepers)[: max(most, 0)] if queue is not None else []
    for sleeper in chosen:
        sleeper.wake()
    _forget(process, key)
    return len(chosen)


def _requeue(process: Process, key: Any, most: int, other: Any) -> int:
    """Let sleepers wait elsewhere, so that they do not wake all at once for what only one of them can have."""
    queues: dict[Any, Queue] = process.kernel.futexes
    queue = queues.get(key)
    if queue is None or key == other:
        return 0
    moved: list[Any] = list(queue.sleepers)[: max(most, 0)]
    target = _queue(process, other)
    for sleeper in moved:
        del queue.sleepers[sleeper]
        target.sleepers[sleeper] = None
        sleeper.queues = (target,)
    _forget(process, key)
    _forget(process, other)
    return len(moved)


def _futex(process: Process, a: tuple[int, int, int, int, int, int], layout: str) -> Any:
    address, operation, value, time, other, third = a
    private, what = operation & PRIVATE, operation & ~(PRIVATE | REALTIME)
    if what in (WAIT, WAIT_BITSET):
        if what == WAIT_BITSET and not third:
            raise Errno(EINVAL)
        key = _key(process, address, private)
        return _wait(process, key, address, value, _deadline(process, time, what, layout))
    if what in (WAKE, WAKE_BITSET):
        return wake(process, _key(process, address, private), signed(value))
    if what in (REQUEUE, CMP_REQUEUE):
        if what == CMP_REQUEUE and _value(process, address) != third:
            raise Errno(EAGAIN)
        key, target = _key(process, address, private), _key(process, other, private)
        return wake(process, key, signed(value)) + _requeue(process, key, signed(time), target)
    if what == WAKE_OP:
        return _wake_two(process, address, other, signed(value), signed(time), third, private)
    raise Errno(ENOSYS)


def _wake_two(process: Process, address: int, other: int, first: int, second: int, code: int, private: int) -> int:
    """Change a second word, wake who sleeps at the first, and at the second if its old value was such."""
    keys = [_key(process, place, private) for place in (address, other)]
    operation, comparison = code >> 28 & 7, code >> 24 & 15
    if operation >= len(OPERATIONS) or comparison >= len(COMPARISONS):
        raise Errno(ENOSYS)
    word, against = (part - 4096 if part & 2048 else part for part in (code >> 12 & 4095, code & 4095))
    word = 1 << (word & 31) if code >> 31 else word
    old = signed(_value(process, other))
    process.space.write(other, (OPERATIONS[operation](old, word) & ALL).to_bytes(4, "little"))
    woken = wake(process, keys[0], first)
    return woken + wake(process, keys[1], second) if COMPARISONS[comparison](old, against) else woken


@call(240, "futex", PARTIAL, "wait, wake, requeue, WAKE_OP, the bitset forms with all bits; no priority inheritance")
def sys_futex(process: Process, a: int, b: int, c: int, d: int, e: int, f: int) -> Any:
    """Sleep at a word of memory, or wake who does."""
    return _futex(process, (a, b, c, d, e, f), "<2i")


@call(422, "futex_time64", PARTIAL, "as futex")
def sys_futex_time64(process: Process, a: int, b: int, c: int, d: int, e: int, f: int) -> Any:
    """The form with 64-bit times."""
    return _futex(process, (a, b, c, d, e, f), "<qi4x")


@call(256, "set_tid_address")
def sys_set_tid_address(process: Process, address: int, *_: int) -> int:
    """Where the thread's end is told."""
    process.clear_child_tid = address
    return process.pid


@call(338, "set_robust_list")
def sys_set_robust_list(process: Process, head: int, size: int, *_: int) -> int:
    """Locks that a dying thread may hold."""
    if size != 12:
        raise Errno(EINVAL)
    process.robust_list = head
    return 0


@call(339, "get_robust_list")
def sys_get_robust_list(process: Process, pid: int, head: int, size: int, *_: int) -> int:
    """Where that list is."""
    target = process.kernel.processes.get(pid) if pid else process
    if target is None:
        raise Errno(ESRCH)
    process.space.write(head, target.robust_list.to_bytes(4, "little"))
    process.space.write(size, (12).to_bytes(4, "little"))
    return 0


ROBUST_LIMIT = 2048
"""Locks of one list that are looked at (ROBUST_LIST_LIMIT)."""
WAITERS, OWNER_DIED, OWNER = 0x8000_0000, 0x4000_0000, 0x3FFF_FFFF


def _give_up_locks(process: Process) -> None:
    """Locks that the thread holds say from now on that their owner has died (kernel documentation, "robust futexes")."""
    head, process.robust_list = process.robust_list, 0
    if not head:
        return
    try:
        entry, offset, pending = struct.unpack("<IiI", process.space.read(head, 12))
        for _ in range(ROBUST_LIMIT):
            if entry & ~1 == head:
                break
            (following,) = struct.unpack("<I", process.space.read(entry & ~1, 4))
            if entry != pending:
                _give_up(process, (entry & ~1) + offset & ALL)
            entry = following
        if pending:
            _give_up(process, (pending & ~1) + offset & ALL)
    except Errno:
        pass  # its own doing


def _give_up(process: Process, address: int) -> None:
    value = _value(process, address)
    if value & OWNER != process.pid:
        return
    process.space.write(address, (value & WAITERS | OWNER_DIED).to_bytes(4, "little"))
    if value & WAITERS:
        for private in (0, PRIVATE):
            wake(process, _key(process, address, private), 1)


def thread_ended(process: Process) -> None:
    """Tell who waits for its end: the word is 0 now. Requires: its space is still there."""
    _give_up_locks(process)
    address, process.clear_child_tid = process.clear_child_tid, 0
    if not address:
        return
    try:
        process.space.write(address, bytes(4))
        for private in (0, PRIVATE):
            wake(process, _key(process, address, private), 1)
    except Errno:
        pass  # its own doing
