"""The cell with the user interface: its wishes become starts, stops and touches, and it hears what becomes of them.

Theory: the user interface is Linux's, which asks for an applet by a message (survey, Fig. 9 and the text above it) and sees
its pictures in the frame buffer that both have. Messages come from another cell: one that makes no sense is dropped. Frames
are counted, so that of those that find no room only the last one matters.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from cells.personalities.brew.codes import Code
from cells.personalities.brew.method import Rect
from cells.port import RefusedError
from cells.programs.phone.messages import Kind, Message, Rectangle

if TYPE_CHECKING:
    from cells.personalities.brew.system import System
    from cells.personalities.mail import Box

PEER = "linux"
"""The cell of the user interface, if there is a channel to one of this name."""
AT_ONCE, WAITING = 16, 64
"""Messages that are taken in one go, and that wait to go out."""


class Remote:
    """The other end of the channel."""

    def __init__(self, system: System, box: Box) -> None:
        self._system, self._box = system, box
        self._out: deque[Message] = deque(maxlen=WAITING)
        self._out.append(Message(Kind.STOPPED))  # who knew an earlier life hears of its end
        self._frame = 0
        self._down = self._more = False
        system.on_started = self._started
        system.on_stopped = self._stopped
        system.screen.on_frame = self._framed

    def look(self) -> None:
        """Take what came, send what waits."""
        self._more = True
        for _ in range(AT_ONCE):
            data = self._receive()
            if data is None:
                self._more = False
                break
            self._take(data)
        while self._out and self._send(self._out[0]):
            self._out.popleft()
        if self._frame and not self._out and self._send(Message(Kind.FRAME, self._frame)):
            self._frame = 0

    @property
    def pending(self) -> bool:
        """There is something to do here at once."""
        return self._more or (bool(self._out or self._frame) and self._box.can_send and not self._box.gone)

    def _receive(self) -> bytes | None:
        try:
            return self._box.receive()
        except RefusedError:
            return None

    def _send(self, message: Message) -> bool:
        try:
            return self._box.send(message.pack())
        except RefusedError:  # nobody is there to hear it
            return True

    # ---- what comes

    def _take(self, data: bytes) -> None:
        try:
            message = Message.unpack(data)
            act = {Kind.HELLO: self._hello, Kind.START: self._start, Kind.STOP: self._stop, Kind.TOUCH: self._touch}
            act[Kind(message.kind)](message)
        except (ValueError, KeyError):
            return

    def _hello(self, _message: Message) -> None:
        active = self._system.active
        self._out.append(Message(Kind.STARTED, active, 1) if active else Message(Kind.STOPPED))

    def _start(self, message: Message) -> None:
        at = Rectangle.of(message.b, message.c)
        if not self._system.later(self._begin, message.a, Rect(*at)):
            self._started(message.a, False)

    def _begin(self, class_id: int, at: Rect) -> None:
        self._system.screen.place(at)
        self._system.start(class_id)

    def _stop(self, message: Message) -> None:
        self._system.later(self._close, message.a)

    def _close(self, class_id: int) -> None:
        self._system.close(class_id or self._system.active)

    def _touch(self, message: Message) -> None:
        moved = self._down and message.c
        self._down = bool(message.c)
        code = Code.POINTER_MOVE if moved else Code.POINTER_DOWN if message.c else Code.POINTER_UP
        self._system.later(self._system.send_front, code, 0, message.a & 0xFFFF | (message.b & 0xFFFF) << 16)

    # ---- what becomes of it

    def _started(self, class_id: int, runs: bool) -> None:
        self._out.append(Message(Kind.STARTED, class_id, int(runs)))

    def _stopped(self, class_id: int, why: str) -> None:
        self._out.append(Message(Kind.STOPPED, class_id, text=why.encode()[:48].decode(errors="ignore")))

    def _framed(self, count: int) -> None:
        self._frame = count & 0xFFFF_FFFF
