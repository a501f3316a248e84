"""rseq: pieces of code that begin anew if somebody else ran, or a signal came, before they were done.

Theory (kernel documentation, "Restartable Sequences"): a thread names an area of its memory; the kernel keeps the CPU's number
there, which is always 0 here, and looks at a pointer in it whenever the thread may have been interrupted. If that names a
sequence in which the program counter is, the thread goes on at the place that the sequence gives for this, which must have the
thread's signature in front of it; if not, it has broken the rules and is ended by SIGSEGV.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cells.personalities.arm.errno import EBUSY, EINVAL, EPERM, Errno
from cells.personalities.linux.process import PC
from cells.personalities.linux.table import FULL, call
from hypervisor.abi.pv import PSR_THUMB

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process

SIZE, LEAVE = 32, 1
AREA, SEQUENCE = struct.Struct("<IIQI"), struct.Struct("<IIQQQ")
"""struct rseq: CPU at the start, CPU, pointer, flags; struct rseq_cs: version, flags, start, length, where to go on."""
UNKNOWN = 0xFFFF_FFFF
SIGSEGV, SEGV_MAPERR = 11, 1
WORD = 0xFFFF_FFFF


@call(398, "rseq", FULL)
def sys_rseq(process: Process, address: int, size: int, flags: int, signature: int, *_: int) -> int:
    """Name the area, or take it back."""
    here, before = process.sequence
    if flags & ~LEAVE or (flags & LEAVE and (not here or here != address or size != SIZE)):
        raise Errno(EINVAL)
    if here:
        if signature != before and address == here:
            raise Errno(EPERM)
        if not flags & LEAVE:
            raise Errno(EBUSY if address == here and size == SIZE else EINVAL)
        process.space.write(address, struct.pack("<II", 0, UNKNOWN))
        process.sequence = (0, 0)
        return 0
    if address % SIZE or size != SIZE or not address:
        raise Errno(EINVAL)
    process.space.write(address, struct.pack("<II", 0, 0))
    process.sequence = (address, signature)
    return 0


def interrupted(process: Process) -> None:
    """Others may have run, or a signal has come. Requires: the thread has an area."""
    address, signature = process.sequence
    try:
        _, _, pointer, _ = AREA.unpack(process.space.read(address, AREA.size))
        if not pointer:
            return
        version, _, start, length, place = SEQUENCE.unpack(process.space.read(pointer & WORD, SEQUENCE.size))
        if (process.core[PC] - start) & WORD < length:
            (before,) = struct.unpack("<I", process.space.read((place - 4) & WORD, 4))
            if version or before != signature or place >= 1 << 32:
                raise Errno(EINVAL)
            process.core[PC] = place & (~1 if process.core[16] & PSR_THUMB else ~3)
        process.space.write(address + 8, bytes(8))
    except Errno:
        process.sequence = (0, 0)
        process.signals.fault(process, SIGSEGV, SEGV_MAPERR, address)
