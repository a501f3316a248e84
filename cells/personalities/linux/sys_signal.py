"""System calls about signals: what to do with them, which are held back, waiting for them, sending them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from cells.personalities.arm.errno import EAGAIN, EINTR, EINVAL, ENOMEM, EPERM, Errno
from cells.personalities.arm.wait import Interrupted, Sleeping, Wait
from cells.personalities.linux.signal_frame import DISABLE, SP, Action, info_bytes
from cells.personalities.linux.signal_numbers import LAST, SIGKILL, SIGSTOP, UNBLOCKABLE
from cells.personalities.linux.table import PARTIAL, call
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.personalities.linux.process import Process


MASK = 8
"""Bytes of a mask in the calls with rt_."""
SMALLEST_STACK = 2048
_ACTION = struct.Struct("<IIIQ")
_OLD_ACTION = struct.Struct("<IIII")
_STACK = struct.Struct("<3I")
NSEC = 1_000_000_000


def _mask(process: Process, address: int) -> int:
    return int.from_bytes(process.space.read(address, MASK), "little")


def _need_size(size: int) -> None:
    if size != MASK:
        raise Errno(EINVAL)


# ---- what to do with them


def _set_action(process: Process, signal: int, action: Action) -> None:
    """Raises:
    Errno: it cannot be caught.
    """
    if signal in (SIGKILL, SIGSTOP):
        raise Errno(EINVAL)
    signals = process.signals
    signals.actions[signal] = action
    if signals.ignores(signal):
        signals.pending.pop(signal, None)


@call(174, "rt_sigaction")
def sys_rt_sigaction(process: Process, signal: int, new: int, old: int, size: int, *_: int) -> int:
    """Set what a signal does, and tell what it did."""
    _need_size(size)
    if not 1 <= signal <= LAST:
        raise Errno(EINVAL)
    was = process.signals.action(signal)
    if new:
        handler, flags, restorer, mask = _ACTION.unpack(process.space.read(new, _ACTION.size))
        _set_action(process, signal, Action(handler, flags, restorer, mask & ~UNBLOCKABLE))
    if old:
        process.space.write(old, _ACTION.pack(was.handler, was.flags, was.restorer, was.mask))
    return 0


@call(67, "sigaction")
def sys_sigaction(process: Process, signal: int, new: int, old: int, *_: int) -> int:
    """The older form: a mask of 32 signals, in another place."""
    if not 1 <= signal <= LAST:
        raise Errno(EINVAL)
    was = process.signals.action(signal)
    if new:
        handler, mask, flags, restorer = _OLD_ACTION.unpack(process.space.read(new, _OLD_ACTION.size))
        _set_action(process, signal, Action(handler, flags, restorer, mask & ~UNBLOCKABLE))
    if old:
        process.space.write(old, _OLD_ACTION.pack(was.handler, was.mask & 0xFFFF_FFFF, was.flags, was.restorer))
    return 0


@call(186, "sigaltstack", PARTIAL, "no SS_AUTODISARM")
def sys_sigaltstack(process: Process, new: int, old: int, *_: int) -> int:
    """Where handlers with SA_ONSTACK run."""
    signals = process.signals
    used, (begin, size) = signals.on_stack(process.core[SP]), signals.stack
    if new:
        place, flags, length = _STACK.unpack(process.space.read(new, _STACK.size))
        if used:
            raise Errno(EPERM)
        if flags not in (0, 1, DISABLE):
            raise Errno(EINVAL)
        if flags != DISABLE and length < SMALLEST_STACK:
            raise Errno(ENOMEM)
    if old:
        process.space.write(old, _STACK.pack(begin, int(used) if size else DISABLE, size))
    if new:
        signals.stack = (0, 0) if flags == DISABLE else (place, length)
    return 0


@call(119, "sigreturn")
def sys_sigreturn(process: Process, *_: int) -> int:
    """Back from a handler without siginfo."""
    return process.signals.sigreturn(process, with_info=False)


@call(173, "rt_sigreturn")
def sys_rt_sigreturn(process: Process, *_: int) -> int:
    """Back from a handler with siginfo."""
    return process.signals.sigreturn(process, with_info=True)


# ---- which are held back


def _change_mask(process: Process, how: int, mask: int) -> None:
    blocked = process.signals.blocked
    masks = {0: blocked | mask, 1: blocked & ~mask, 2: mask}  # SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK
    if how not in masks:
        raise Errno(EINVAL)
    process.signals.block(process, masks[how])


@call(175, "rt_sigprocmask")
def sys_rt_sigprocmask(process: Process, how: int, new: int, old: int, size: int, *_: int) -> int:
    """Which signals wait until they are let through."""
    _need_size(size)
    was = process.signals.blocked
    if new:
        _change_mask(process, how, _mask(process, new))
    if old:
        process.space.write(old, was.to_bytes(MASK, "little"))
    return 0


@call(126, "sigprocmask")
def sys_sigprocmask(process: Process, how: int, new: int, old: int, *_: int) -> int:
    """The older form, of the first 32 signals."""
    was = process.signals.blocked
    if new:
        mask = int.from_bytes(process.space.read(new, 4), "little")
        _change_mask(process, how, mask | (was & ~0xFFFF_FFFF if how == 2 else 0))  # the others stay as they are
    if old:
        process.space.write(old, (was & 0xFFFF_FFFF).to_bytes(4, "little"))
    return 0


@call(176, "rt_sigpending")
def sys_rt_sigpending(process: Process, to: int, size: int, *_: int) -> int:
    """Which signals are held back now."""
    if size > MASK:
        raise Errno(EINVAL)
    signals = process.signals
    process.space.write(to, (signals.mask_of_pending() & signals.blocked).to_bytes(MASK, "little")[:size])
    return 0


# ---- waiting for them


@call(29, "pause")
def sys_pause(process: Process, *_: int) -> Sleeping:
    """Sleep until a handler has run."""
    while True:
        yield Wait()


@call(179, "rt_sigsuspend")
def sys_rt_sigsuspend(process: Process, mask: int, size: int, *_: int) -> Sleeping:
    """Sleep with another mask until a handler has run."""
    _need_size(size)
    process.signals.suspend(process, _mask(process, mask))
    while True:
        yield Wait()


@call(72, "sigsuspend")
def sys_sigsuspend(process: Process, _a: int, _b: int, mask: int, *_: int) -> Sleeping:
    """The older form: the mask is in the third argument itself."""
    process.signals.suspend(process, mask)
    while True:
        yield Wait()


@call(177, "rt_sigtimedwait")
def sys_rt_sigtimedwait(process: Process, mask: int, to: int, time: int, size: int, *_: int) -> Sleeping:
    """Take a signal that is held back, or wait for one."""
    _need_size(size)
    return _take(process, _mask(process, mask) & ~UNBLOCKABLE, to, _until(process, time, "<2i"))


@call(421, "rt_sigtimedwait_time64")
def sys_rt_sigtimedwait_time64(process: Process, mask: int, to: int, time: int, size: int, *_: int) -> Sleeping:
    """The form with 64-bit times."""
    _need_size(size)
    return _take(process, _mask(process, mask) & ~UNBLOCKABLE, to, _until(process, time, "<qi4x"))


def _until(process: Process, time: int, layout: str) -> int:
    """The virtual time at which a waiting ends."""
    if not time:
        return NEVER
    seconds, nanoseconds = struct.unpack(layout, process.space.read(time, struct.calcsize(layout)))
    if seconds < 0 or not 0 <= nanoseconds < NSEC:
        raise Errno(EINVAL)
    kernel = process.kernel
    cycles: int = (seconds * NSEC + nanoseconds) * kernel.hz // NSEC
    return min(kernel.now() + cycles, NEVER)


def _take(process: Process, mask: int, to: int, until: int) -> Sleeping:
    signals = process.signals
    signals.waiting = mask
    try:
        while (taken := signals.take(mask)) is None:
            if process.kernel.now() >= until:
                raise Errno(EAGAIN)
            yield Wait((signals.arrived,), until)
    except Interrupted:
        taken = signals.take(mask)
        if taken is None:
            raise Errno(EINTR) from None
    finally:
        signals.waiting = 0
    if to:
        process.space.write(to, info_bytes(*taken))
    return taken[0]
