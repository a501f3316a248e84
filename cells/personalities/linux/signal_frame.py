"""What lies on the stack while a handler runs: all registers, and why the signal came.

    frame = put_frame(process, signals, SIGTERM, action, info)
    words = CONTEXT.unpack(process.space.read(frame, CONTEXT.size))

Theory: the handler returns to the restorer, which calls sigreturn, which takes the registers from the frame. The frame is that of
Linux on ARM, so that libraries and debuggers find what they expect.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from cells.personalities.linux.signal_numbers import FAULTS, SA_ONSTACK, SA_SIGINFO, SI_KERNEL, SIG_DFL

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process
    from cells.personalities.linux.signals import Signals

R0, R1, R2, R7, SP, LR, PC, PSR = 0, 1, 2, 7, 13, 14, 15, 16
PSR_USER, PSR_MODE = 0x10, 0x9F
PSR_FREE = 0xFE0F_FE20
"""What a process may change of its status: flags, GE, E, IT and Thumb (DDI 0406C, B1.3.3)."""
PSR_IT = 0x0600_FC00
WORD = 0xFFFF_FFFF

CONTEXT = struct.Struct("<5I 3I 17I I Q 120x 512x")
"""ucontext: flags, link, alternate stack (3); trap, error, old mask; r0..pc, psr; fault address; mask; room, and coprocessors."""
INFO = struct.Struct("<3i 29I")
_RETURN = struct.Struct("<4I")
_OLD_CONTEXT = 0x5AC3_C35A
"""What Linux writes as flags where no siginfo was asked for."""
FRAME_CALL, INFO_FRAME_CALL = 119, 173
DISABLE, ON_STACK = 2, 1


class Info(NamedTuple):
    """Why a signal came: `code` as SI_* or of its family; `value` is an address, a status or what sigqueue gave."""

    code: int = SI_KERNEL
    pid: int = 0
    uid: int = 0
    value: int = 0


class Action(NamedTuple):
    """What a signal does, as sigaction says."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


def info_bytes(signal: int, info: Info) -> bytes:
    """siginfo_t, 128 bytes."""
    fields: tuple[int, ...] = (info.pid, info.uid, info.value)
    if signal in FAULTS and info.code > 0:
        fields = (info.value,)
    return INFO.pack(signal, 0, info.code, *(word & WORD for word in fields), *[0] * (29 - len(fields)))


def put_frame(process: Process, signals: Signals, signal: int, action: Action, info: Info) -> int:
    """Put a frame on the stack; where it lies.

    Raises:
        Errno: there is no memory for it.
    """
    core, sp = process.core, process.core[SP]
    begin, size = signals.stack
    if action.flags & SA_ONSTACK and size and not signals.on_stack(sp):
        sp = begin + size
    head = info_bytes(signal, info) if action.flags & SA_SIGINFO else b""
    mask = signals.blocked if signals.saved is None else signals.saved
    flags = 0 if head else _OLD_CONTEXT
    where = (begin, (int(signals.on_stack(core[SP])) if size else DISABLE), size)
    psr = core[PSR] & PSR_FREE | PSR_USER
    address = info.value if signal in FAULTS else 0
    context = CONTEXT.pack(flags, 0, *where, 0, 0, mask & WORD, *core[:PSR], psr, address, mask)
    number = INFO_FRAME_CALL if head else FRAME_CALL
    code = _RETURN.pack(0xE3A0_7000 | number, 0xEF00_0000, 0, 0)  # mov r7, #number; svc #0
    data = head + context + code
    frame = (sp - len(data)) & ~7 & WORD
    process.space.write(frame, data)
    return frame
