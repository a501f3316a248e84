"""A network cable: what goes in at one end comes out at the other, a latency later.

It belongs to the device models because it is one: a function of virtual time with a deadline, that a runtime advances like
the parts at its ends. It has no registers.

    cable = Cable(wiring, latency=7_000, deliver=(nic0.receive, nic1.receive))
    cable.send(0, cycle, frame)          # from end 0; at cycle + 7_000 nic1 receives it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from devices.device import NEVER, Model, State, Wiring

Deliver = Callable[[int, bytes], None]
"""(cycle of arrival, frame): what happens at an end."""


@dataclass
class CableState(State):
    """The whole snapshot: frames under way, in the order in which they arrive."""

    arrivals: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """The end at which each arrives."""
    frames: list[bytes] = field(default_factory=list)


class Cable(Model):
    """Two ends, `latency` in cycles of the wiring's clock. Nothing is lost and nothing overtakes."""

    state: CableState
    KEPT = frozenset({"arrivals", "ends", "frames"})

    def __init__(
        self, wiring: Wiring, state: CableState | None = None, *, latency: int, deliver: tuple[Deliver, Deliver]
    ) -> None:
        if latency < 1:
            raise ValueError("nothing travels in no time")
        super().__init__(wiring, state or CableState())
        self.latency = latency
        self._deliver = deliver
        self.registers = self._bank()

    def send(self, end: int, cycle: int, frame: bytes) -> None:
        """A frame whose last bit left `end` at `cycle`."""
        self.arrive(1 - end, cycle + self.latency, frame)

    def arrive(self, end: int, cycle: int, frame: bytes) -> None:
        """Let a frame come out of `end` at `cycle`. Of two at one cycle the one told first comes first."""
        s = self.state
        place = len(s.arrivals)
        while place and s.arrivals[place - 1] > cycle:
            place -= 1
        s.arrivals.insert(place, cycle)
        s.ends.insert(place, end)
        s.frames.insert(place, frame)
        self._wiring.kick()

    def advance(self) -> None:
        """Deliver what has arrived by now."""
        s = self.state
        while s.arrivals and s.arrivals[0] <= self._wiring.clock():
            cycle, end, frame = s.arrivals.pop(0), s.ends.pop(0), s.frames.pop(0)
            self._deliver[end](cycle, frame)

    def deadline(self) -> int:
        """When the next frame arrives."""
        return self.state.arrivals[0] if self.state.arrivals else NEVER
