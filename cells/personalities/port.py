"""The port of a cell whose time is its ARM engine's: connections, links, split front ends and console inside a personality.

```python
port = PersonalityPort(cpu.vcpu, spec, shared)   # before the sandbox closes; `shared`: the cell's CellMemory, or None
def run(world):                                  # the guest's life (cells/runtime.py)
    port.begin(world)
    other = port.mail["linux"]                   # messages, by the peer's name (mail.py): never waits
    while True:
        port.take()                              # what has happened up to now; messages come and go
        while (message := other.receive()) is not None: ...
        if port.settle():                        # the slice is over, or there is much output: the monitor has had it
            continue
        if something_can_run:
            vcpu.limit = min(port.until() - vcpu.offset, vcpu.cycles + quantum)
            cpu.run()
        else:
            port.idle(next_timer)                # sleep until then, or until anything happens
```

Theory: `Port` counts its own time; here time is `vcpu.cycles + vcpu.offset`, so that what ARM code runs, what the personality
charges (`work`) and what calls of the monitor take are one account. An exit from inside a system call lets others run: then
`offset` changes, and `vcpu.limit` becomes 0, so that whoever runs ARM code looks again when it should stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from cells.faults import arm_points
from cells.personalities.mail import Mail
from cells.port import Port
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import OUTPUT_LIMIT, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import CARRIERS

if TYPE_CHECKING:
    from cells.lockstep import Lockstep
    from cells.memory import CellMemory
    from cells.personalities.arm.spec import ArmSpec

SPARE_PAGES = 12
"""Pages at the end of a connected cell's RAM beside those of its links: xen's shared page, the store's ring, grant tables and
arguments of hypercalls (cells/xen: at most 4 + GRANT_FRAMES)."""


def reserved(boot: Mapping[str, Any]) -> int:
    """Bytes at the end of its RAM that a cell needs for its connections (`CellMemory.allocate` gives them out).

    >>> reserved({})
    0
    """
    if not boot:
        return 0
    links: int = sum(told["size"] for told in boot.get("links", ()))
    return links + (SPARE_PAGES + len(boot.get("channels", ()))) * PAGE


class PersonalityPort(Port):
    """See above. `account`: what exits that carry nothing else tell (`redirection.Account.pack`)."""

    def __init__(
        self, vcpu: Any, spec: ArmSpec, memory: CellMemory | None = None, account: Callable[[], bytes] = bytes
    ) -> None:
        self._vcpu = vcpu
        self._account = account
        self._mail: Mail | None = None
        self.on_faults: Callable[[list[bytes]], None] = _ignore
        """Who does injected faults to the ARM CPU."""
        self._beat = spec.heartbeat
        self._next_beat = 0 if self._beat else NEVER
        before = cast("Lockstep", _Before())
        super().__init__(before, name=spec.name, hz=spec.hz, seed=spec.seed, boot=spec.boot, memory=memory)

    def begin(self, world: Lockstep) -> None:
        """Time begins. Whoever has partners is told of them from here on."""
        self._world = world
        self._time = world.start
        if self.boot:
            _ = self.mail

    @property
    def mail(self) -> Mail:
        """The message channels."""
        if self._mail is None:
            self._mail = Mail(self)
        return self._mail

    # ---- time

    @property
    def _time(self) -> int:
        time: int = self._vcpu.cycles + self._vcpu.offset
        return time

    @_time.setter
    def _time(self, time: int) -> None:
        self._vcpu.offset = time - self._vcpu.cycles

    @property
    def time(self) -> int:
        """As `now`; to look costs nothing."""
        return self._time

    def work(self, cycles: int) -> None:
        """See `Port`: it is the ARM CPU that computes."""
        if cycles < 0:
            raise ValueError(f"cannot work {cycles} cycles")
        vcpu = self._vcpu
        while cycles > (room := self._world.end - self._time):
            step = max(room, 0)
            vcpu.cycles += step
            cycles -= step
            if not cycles:
                return
            self._exit(ExitKind.BUDGET)
        vcpu.cycles += cycles

    def until(self) -> int:
        """How long ARM code may run at most: the end of the slice, or the next thing that happens."""
        return min(self._world.end, self._world.next_event(), self._next_beat)

    def settle(self) -> bool:
        """Stop for the monitor if the slice is over or output has to go; whether that was so."""
        if self._time >= self._world.end:
            self._exit(ExitKind.BUDGET)
        elif self.crowded:
            self._exit(ExitKind.OUTPUT)
        else:
            return False
        return True

    def take(self) -> None:
        """Hear what has happened up to now; say that this cell is alive, when that is due."""
        if self._time >= self._next_beat:
            self.heartbeat()
            self._next_beat = self._time + self._beat
        self._take()
        if self._mail is not None:
            self._mail.look()

    def idle(self, until: int = NEVER) -> None:
        """Nothing can run: sleep until anything happens to this cell, or `until`. Output that waits goes out first."""
        until = min(until, self._next_beat)
        if self._mail is not None:
            self._mail.wait(until)
        else:
            self._wait(until)

    def mark(self, identity: int, times: int, counts: bytes) -> None:
        """A program has marked a place: tell the monitor what was counted up to here (hypervisor/abi/counts.py)."""
        self._exit(ExitKind.MARK, (identity, times, 0, 0), data=counts)

    # ---- console

    def emit(self, data: bytes) -> None:
        """Bytes to the console, at no cost; they go with the next exit. `crowded` says that there are enough of them."""
        self._output += data
        if self.crowded:
            self._vcpu.limit = 0

    @property
    def crowded(self) -> bool:
        """More output waits than one exit carries: whoever prints should wait."""
        return len(self._output) >= OUTPUT_LIMIT

    def typed(self) -> bytes:
        """What was typed since the last call, at no cost."""
        typed = bytes(self._typed)
        self._typed.clear()
        return typed

    # ---- the world switch

    def shut_down(self, status: int = 0) -> None:
        """See `Port`; what waits goes out first, and the last word of the account with it."""
        if self._mail is not None:
            self._mail.last_words()
        self._exit(ExitKind.OUTPUT)
        while self._output:
            self._exit(ExitKind.OUTPUT)
        self._exit(ExitKind.HYPERCALL, (Hypercall.SHUTDOWN, status & 0xFFFF_FFFF, 0, 0))

    def _wait(self, until: int) -> None:
        """See `Port`; output does not wait while the cell sleeps."""
        self._take()
        wake = min(until, self._world.next_event())
        if wake <= self._time:
            return
        if wake <= self._world.horizon and not self._output:
            self._time = wake
        else:
            self._exit(ExitKind.WAIT, deadline=wake)
        self._take()

    def _exit(
        self, kind: int, arguments: tuple[int, int, int, int] = (0, 0, 0, 0), deadline: int = NEVER, data: bytes = b""
    ) -> int:
        world, vcpu = self._world, self._vcpu
        output = bytes(self._output[:OUTPUT_LIMIT])
        del self._output[:OUTPUT_LIMIT]
        cycles = vcpu.cycles
        if kind in CARRIERS:
            data = self._account()
        value = world.exit(kind, cycles + vcpu.offset, cycles, deadline, arguments, (vcpu.insns, 0), output, data)
        vcpu.offset = world.start - cycles
        vcpu.limit = 0
        if world.faults:
            arm_points(self, world.faults)
            self.on_faults(world.faults)
        return value


def _ignore(_faults: list[bytes]) -> None:
    """There is no ARM CPU that could be harmed."""


class _Before:
    """The world before it begins."""

    start = end = horizon = 0
    faults: list[bytes] = []  # noqa: RUF012  nothing comes to it
