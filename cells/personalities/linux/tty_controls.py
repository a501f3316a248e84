"""What ioctl can ask of a terminal. Numbers: asm-generic/ioctls.h.

CONTROLS[TCGETS](terminal, process, address)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.errno import EINVAL, ENOTTY, Errno
from cells.personalities.linux.discipline import MODES

if TYPE_CHECKING:
    from cells.personalities.linux.tty import Terminal

WINDOW = struct.Struct("<4H")
SIGTTOU, SIGWINCH = 22, 28


def _get_modes(terminal: Terminal, process: Any, at: int) -> None:
    process.space.write(at, terminal.modes)


def _set_modes(terminal: Terminal, process: Any, at: int) -> None:
    modes = process.space.read(at, MODES.size)
    terminal.check(process, SIGTTOU)
    terminal.modes = bytes(modes)


def _set_modes_flushed(terminal: Terminal, process: Any, at: int) -> None:
    terminal.check(process, SIGTTOU)
    terminal.flush()
    _set_modes(terminal, process, at)


def _flush(terminal: Terminal, _process: Any, which: int) -> None:
    if which not in (0, 1, 2):
        raise Errno(EINVAL)
    if which != 1:
        terminal.flush()


def _flow(terminal: Terminal, _process: Any, action: int) -> None:
    if action not in (0, 1, 2, 3):
        raise Errno(EINVAL)
    if action < 2:
        terminal.stop(action == 0)


def _acquire(terminal: Terminal, process: Any, _argument: int) -> None:
    terminal.acquire(process)


def _drop(terminal: Terminal, process: Any, _argument: int) -> None:
    terminal.give_up(process)


def _get_foreground(terminal: Terminal, process: Any, at: int) -> None:
    if process.session != terminal.session:
        raise Errno(ENOTTY)
    process.space.write(at, struct.pack("<i", terminal.foreground))


def _put_foreground(terminal: Terminal, process: Any, at: int) -> None:
    terminal.set_foreground(process, *struct.unpack("<i", process.space.read(at, 4)))


def _get_session(terminal: Terminal, process: Any, at: int) -> None:
    if process.session != terminal.session:
        raise Errno(ENOTTY)
    process.space.write(at, struct.pack("<i", terminal.session))


def _get_window(terminal: Terminal, process: Any, at: int) -> None:
    process.space.write(at, terminal.window)


def _set_window(terminal: Terminal, process: Any, at: int) -> None:
    terminal.set_window(bytes(process.space.read(at, WINDOW.size)))


def _input_size(terminal: Terminal, process: Any, at: int) -> None:
    process.space.write(at, struct.pack("<i", terminal.available()))


def _output_size(_terminal: Terminal, process: Any, at: int) -> None:
    process.space.write(at, bytes(4))


def _type(terminal: Terminal, process: Any, at: int) -> None:
    terminal.typed(bytes(process.space.read(at, 1)))


def _nothing(_terminal: Terminal, _process: Any, _argument: int) -> None:
    """What is written is written at once: there is nothing to drain."""


CONTROLS: dict[int, Callable[[Terminal, Any, int], None]] = {
    0x5401: _get_modes,
    0x5402: _set_modes,
    0x5403: _set_modes,
    0x5404: _set_modes_flushed,
    0x5409: _nothing,  # TCSBRK
    0x540A: _flow,
    0x540B: _flush,
    0x540C: _nothing,  # TIOCEXCL
    0x540D: _nothing,  # TIOCNXCL
    0x540E: _acquire,
    0x540F: _get_foreground,
    0x5410: _put_foreground,
    0x5411: _output_size,
    0x5412: _type,
    0x5413: _get_window,
    0x5414: _set_window,
    0x541B: _input_size,
    0x5422: _drop,
    0x5425: _nothing,  # TCSBRKP
    0x5429: _get_session,
}
"""asm-generic/ioctls.h."""
MASTER_TOO = frozenset({0x5401, 0x5402, 0x5403, 0x5404, 0x5409, 0x540A, 0x540B, 0x5411, 0x5413, 0x5414, 0x5425})
"""Those that the master of a pseudo-terminal may ask (pty.py)."""
