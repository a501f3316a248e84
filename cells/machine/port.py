"""The port of a machine's cell: through it the virtual devices of a kernel reach the cell's connections.

Theory: a virtual device works in its guest's time. What it computes is time of the vCPU, and a call of the monitor is an exit of
the vCPU, made from inside the guest's access or between two runs of its code.

```python
port = MachinePort(machine.engine.vcpu, machine.leave, name="linux", hz=hz, seed=1, boot=boot, memory=shared)
port.begin(world)
link = port.connections.links["storage"]
```
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from cells.port import Port
from hypervisor.abi.records import EventKind, ExitKind
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.lockstep import Lockstep
    from cells.memory import CellMemory


class Leave(Protocol):
    """An exit of the machine: stops for the monitor, returns its answer."""

    def __call__(
        self, kind: int, arguments: tuple[int, int, int, int], deadline: int = NEVER, data: bytes = b""
    ) -> int:
        """See `Machine`."""
        ...


class MachinePort(Port):
    """See above. `leave` is the machine's way out; it keeps the vCPU's offset."""

    def __init__(
        self,
        vcpu: Any,
        leave: Leave,
        *,
        name: str,
        hz: int,
        seed: int,
        boot: Mapping[str, Any],
        memory: CellMemory | None,
    ) -> None:
        self._vcpu = vcpu
        self._leave = leave
        super().__init__(cast("Lockstep", _Before()), name=name, hz=hz, seed=seed, boot=boot, memory=memory)

    def begin(self, world: Lockstep) -> None:
        """Time begins, and the cell's connections are made."""
        self._world = world
        _ = self.connections

    @property
    def _time(self) -> int:
        time: int = self._vcpu.cycles + self._vcpu.offset
        return time

    @_time.setter
    def _time(self, time: int) -> None:
        """It is the machine's."""

    def work(self, cycles: int) -> None:
        """See `Port`: it is the vCPU's time."""
        vcpu = self._vcpu
        while cycles > (room := self._world.end - self._time):
            vcpu.cycles += max(room, 0)
            cycles -= max(room, 0)
            if not cycles:
                return
            self._leave(ExitKind.BUDGET, (0, 0, 0, 0))
        vcpu.cycles += cycles

    def heard(self, kind: int, source: int, bits: int) -> None:
        """A notification, or the coming or going of a partner."""
        (self.on_notify if kind == EventKind.NOTIFY else self.on_peer)(source, bits)

    def _exit(
        self, kind: int, arguments: tuple[int, int, int, int] = (0, 0, 0, 0), deadline: int = NEVER, data: bytes = b""
    ) -> int:
        return self._leave(kind, arguments, deadline, data)


class _Before:
    """The world before it begins."""

    start = end = horizon = 0
