"""The network as the phone meets it: a base station that pages, challenges, and carries voice.

    network = Network(rtos, triplets)
    network.on_event = lambda what, number: ...       # in the time of an interrupt
    network.begin()                                   # the base station's clock runs from here on

Theory: what is on the air happens at its own times, whatever the phone does. So the model is driven by timers of the kernel whose
handlers run above all tasks, and judges by the times that the air has and not by when a handler came to run. A page is sent
only in the phone's own slot and again in the next one while nobody has read it. Each 20 ms frame of voice goes down with
its number and a checksum; the answer to frame n has to be here before frame n + 1 goes down, else it is lost, as is one
whose checksum is wrong. Challenges come with the answer that is expected, as from a home network to a visited one: no key
is here.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, NamedTuple

from cells.personalities.rtos.objects import Timer
from cells.programs.amss.call import What

if TYPE_CHECKING:
    from cells.personalities.rtos.guest import Rtos

FRAME, PAGING = "20ms", "470769us"
"""A frame of every GSM speech codec (3GPP TS 46.001); two 51-multiframes of 235.4 ms, the shortest paging cycle (3GPP TS
45.002)."""
PAYLOAD = 31
"""Bytes of a frame of speech: 244 bits of the enhanced full rate codec (3GPP TS 46.060)."""
FRAMES_KEPT = 2
"""Frames that the phone's receiver keeps: one that is read and one that comes. Assumed."""
ANSWERS_AFTER = "800ms"
"""How long the other side rings before somebody answers: assumed."""
BUSY = "0"
"""Numbers that begin so are busy, always."""
LEVELS = 5
"""Bars of signal: 0 to 4."""
_FRAME = struct.Struct(f"<I{PAYLOAD}sI")


class Triplet(NamedTuple):
    """A challenge and the answer that the network expects."""

    nonce: bytes
    expected: bytes


@dataclass
class VoiceCount:
    """What became of the frames of a call. `latency`: of the slowest answer, in cycles."""

    sent: int = 0
    answered: int = 0
    lost: int = 0
    spoilt: int = 0
    latency: int = 0


def frame(number: int, payload: bytes) -> bytes:
    """A frame of voice with its checksum."""
    return _FRAME.pack(number, payload, zlib.crc32(payload, number))


def content(data: bytes) -> tuple[int, bytes] | None:
    """Number and payload of a frame; None if it was spoilt on its way."""
    if len(data) != _FRAME.size:
        return None
    number, payload, checksum = _FRAME.unpack(data)
    return (number, payload) if zlib.crc32(payload, number) == checksum else None


class Network:
    """The base station. `down`: frames that wait in the phone's receiver."""

    def __init__(self, rtos: Rtos, triplets: Sequence[Triplet]) -> None:
        self.rtos = rtos
        self.voice = VoiceCount()
        self.total = VoiceCount()
        """Of all calls."""
        self.down: deque[bytes] = deque(maxlen=FRAMES_KEPT)
        self.on_frame: Callable[[int], object] = lambda time: None
        self.on_event: Callable[[What, str], object] = lambda what, number: None
        self._triplets, self._challenge = triplets, 0
        self._frame, self._began, self._number = rtos.cycles(FRAME), 0, 0
        self._outstanding = 0
        """Frames of which the answer has not come; at most the last one is still in time."""
        self._calling = ""
        self._timers = {
            name: rtos.timer(f"network {name}", function)
            for name, function in {"frame": self._frame_goes_down, "answer": self._taken}.items()
        }

    # ---- paging

    def ring(self, number: str) -> None:
        """Somebody calls: from now on the phone is paged."""
        self._calling = number

    def drop(self) -> None:
        """The other side hangs up."""
        self._calling = ""
        self.on_event(What.DROPPED, "")

    def page(self) -> str:
        """What is said in the phone's slot: who calls, "" if nobody. Said once it is heard."""
        number, self._calling = self._calling, ""
        return number

    # ---- calls

    def challenge(self) -> Triplet:
        """The next challenge."""
        triplet = self._triplets[self._challenge % len(self._triplets)]
        self._challenge += 1
        return triplet

    def verify(self, triplet: Triplet, mac: bytes) -> bool:
        """Whether the answer to a challenge is right."""
        return compare_digest(triplet.expected, mac)

    def set_up(self, number: str) -> None:
        """Call somebody."""
        if number.startswith(BUSY):
            self.on_event(What.BUSY, "")
        else:
            self._timers["answer"].start(ANSWERS_AFTER)

    def _taken(self) -> None:
        self.on_event(What.TAKEN, "")

    def release(self) -> None:
        """The call is over."""
        for timer in self._timers.values():
            timer.stop()
        self.down.clear()
        self._outstanding = 0

    # ---- voice

    def connect(self) -> None:
        """Voice begins: the first frame goes down now."""
        self.voice = VoiceCount()
        self._began, self._number, self._outstanding = self.rtos.now(), 0, 0
        timer: Timer = self._timers["frame"]
        timer.start(0, FRAME)

    def _frame_goes_down(self) -> None:
        """Frame n, at the time that it has on the air; what came too late, came not at all."""
        due = self._began + self._number * self._frame
        self._lose(self._outstanding)
        payload = self.rtos.random.randbytes(PAYLOAD)
        self.down.append(frame(self._number, payload))
        self._number += 1
        self._outstanding = 1
        self._count("sent")
        self.on_frame(due)

    def up(self, data: bytes) -> None:
        """The phone's answer to a frame: it counts if it is whole, of the last frame, and in time."""
        found = content(data)
        if found is None or found[0] != self._number - 1 or not self._outstanding:
            self._count("spoilt")
            return
        self._outstanding = 0
        latency = self.rtos.now() - (self._began + found[0] * self._frame)
        if latency > self._frame:
            self._lose(1)
            return
        self._count("answered")
        for count in (self.voice, self.total):
            count.latency = max(count.latency, latency)

    def _lose(self, frames: int) -> None:
        for count in (self.voice, self.total):
            count.lost += frames
        if frames:
            self.rtos.report("voice_lost", self.total.lost)

    def _count(self, what: str) -> None:
        for count in (self.voice, self.total):
            setattr(count, what, getattr(count, what) + 1)
