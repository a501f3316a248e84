"""Cells without processes: scripted vCPUs behind the loop's `Host` interface, for tests of monitor and loop.

A script is a generator function `script(vcpu)` that yields what an honest guest would do: `vcpu.work(n)`, `vcpu.wait(t)`,
`vcpu.call(number, ...)`. Time overshoots the end by up to `block` cycles, as blocks of real code do.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from hypervisor.abi.records import Exit, ExitKind, Resume
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import Cell, CellParams
from hypervisor.core.costs import Costs
from hypervisor.core.frames import FrameTable
from hypervisor.core.mechanism import Mechanism
from hypervisor.core.monitor import Monitor
from hypervisor.core.policies import Policy, make_policy
from hypervisor.core.wiring import Wiring
from hypervisor.shell.inputs import Input, InputLog, ReplayInputs
from hypervisor.shell.loop import Loop
from hypervisor.shell.loop_ports import HostTrouble
from hypervisor.shell.trace import Trace
from tests.support.memory import BytesMemory

Script = Callable[["ScriptedVcpu"], Generator[Exit, None, None]]


class ScriptedVcpu:
    """What a script sees: the time, the last answer, the events so far."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.time = self.ran = 0
        self.resume = Resume(0, 0, 0, 0, 0)
        self.events: list[Any] = []

    def exit(self, kind: int, deadline: int = NEVER, output: bytes = b"", **arguments: int) -> Exit:
        return Exit(self.resume.seq, kind, self.time, self.ran, deadline, output=output, insns=self.ran, **arguments)

    def work(self, cycles: int) -> Generator[Exit, None, None]:
        left = cycles
        while left > 0:
            room = self.resume.end - self.time
            if room <= 0:
                yield self.exit(ExitKind.BUDGET)
                continue
            step = min(left, -(-room // self.block) * self.block)
            self.time, self.ran, left = self.time + step, self.ran + step, left - step

    def wait(self, until: int) -> Generator[Exit, None, None]:
        while self.time < until and not self.events:
            if until <= self.resume.horizon:
                self.time = until
            else:
                yield self.exit(ExitKind.WAIT, deadline=until)

    def call(self, number: int, a1: int = 0, a2: int = 0, a3: int = 0, data: bytes = b"") -> Generator[Exit, None, int]:
        yield self.exit(ExitKind.HYPERCALL, a0=number, a1=a1, a2=a2, a3=a3)._replace(data=data)
        return self.resume.value

    def say(self, text: bytes) -> Generator[Exit, None, None]:
        yield self.exit(ExitKind.OUTPUT, output=text)


class ScriptedHost:
    """One cell. `die_at`: the process dies during the first resume that starts at or after this time."""

    def __init__(self, script: Script, *, block: int = 7, die_at: int = NEVER) -> None:
        self._script, self._block, self.die_at = script, block, die_at
        self.resumes: list[Resume] = []
        self.alive = self.starved = False
        self.lives = 0

    def start(self) -> None:
        self.vcpu = ScriptedVcpu(self._block)
        self._steps = self._script(self.vcpu)
        self.alive, self.lives = True, self.lives + 1

    def await_hello(self) -> None:
        pass

    def end(self, *, keep: bool) -> None:
        self.alive = False

    def resume(self, record: Resume) -> None:
        self.resumes.append(record)
        vcpu = self.vcpu
        vcpu.resume, vcpu.time = record, record.start
        vcpu.events += record.events

    def wait(self) -> Exit:
        if self.vcpu.resume.start >= self.die_at and self.lives == 1:
            raise HostTrouble("killed")
        try:
            return next(self._steps)
        except StopIteration:
            return self.vcpu.exit(ExitKind.SHUTDOWN)

    def ended(self) -> bool:
        return False

    def how_it_ended(self) -> str:
        return "killed"


class Bench:
    """A monitor with scripted cells and its loop."""

    def __init__(
        self,
        scripts: dict[str, Script],
        *,
        policy: str | Policy = "round_robin",
        slice_cycles: int = 1_000,
        cores: int = 1,
        quantum: int = 500,
        latency: int = 500,
        costs: Costs | None = None,
        params: dict[str, dict[str, Any]] | None = None,
        die_at: dict[str, int] | None = None,
        replay: ReplayInputs | None = None,
        log: InputLog | None = None,
        inputs: Callable[[Loop], Sequence[Input]] | None = None,
        block: int = 7,
        mechanism: Callable[[Monitor, Wiring], Mechanism] = Mechanism,
        wiring: Wiring | None = None,
    ) -> None:
        more = params or {}
        cells = [
            CellParams(name, **{"ram": 4096, "cores": tuple(range(cores)), **more.get(name, {})}) for name in scripts
        ]
        chosen = make_policy(policy, slice_cycles=slice_cycles) if isinstance(policy, str) else policy
        self.monitor = Monitor(
            cells,
            chosen,
            costs=costs or Costs(),
            frames=FrameTable(1 << 20, 0),
            cores=cores,
            quantum=quantum,
            latency=latency,
            mechanism=mechanism,
            wiring=wiring,
        )
        self.hosts = {
            name: ScriptedHost(script, block=block, die_at=(die_at or {}).get(name, NEVER))
            for name, script in scripts.items()
        }
        self.trace = Trace(None)
        self.output: dict[str, bytes] = dict.fromkeys(scripts, b"")
        self.loop = Loop(
            self.monitor,
            list(self.hosts.values()),
            self.trace,
            log or InputLog(None),
            show=self._show,
            poll=lambda: list(inputs(self.loop)) if inputs else [],
            replay=replay,
            memory=BytesMemory.under(self.monitor),
        )
        self.loop.boot()

    def _show(self, cell: Cell, data: bytes) -> None:
        self.output[cell.name] += data

    def cell(self, name: str) -> Cell:
        return next(cell for cell in self.monitor.cells if cell.name == name)

    def until(self, time: int) -> str:
        rest = self.loop.run_until(time)
        self.monitor.check_invariants()
        return rest.why
