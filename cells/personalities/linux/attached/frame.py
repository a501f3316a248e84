"""/dev/fb0: the screen as Linux's frame buffer interface has it (linux/fb.h), 320 x 240 pixels of 16 bits (5:6:5).

Its pages are those of the shared memory `framebuffer`, if the cell has one (then other cells draw into the same pages, and a
flush copies into the display's memory), else the ones that the cell shares with its display. FBIOPAN_DISPLAY shows lines
`yoffset` to `yoffset + yres` anew; it waits while two such requests are not done. A display that is not there shows all when
it comes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from cells.personalities.arm.errno import EACCES, EINVAL, ENOSPC, ENXIO, Errno
from cells.personalities.linux.attached.device import (
    WRITE,
    Device,
    DeviceFile,
    Pages,
    device_number,
    request,
    seek,
    tell,
    whole,
)
from cells.personalities.linux.file import File, WouldBlock
from cells.personalities.linux.inode import PAGE, Inode
from cells.split.asking import Asking
from cells.split.display.protocol import (
    GEOMETRY,
    HEIGHT,
    LAYOUT,
    PICTURE,
    PIXEL,
    RECTANGLE,
    STRIDE,
    WIDTH,
    Operation,
)
from cells.split.ends import Outcome, copy_cycles
from cells.split.ring import Response

FRAMEBUFFER = "framebuffer"
"""The name of the shared memory that is the screen's."""
MAJOR = 29
SIZE = HEIGHT * STRIDE
FLUSHES = 2
GET_VARIABLE, PUT_VARIABLE, GET_FIXED, PAN, BLANK = 0x4600, 0x4601, 0x4602, 0x4606, 0x4611
WAIT_FOR_SYNC = request(WRITE, "F", 0x20, 4)
FIXED = struct.Struct("<16s5I3H2xIIIIH4x2x")
"""struct fb_fix_screeninfo on 32 bits: id, memory and its size, type, its auxiliary, visual; steps of panning; bytes of a line;
registers and their size, accelerator; capabilities."""
VARIABLE = struct.Struct("<40I")
RED, GREEN, BLUE, NONE = (11, 5, 0), (5, 6, 0), (0, 5, 0), (0, 0, 0)
VISUAL_TRUE_COLOUR = 2
UNKNOWN = 0xFFFF_FFFF
"""Millimetres of the screen."""


def variable() -> bytes:
    """struct fb_var_screeninfo."""
    geometry = (WIDTH, HEIGHT, WIDTH, HEIGHT, 0, 0, 8 * PIXEL, 0)
    return VARIABLE.pack(*geometry, *RED, *GREEN, *BLUE, *NONE, 0, 0, UNKNOWN, UNKNOWN, *([0] * 16))


def fixed() -> bytes:
    """struct fb_fix_screeninfo. Where the memory lies is the kernel's business."""
    return FIXED.pack(b"cellvisor", 0, SIZE, 0, 0, VISUAL_TRUE_COLOUR, 0, 1, 0, STRIDE, 0, 0, 0, 0)


