"""The monitor's state machine: events in, effects out, one door.

```python
effects = monitor.handle(VcpuExited(cell=0, exit=record), now=record.time)
effects = monitor.handle(Settled(), now=monitor.now)      # who runs next
```

Theory: the shell tells what happened, in the order (time, cell), and after each time `Settled()`, whereupon the monitor decides
who runs (rounds.py). Nothing here reads a clock, does input or output, or depends on the order in which host processes answer.
The state may be read from outside, and is changed through `handle` only.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypervisor.abi.records import Event, EventKind
from hypervisor.abi.redirection import NO_REDIRECTIONS
from hypervisor.abi.status import to_word
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import NO_TRANSLATIONS
from hypervisor.core import effects as do
from hypervisor.core import events as on
from hypervisor.core import injected, mishaps, refusals, snapshot
from hypervisor.core.bus import Bus
from hypervisor.core.calls import CALLS
from hypervisor.core.calls.files import Served
from hypervisor.core.calls.streams import told
from hypervisor.core.cell import ABSENT, BLOCKED, RUNNING, Cell, CellParams, CellState, Pending, Vcpu
from hypervisor.core.costs import Costs
from hypervisor.core.delivery import level, ring, written
from hypervisor.core.errors import InvariantBroken
from hypervisor.core.exits import EXITS, KINDS, account, lie_in
from hypervisor.core.frames import FrameTable
from hypervisor.core.handover import ORDERS as MEMORY_ORDERS
from hypervisor.core.handover import MemoryOrder
from hypervisor.core.interrupts import InterruptController
from hypervisor.core.ledger import Ledger
from hypervisor.core.lives import ORDERS, expect_heartbeat, fail, start
from hypervisor.core.mechanism import Handler, Mechanism
from hypervisor.core.memory import Memory
from hypervisor.core.policies import Policy, VcpuParams
from hypervisor.core.rounds import Rounds
from hypervisor.core.scheduler import Scheduler
from hypervisor.core.timers import TimerQueue
from hypervisor.core.wiring import Wiring
from hypervisor.faults.injector import Injector

CONSOLE_LIMIT = 1 << 16
"""Typed bytes that wait for one cell; what comes above is dropped, and said so in the trace."""

_DMA = struct.Struct("<QQ")
Handled = list[do.Effect]
_record = tuple.__new__
"""A named tuple without its own `__new__`, which takes longer than all the rest of it: some are made at every exit."""


class Monitor:
    """One board: its cells, cores, memory, interrupts and physical devices.

    `quantum` and `latency` in cycles matter on several cores only: the length of a round, and the time after which what one
    core does reaches another.
    """

    def __init__(
        self,
        cells: Sequence[CellParams],
        policy: Policy,
        *,
        costs: Costs,
        frames: FrameTable,
        cores: int = 1,
        quantum: int = NEVER,
        latency: int = 0,
        lines: int = 64,
        mechanism: Callable[[Monitor, Wiring], Mechanism] = Mechanism,
        wiring: Wiring | None = None,
    ) -> None:
        self.now = 0
        self.costs = costs
        self.cells = [Cell(i, params, Vcpu(i, params.cores)) for i, params in enumerate(cells)]
        for cell in self.cells:
            policy.add(_vcpu_params(cell))
        self.scheduler = Scheduler(self.cells, cores, policy, costs.world_switch)
        self.frames = frames
        self.interrupts = InterruptController(lines)
        self.ledger = Ledger()
        self.bus = Bus()
        self.heartbeats: TimerQueue[Cell] = TimerQueue()
        self.alarms: TimerQueue[Callable[[], None]] = TimerQueue()
        """Timers that mechanisms keep for guests: what is done when one is due."""
        self.faults: Injector | None = None
        """Faults that are injected into this run (injected.py); None while none was ordered, which is all that points ask."""
        self._several = cores > 1
        self._latency = latency if cores > 1 else 0
        self._effects: Handled = []
        self._ordered = False
        """Whether there may be orders about memory among them."""
        self.rounds = Rounds(self, cores=cores, quantum=quantum)
        self._handlers: dict[type, Callable[[Any], None]] = {
            on.CellReady: self._on_ready,
            on.VcpuExited: self._on_exited,
            on.CellDied: self._on_died,
            on.Typed: self._on_typed,
            on.WindowChanged: self._on_window,
            on.InputEnded: self._on_input_ended,
            on.StreamTold: lambda event: told(self, event),
            on.DeviceTouched: self._on_touched,
            on.OperatorAsked: self._on_operator,
            on.StoreWritten: lambda event: self.mechanism.write_into_store(event.path, event.value),
            on.KillPlanned: self.rounds.kill_planned,
            on.StopSet: self.rounds.stop_set,
            on.FaultOrdered: lambda event: injected.order(self, event.cell, event.fault),
            on.Restored: lambda event: snapshot.put(self, event.state, event.known_by),
            on.Settled: self.rounds.settled,
        }
        self.memory = Memory(self)
        self.served: Served | None = None
        """Who reads the host's files for cells that have views of them."""
        self.mechanism = mechanism(self, wiring or Wiring())
        self.calls: Mapping[int, Handler] = {**CALLS, **self.mechanism.calls()}

    def handle(self, event: on.Event, now: int) -> Handled:
        """Take one event that happened at `now`; return what must be done about it. The only way to change the monitor."""
        if now > self.now or self._several:  # cores of one round are at different times
            self.now = now
        self._handlers[type(event)](event)
        effects, self._effects = self._effects, []
        return effects

    def start(self) -> Handled:
        """The effects that bring every cell up, in order."""
        for cell in self.cells:
            start(self, cell, "boot")
        effects, self._effects = self._effects, []
        return effects

    @property
    def finished(self) -> bool:
        """True when every cell has ended."""
        for cell in self.cells:  # noqa: SIM110  the first one mostly answers, and this is asked at every exit
            if not cell.ended:
                return False
        return True

    # ---- what others may ask for (hypercalls, devices)

    def post(self, cell: Cell, kind: EventKind, payload: bytes) -> None:
        """Let something happen to a cell's vCPU: now on one core, a cross-core latency later on several."""
        vcpu, time = cell.vcpu, self.now + self._latency
        if self._hears(cell):
            if kind is EventKind.LINE:
                level(vcpu.events, Event(time, kind, payload))
            else:
                vcpu.events.append(Event(time, kind, payload))
            self._rouse(cell, time)

    def ring(self, cell: Cell, source: int, bits: int) -> None:
        """Notify a cell's vCPU: `source` is a slot or port of its own; what waits already is merged."""
        vcpu, time = cell.vcpu, self.now + self._latency
        if self._hears(cell):
            ring(vcpu.events, time, source, bits)
            self._rouse(cell, time)

    def wrote(self, cell: Cell, address: int, length: int) -> None:
        """Tell a cell's vCPU that its memory was written by somebody else: it may hold code. That wakes nobody."""
        if self._hears(cell):
            time = self.now + self._latency
            event, everything = (
                Event(time, EventKind.DMA, _DMA.pack(*range_))
                for range_ in ((address, length), (self.frames.base, cell.params.ram))
            )
            written(cell.vcpu.events, event, everything)

    def nudge(self, cell: Cell) -> None:
        """Have a vCPU that sleeps run for a moment: it takes note of what waits for it. One that waits in a call stays there."""
        if cell.vcpu.state is BLOCKED and cell.vcpu.pending is None and self._hears(cell):
            self._rouse(cell, self.now + self._latency)

    @staticmethod
    def _hears(cell: Cell) -> bool:
        return not cell.ended and cell.state is not CellState.STARTING

    def _rouse(self, cell: Cell, time: int) -> None:
        vcpu = cell.vcpu
        if vcpu.state is not BLOCKED:
            return
        if vcpu.pending is None:
            vcpu.wake = min(vcpu.wake, time)
        elif vcpu.pending.interrupted is not None:
            self.answer(cell, vcpu.pending.interrupted())

    def spend(self, cell: Cell, cause: str, cycles: int) -> None:
        """Let a mechanism's cost pass on the core of the cell whose exit is being served."""
        if cycles:
            self.ledger.charge(cell.name, cause, self.scheduler.delay(cell.vcpu, cause, cycles))

    def step(self, cell: Cell, operation: str, /, *, times: int = 1, **fields: int | str) -> None:
        """One step of a mechanism on behalf of the cell whose exit is being served: cost, ledger and trace.

        `operation` is a cause of the ledger, its cycles the flavour's; `times`: words, pages, whatever it is per.
        """
        each = self.costs.operations.get(operation, 0)
        cycles = each * times
        self.ledger.step(cell.name, operation, self._passed(cell, operation, cycles, each) if cycles else 0, times)
        self._effects.append(_record(do.TraceRecord, (self.now, operation, cell.name, {"cycles": cycles, **fields})))

    def _passed(self, cell: Cell, operation: str, cycles: int, each: int) -> int:
        """Of a step's cycles those that pass now; the others are owed, and charged when they are paid."""
        piece = self.costs.pieces.get(operation)
        if piece is None:
            return self.scheduler.delay(cell.vcpu, operation, cycles)
        look = self.rounds.looks_up(self.scheduler.cores[cell.vcpu.core].time)
        return self.scheduler.delay(cell.vcpu, operation, cycles, piece or each, look)

    def reply(self, cell: Cell, data: bytes) -> None:
        """Bytes that go with the answer of the call that is being served or answered; they come before all other events."""
        if self.faults is not None:
            data = injected.replied(self, cell, data)
        cell.vcpu.events.insert(0, Event(cell.vcpu.time, EventKind.ANSWER, data))

    def suspend(
        self,
        cell: Cell,
        what: str,
        until: int,
        expire: Callable[[], int],
        interrupted: Callable[[], int] | None = None,
    ) -> int:
        """The call being served has no answer yet: the vCPU waits in it until `answer`, or until `until`, when `expire` says
        what it gets; with `interrupted`, also until anything else happens to it. The result stands for none:
        `return monitor.suspend(...)`.
        """
        vcpu = cell.vcpu
        vcpu.pending = Pending(what, expire, interrupted)
        if vcpu.state is BLOCKED:  # it is being held
            vcpu.wake = max(until, vcpu.time)
        else:
            self.scheduler.block(vcpu, max(until, vcpu.time), self.now)
        return 0

    def answer(self, cell: Cell, value: int, data: bytes | None = None) -> None:
        """Answer the call in which the cell's vCPU waits. Requires: it waits in one."""
        vcpu, time = cell.vcpu, self.now + self._latency
        if vcpu.pending is None or vcpu.state is not BLOCKED:
            raise InvariantBroken(f"{cell.name} waits for no answer")
        vcpu.pending, vcpu.value = None, to_word(value)
        if data is not None:
            self.reply(cell, data)
        vcpu.wake = max(time, vcpu.time)

    def set_line(self, line: int, level: bool) -> None:
        """A physical device drives its line: the controller decides, the owner's controller is told."""
        if level and self.faults is not None and mishaps.line_is_lost(self, line):
            return
        if self.interrupts.set_level(line, level) or not level:  # a masked line rises unheard
            self.tell_level(line, level)

    def tell_level(self, line: int, level: bool) -> None:
        """Hand a line's level on to the interrupt controller of the cell that owns the device behind it."""
        for entry in self.bus.devices:
            if entry.line == line and entry.owner is not None and not self.cells[entry.owner].ended:
                cell = self.cells[entry.owner]
                if self.mechanism.interrupt(cell, line, level):
                    continue
                number = line if entry.cell_line is None else entry.cell_line
                self.post(cell, EventKind.LINE, struct.pack("<IB", number, level))
                if level:  # that it falls is seen in passing
                    self.ledger.charge(cell.name, "virq", self.costs.virq)
                self.note("irq", cell, line=line, level=int(level), cause=entry.name)

    def refused(self, cell: Cell, what: str, why: str) -> None:
        """Write down that a cell was refused something."""
        refusals.count(cell.account.refusals, what, why)
        self.note("refused", cell, what=what, why=why)

    # ---- events

    def _on_ready(self, event: on.CellReady) -> None:
        cell = self.cells[event.cell]
        vcpu = cell.vcpu
        cell.state, cell.why = CellState.RUNNING, ""
        vcpu.time, vcpu.cycles, vcpu.insns, vcpu.interrupts, vcpu.value = self.now, 0, 0, 0, 0
        vcpu.translations, vcpu.redirections = NO_TRANSLATIONS, NO_REDIRECTIONS
        vcpu.events.clear()
        vcpu.pending = None
        self.scheduler.wake(vcpu, self.now)
        expect_heartbeat(self, cell)
        cause = "boot" if not cell.account.restarts else "restart"
        self.note("start", cell, cause=cause, **({"image": cell.params.digest} if cell.params.digest else {}))
        self.memory.cell_ready(cell)
        self.mechanism.cell_ready(cell)

    def _on_exited(self, event: on.VcpuExited) -> None:
        cell, record = self.cells[event.cell], event.exit
        vcpu, resume = cell.vcpu, cell.vcpu.inflight
        if resume is None or vcpu.state is not RUNNING:
            raise InvariantBroken(f"{cell.name} exited without having been resumed")
        self.scheduler.stopped(vcpu, resume.start, record.time, KINDS[record.kind])
        account(self, cell, record, resume.start)
        lie = lie_in(vcpu, record, resume)
        if lie:
            fail(self, cell, f"protocol: {lie}")
            return
        if record.output:
            cell.account.output += len(record.output)
            self._effects.append(do.ShowOutput(cell.index, record.output))
        if cell.on_stop is not None:
            cell.on_stop()
        if cell.paused:
            self.scheduler.block(vcpu, NEVER, self.now)
        if vcpu.pending is None:
            vcpu.value = 0
        EXITS[record.kind](self, cell, record)

    def _on_died(self, event: on.CellDied) -> None:
        fail(self, self.cells[event.cell], event.why)

    def _on_typed(self, event: on.Typed) -> None:
        cell = self.cells[event.cell]
        waiting = len(cell.typed) + sum(len(e.payload) for e in cell.vcpu.events)
        if cell.ended or waiting + len(event.data) > CONSOLE_LIMIT:
            self.note("dropped", cell, bytes=len(event.data), cause="console input queue")
            return
        if self.mechanism.takes_typed(cell):  # it has no UART: it is rung, and asks
            cell.typed += event.data
            self.mechanism.typed(cell)
        else:
            self.post(cell, EventKind.CONSOLE, event.data)

    def _on_window(self, event: on.WindowChanged) -> None:
        if event.cell in self.mechanism.wiring.personalities:  # a UART knows of no window
            self.post(self.cells[event.cell], EventKind.WINDOW, struct.pack("<HH", event.rows, event.columns))

    def _on_input_ended(self, event: on.InputEnded) -> None:
        if event.cell in self.mechanism.wiring.personalities:
            self.post(self.cells[event.cell], EventKind.END, b"")

    def _on_touched(self, event: on.DeviceTouched) -> None:
        for entry in self.bus.owned_by(event.cell):
            if entry.name == event.device and entry.receive is not None:
                entry.receive(event.data)
                self.rounds.heed_timers()

    def _on_operator(self, event: on.OperatorAsked) -> None:
        ORDERS[event.verb](self, self.cells[event.cell])

    # ---- what lives, exits and calls use

    def emit(self, effect: do.Effect) -> None:
        """Order something from the shell."""
        self._effects.append(effect)
        self._ordered |= isinstance(effect, MEMORY_ORDERS)

    def withdraw_orders(self) -> list[MemoryOrder]:
        """Take the orders about memory that nobody has seen yet out of the effects, to have them carried out at once."""
        if not self._ordered:
            return []
        self._ordered = False
        orders = [effect for effect in self._effects if isinstance(effect, MEMORY_ORDERS)]
        self._effects = [effect for effect in self._effects if not isinstance(effect, MEMORY_ORDERS)]
        return orders

    def show_faults(self, injector: Injector) -> None:
        """Let the parts that have points of their own ask it."""
        self.frames.faults = injector
        self.mechanism.show_faults(injector)

    def note(self, kind: str, cell: Cell, **fields: int | str) -> None:
        """Have something about a cell written into the trace."""
        self._effects.append(_record(do.TraceRecord, (self.now, kind, cell.name, fields)))

    def check_invariants(self) -> None:
        """Look at everything that must always hold.

        Raises:
            InvariantBroken: with the story of what does not.
        """
        self.scheduler.check_invariants()
        self.frames.check_invariants()
        self.memory.check_invariants()
        self.interrupts.check_invariants()
        self.heartbeats.check_invariants()
        self.alarms.check_invariants()
        self.mechanism.check_invariants()
        for cell in self.cells:
            vcpu = cell.vcpu
            if (vcpu.inflight is not None) != (vcpu.state is RUNNING):
                raise InvariantBroken(f"{cell.name} is {vcpu.state} with inflight {vcpu.inflight}")
            if cell.ended and (vcpu.state is not ABSENT or vcpu.events):
                raise InvariantBroken(f"{cell.name} has ended and still has a vCPU")
            if cell.state is CellState.SHUT_DOWN and cell.segment is not None:
                raise InvariantBroken(f"{cell.name} has shut down and still owns memory")


def _vcpu_params(cell: Cell) -> VcpuParams:
    params = cell.params
    turns = (params.priority, params.budget, params.period, params.cores, params.weight, params.cap)
    return VcpuParams(cell.index, params.name, *turns)
