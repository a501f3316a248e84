"""`cellvisor screen` and `cellvisor screenshot`: each function returns the exit status."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from types import FrameType

from hypervisor.shell.observer import Observer
from hypervisor.shell.operating import address_of
from hypervisor.shell.picture import Picture
from hypervisor.shell.problems import InputError
from hypervisor.shell.runtime_dir import Address
from hypervisor.shell.screen.tty import Tty
from hypervisor.shell.screen.viewer import Protocol, choose, view


def screen(display: str | None, which: str | None, protocol: str) -> int:
    """Show a display of a running topology in this terminal."""
    address = address_of(which)
    for number in (signal.SIGTERM, signal.SIGHUP):  # until the viewer listens to them itself
        signal.signal(number, _leave)
    with Tty() as tty:
        asyncio.run(view(address, display, Protocol(protocol), tty))
    return 0


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def screenshot(words: list[str], which: str | None) -> int:
    """Save what a display shows as a PNG. `words`: its name, if it is not the first one, and the file ("-": standard output)."""
    if len(words) > 2:
        raise InputError("screenshot: takes the name of a display and of a file (cellvisor screenshot lcd0 now.png)")
    *display, file = words
    picture = asyncio.run(_shown(address_of(which), display[0] if display else None))
    if file == "-":
        sys.stdout.buffer.write(picture.png())
        return 0
    Path(file).write_bytes(picture.png())
    print(f"{file}: {picture.width} x {picture.height}")
    return 0


async def _shown(address: Address, wanted: str | None) -> Picture:
    async with Observer(address) as run:
        display, _ = choose(await run.ask("displays"), wanted)
        sight = await run.watch(display["name"], 0)
    assert sight.scan is not None, "the first picture is another one than none"
    return sight.scan.picture()