class FrameBuffer(Device):
    """The screen. `link`: the display's name, None without one; `shared`: what the cell was told of the shared memory."""

    def __init__(self, kernel: Any, link: str | None, shared: Mapping[str, Any] | None) -> None:
        super().__init__(kernel, b"fb0", device_number(MAJOR, 0))
        self._link, self._shared = link, shared
        self._asking: Asking | None = None
        self._height = 0
        self._asked_in: int | None = None
        """The life of the link in which the display was asked how large it is: once, whatever it answers."""
        self._late = False
        """Somebody wanted to show something before it was known how large the display is."""
        self.memory = memoryview(b"")
        self.pages: Pages | None = None

    def open(self, process: Any, inode: Inode, flags: int) -> File:
        """See `Device`."""
        if self.pages is None:
            self._attach(inode)
        return FrameFile(self, inode, flags)

    def _attach(self, inode: Inode) -> None:
        """The pages are there from the cell's start on."""
        connections = self.kernel.port.connections
        if self._link is not None:
            self._asking = self.asking(self._link, LAYOUT)
        if self._shared is not None:
            memory, address = connections.shared[FRAMEBUFFER], self._shared["address"]
        else:
            assert self._asking is not None
            memory, address = self._asking.link.memory[PICTURE:], self._asking.link.address + PICTURE
        if len(memory) < SIZE:
            raise Errno(ENXIO)
        self.memory = memory[:SIZE]
        size = -(-SIZE // PAGE) * PAGE
        self.pages = Pages(self.kernel, inode, address, size, writable=not memory.readonly)

    # ---- the display

    def progress(self) -> None:
        """See `Device`."""
        asking = self._asking
        if asking is None:
            return
        asking.progress()
        if not self._height and asking.link.connected and self._asked_in != asking.link.generation:
            self._asked_in = asking.link.generation
            asking.ask(Operation.IDENTIFY, b"", b"", self._identified)

    @property
    def busy(self) -> bool:
        """A display is there and has not shown all that it was given."""
        asking = self._asking
        return asking is not None and asking.link.connected and asking.outstanding > 0 and not asking.broken

    def show(self, top: int, lines: int) -> None:
        """Show these lines anew.

        Raises:
            WouldBlock: it has enough to do. Errno: EIO.
        """
        asking = self._asking
        if asking is None:
            return
        whole(asking)
        if asking.link.connected and asking.outstanding >= FLUSHES:
            raise WouldBlock(self.queue)
        start, end = top * STRIDE, (top + lines) * STRIDE
        if self._shared is not None:
            self.kernel.port.work(copy_cycles(end - start))
            asking.link.memory[PICTURE + start : PICTURE + end] = self.memory[start:end]
        self._late = not self._height
        self._flush(asking, top, min(lines, self._height - top))

    def _flush(self, asking: Asking, top: int, lines: int) -> None:
        if lines > 0 and asking.link.connected:
            asking.ask(Operation.FLUSH, RECTANGLE.pack(0, top, WIDTH, lines), b"", self._shown)

    def _identified(self, response: Response | None) -> None:
        """How many lines are this cell's."""
        if response is not None and response.status == Outcome.OK:
            self._height = min(GEOMETRY.unpack_from(response.body)[1], HEIGHT)
            if self._late and self._asking is not None:
                self._flush(self._asking, 0, self._height)
        self.changed()

    def _shown(self, _response: Response | None) -> None:
        self.changed()


class FrameFile(DeviceFile):
    """The open screen: bytes of the picture, and what ioctl does."""

    device: FrameBuffer

    @property
    def mapping(self) -> Pages | None:
        """What mmap shows."""
        return self.device.pages

    def read(self, process: Any, size: int) -> bytes:
        """Bytes at the file's offset."""
        data = self.read_at(process, self.offset, size)
        self.offset += len(data)
        return data

    def read_at(self, process: Any, offset: int, size: int) -> bytes:
        """From a place."""
        return bytes(self.device.memory[min(offset, SIZE) : min(offset + size, SIZE)])

    def write(self, process: Any, data: bytes) -> int:
        """Bytes at the file's offset."""
        went = self.write_at(process, self.offset, data)
        self.offset += went
        return went

    def write_at(self, process: Any, offset: int, data: bytes) -> int:
        """To a place."""
        memory = self.device.memory
        if memory.readonly:
            raise Errno(EACCES)
        if offset >= SIZE:
            raise Errno(ENOSPC)
        part = data[: SIZE - offset]
        memory[offset : offset + len(part)] = part
        return len(part)

    def seek(self, to: int, whence: int) -> int:
        """The new offset."""
        return seek(self, to, whence, SIZE)

    def ioctl(self, process: Any, number: int, argument: int) -> int:
        """FBIOGET_*, FBIOPAN_DISPLAY, FBIO_WAITFORVSYNC."""
        if number == GET_VARIABLE:
            return tell(process, argument, f"{VARIABLE.size}s", variable())
        if number == GET_FIXED:
            return tell(process, argument, f"{FIXED.size}s", fixed())
        if number == PAN:
            return self._pan(VARIABLE.unpack(process.space.read(argument, VARIABLE.size)))
        if number == PUT_VARIABLE:
            return self._put(VARIABLE.unpack(process.space.read(argument, VARIABLE.size)))
        if number == BLANK:
            return 0
        if number == WAIT_FOR_SYNC:
            if self.device.busy:
                raise WouldBlock(self.device.queue)
            return 0
        raise Errno(EINVAL)

    def _pan(self, wish: tuple[int, ...]) -> int:
        _, lines, _, _, left, top, *_ = wish
        if left or top >= HEIGHT:
            raise Errno(EINVAL)
        lines = min(lines or HEIGHT, HEIGHT - top)
        self.device.show(top, lines)
        return 0

    def _put(self, wish: tuple[int, ...]) -> int:
        """There is one mode."""
        if (wish[0], wish[1], wish[6]) != (WIDTH, HEIGHT, 8 * PIXEL):
            raise Errno(EINVAL)
        return 0
