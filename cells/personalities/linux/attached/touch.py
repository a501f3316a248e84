"""/dev/input/event0: a touch screen as Linux's event interface has it (Documentation/input/event-codes.rst).

A touch is BTN_TOUCH with ABS_X and ABS_Y, each change ends with SYN_REPORT. What an open file has not read is kept, at most
`KEPT` events; then all of it is dropped, and SYN_DROPPED says so.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Any

from cells.personalities.arm.errno import EBUSY, EINVAL, ENOENT, Errno
from cells.personalities.linux.attached.device import READ, WRITE, Device, DeviceFile, device_number, request, tell
from cells.personalities.linux.file import READABLE, File, WouldBlock
from cells.personalities.linux.inode import Inode
from cells.personalities.linux.sys_time import BOOT
from cells.split.asking import Asking
from cells.split.ends import Outcome
from cells.split.input.evdev import (
    ABS_X,
    ABS_Y,
    BTN_TOUCH,
    EV_ABS,
    EV_KEY,
    EV_SYN,
    MOST,
    SYN_DROPPED,
    SYN_REPORT,
    Change,
    changes,
)
from cells.split.input.protocol import EVENT, LAYOUT, SLOTS, Event, Operation
from cells.split.ring import Response

MAJOR, FIRST_MINOR = 13, 64
NAME = b"Cellvisor touch screen\0"
RECORD = struct.Struct("<IIHHi")
"""struct input_event: seconds, microseconds, type, code, value."""
KEPT = 256
REFILLS_PER_SECOND = 500
"""So many times a driver is given requests, at most 32 each: 16,000 events in a second."""
VERSION = 0x010001
IDENTITY = (0x19, 0, 0, 1)
"""bus (BUS_HOST), vendor, product, version."""
BITS = {0: 1 << EV_SYN | 1 << EV_KEY | 1 << EV_ABS, EV_KEY: 1 << BTN_TOUCH, EV_ABS: 1 << ABS_X | 1 << ABS_Y}
PROPERTIES = 1 << 1
"""INPUT_PROP_DIRECT."""
_VERSION, _ID, _GRAB = request(READ, "E", 1, 4), request(READ, "E", 2, 8), request(WRITE, "E", 0x90, 4)
_NAME, _PLACE, _UNIQUE, _PROPERTIES, _KEYS, _BITS, _ABS = 0x06, 0x07, 0x08, 0x09, 0x18, 0x20, 0x40


class TouchScreen(Device):
    """One screen. Nothing is asked of the driver before somebody opens it."""

    def __init__(self, kernel: Any, name: str, minor: int) -> None:
        super().__init__(kernel, b"input/event%d" % minor, device_number(MAJOR, FIRST_MINOR + minor))
        self._name = name
        self._asking: Asking | None = None
        self._refilled = -kernel.hz
        self._later: Any = None
        self.down = 0
        self.at = {ABS_X: 0, ABS_Y: 0}
        self.grabbed: TouchFile | None = None

    def open(self, process: Any, inode: Inode, flags: int) -> File:
        """See `Device`."""
        if self._asking is None:
            self._asking = Asking(self.kernel.port.connections.links[self._name], LAYOUT, self.kernel.port)
        file = TouchFile(self, inode, flags)
        self.progress()
        return file

    def progress(self) -> None:
        """See `Device`. The driver always has as many requests as it can answer."""
        asking = self._asking
        if asking is None:
            return
        asking.progress()
        if asking.broken or asking.outstanding > SLOTS // 2 or self._later is not None:
            return
        kernel = self.kernel
        due = self._refilled + kernel.hz // REFILLS_PER_SECOND
        if kernel.now() < due:
            self._later = kernel.at(due, self._refill)
        else:
            self._refill()

    def _refill(self) -> None:
        """Hand over requests. A driver that answers all at once is not asked again at once: it would keep the cell busy."""
        asking = self._asking
        assert asking is not None
        self._later, self._refilled = None, self.kernel.now()
        while not asking.broken and asking.outstanding < SLOTS:
            asking.ask(Operation.NEXT, b"", b"", self._heard)

    def _heard(self, response: Response | None) -> None:
        if response is None or response.status != Outcome.OK or len(response.body) < EVENT.size:
            return
        event = Event(*EVENT.unpack_from(response.body))
        kernel = self.kernel
        second, rest = divmod(min(event.time, kernel.now()), kernel.hz)
        time = BOOT + second, rest * 1_000_000 // kernel.hz
        happened = changes(event)
        for kind, code, value in happened:
            if kind == EV_ABS:
                self.at[code] = value
            elif (kind, code) == (EV_KEY, BTN_TOUCH):
                self.down = value
        for file in self.files:
            if isinstance(file, TouchFile) and self.grabbed in (None, file):
                file.keep(time, happened)
        if happened:
            self.changed()


class TouchFile(DeviceFile):
    """An open screen: a queue of its own."""

    device: TouchScreen

    def __init__(self, device: TouchScreen, inode: Inode, flags: int) -> None:
        super().__init__(device, inode, flags)
        self._events: deque[bytes] = deque()

    def keep(self, time: tuple[int, int], changes: list[Change]) -> None:
        """What has happened."""
        if len(self._events) + len(changes) > KEPT:
            self._events.clear()
            changes = [(EV_SYN, SYN_DROPPED, 0), (EV_SYN, SYN_REPORT, 0)]
        self._events += [RECORD.pack(time[0] & 0xFFFF_FFFF, time[1], *change) for change in changes]

    def read(self, process: Any, size: int) -> bytes:
        """As many events as there are and fit."""
        if size < RECORD.size:
            raise Errno(EINVAL)
        if not self._events:
            raise WouldBlock(self.device.queue)
        return b"".join(self._events.popleft() for _ in range(min(size // RECORD.size, len(self._events))))

    def poll(self) -> int:
        """What it is ready for."""
        return READABLE if self._events else 0

    def close(self) -> None:
        """The last user has gone."""
        super().close()
        if self.device.grabbed is self:
            self.device.grabbed = None

    # ---- ioctl

    def ioctl(self, process: Any, number: int, argument: int) -> int:
        """EVIOCG*: what it is. Answers as long as asked for; the length is the call's result where Linux says so."""
        if number == _VERSION:
            return tell(process, argument, "<i", VERSION)
        if number == _ID:
            return tell(process, argument, "<4H", *IDENTITY)
        if number == _GRAB:
            return self._grab(bool(argument))
        if number >> 30 == READ and number >> 8 & 0xFF == ord("E"):
            return self._asked(process, number & 0xFF, number >> 16 & 0x3FFF, argument)
        raise Errno(EINVAL)

    def _grab(self, wanted: bool) -> int:
        device = self.device
        if wanted and device.grabbed is not None:
            raise Errno(EBUSY)
        if not wanted and device.grabbed is not self:
            raise Errno(EINVAL)
        device.grabbed = self if wanted else None
        return 0

    def _asked(self, process: Any, what: int, size: int, address: int) -> int:
        if what - _ABS in MOST:
            axis = what - _ABS
            answer = struct.pack("<6i", self.device.at[axis], 0, MOST[axis], 0, 0, 0)[:size]
            process.space.write(address, answer)
            return 0
        if what in (_PLACE, _UNIQUE):
            raise Errno(ENOENT)
        plain = {_NAME: NAME, _PROPERTIES: _bits(PROPERTIES), _KEYS: _bits(self.device.down << BTN_TOUCH)}
        if what not in plain and not 0 <= what - _BITS < 0x20:
            raise Errno(EINVAL)
        answer = plain[what] if what in plain else _bits(BITS.get(what - _BITS, 0))
        process.space.write(address, answer[:size])
        return min(len(answer), size)


def _bits(word: int) -> bytes:
    """A set of bits, in whole words of 32."""
    return word.to_bytes(max(-(-word.bit_length() // 32), 1) * 4, "little")
