"""The monitor's state machine: events in, effects out, one door.

```python
effects = monitor.handle(VcpuExited(cell=0, exit=record), now=record.time)
effects = monitor.handle(Settled(), now=monitor.now)      # who runs next
```

Theory: the shell tells what happened, in the order (time, cell), and after each time `Settled()`, whereupon the monitor decides
who runs. Nothing here reads a clock, does input or output, or depends on the order in which host processes answer. The state
may be read from outside, and is changed through `handle` only.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypervisor.abi.records import Event, EventKind, Resume
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
from hypervisor.core.delivery import level, ring, take_events, written
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
from hypervisor.core.scheduler import Dispatch, Scheduler
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
        self.stop_at = NEVER
        self.between_rounds = True
        self.round_began = 0
        self._killing = False
        self._several = cores > 1
        self._quantum = quantum if cores > 1 else NEVER
        self._latency = latency if cores > 1 else 0
        self._effects: Handled = []
        self._ordered = False
        """Whether there may be orders about memory among them."""
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
            on.KillPlanned: self._on_kill_planned,
            on.StopSet: self._on_stop_set,
            on.FaultOrdered: lambda event: injected.order(self, event.cell, event.fault),
            on.Restored: lambda event: snapshot.put(self, event.state, event.known_by),
            on.Settled: self._on_settled,
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
            self.scheduler.delay(cell.vcpu, cycles)
            self.ledger.charge(cell.name, cause, cycles)

    def step(self, cell: Cell, operation: str, /, *, times: int = 1, **fields: int | str) -> None:
        """One step of a mechanism on behalf of the cell whose exit is being served: cost, ledger and trace.

        `operation` is a cause of the ledger, its cycles the flavour's; `times`: words, pages, whatever it is per.
        """
        cycles = self.costs.operations.get(operation, 0) * times
        if cycles:
            self.scheduler.delay(cell.vcpu, cycles)
        self.ledger.step(cell.name, operation, cycles, times)
        self._effects.append(_record(do.TraceRecord, (self.now, operation, cell.name, {"cycles": cycles, **fields})))

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
                self.heed_timers()

    def _on_operator(self, event: on.OperatorAsked) -> None:
        ORDERS[event.verb](self, self.cells[event.cell])

    def _on_kill_planned(self, event: on.KillPlanned) -> None:
        vcpu = self.cells[event.cell].vcpu
        vcpu.kill_at, vcpu.kill_why = event.time, event.why
        self._killing = True
        if not self._several:
            self.scheduler.round_end = min(self.scheduler.round_end, max(event.time, self.scheduler.time()))

    def _on_stop_set(self, event: on.StopSet) -> None:
        self.stop_at = event.time
        self.scheduler.round_end = min(self.scheduler.round_end, event.time)

    # ---- who runs next

    def _on_settled(self, event: on.Settled) -> None:
        while True:
            if self.finished:
                self._effects.append(do.Rest(self.scheduler.time(), "finished"))
                return
            for dispatch in self.scheduler.fill():
                self._resume(dispatch)
            if self.scheduler.running:
                self.between_rounds = not self._several
                return
            if not self.between_rounds:
                self.between_rounds = True  # the shell looks around before the next one
                return
            if not self._next_round():
                return

    def _must_act(self) -> bool:
        """A cell that is being started must say that it is ready before time goes on."""
        return any(isinstance(effect, do.StartCell) for effect in self._effects)

    def _next_round(self) -> bool:
        """Go on to the next stretch of time; False when there is nothing more to run for now."""
        reached = self.scheduler.round_end if self.scheduler.round_end < NEVER else self.scheduler.time()
        start = max(reached, min(self._next_work(), self._next_timer()))
        if start >= min(self.stop_at, NEVER):
            return self._rest(start, reached)
        self._fire_timers(start)
        if self._must_act():
            return False
        end = min(start + self._quantum, self.stop_at, self._next_timer())
        if not self._several:  # on several cores a planned death must not cut what the others do
            end = min(end, self._next_kill(after=start))
        self.round_began = start
        self.scheduler.open_round(start, max(end, start + 1))
        return True

    def _next_work(self) -> int:
        """When a vCPU wakes or dies. On several cores deaths count only while all sleep, or they would shift the rounds."""
        wake = self.scheduler.next_wake()
        if self._several and wake <= self.scheduler.time():
            return wake
        return min(wake, self._next_kill())

    def _rest(self, start: int, reached: int) -> bool:
        if self.stop_at < NEVER:
            self.scheduler.open_round(self.stop_at, self.stop_at)
            rest = do.Rest(max(self.stop_at, reached), "reached")
        else:
            rest = do.Rest(self.scheduler.time(), "asleep")
        self.now = (
            rest.time if self._several else max(self.now, rest.time)
        )  # what comes from outside comes now, not when something last happened
        self._effects.append(rest)
        return False

    def _next_timer(self) -> int:
        return min(self.bus.deadline(), self.heartbeats.next_time(), self.alarms.next_time())

    def _next_kill(self, after: int = -1) -> int:
        if not self._killing:
            return NEVER
        vcpus = [cell.vcpu for cell in self.cells if cell.vcpu.state is not RUNNING]
        return min((vcpu.kill_at for vcpu in vcpus if vcpu.kill_at > after), default=NEVER)

    def _fire_timers(self, now: int) -> None:
        self.now = now if self._several else max(self.now, now)
        self.bus.advance()
        for due in self.heartbeats.pop_due(now):
            fail(self, due.what, "heartbeat missed")
        for alarm in self.alarms.pop_due(now):
            alarm.what()
        for cell in self.cells:
            if self._must_die(cell, now):
                fail(self, cell, cell.vcpu.kill_why)

    def _must_die(self, cell: Cell, now: int) -> bool:
        """Whether a planned death is due that will not strike the vCPU where it gets a core, now or in this round."""
        vcpu = cell.vcpu
        if vcpu.kill_at > now or vcpu.state is RUNNING:
            return False
        return vcpu.kill_at < now or self._asleep(cell, now)

    @staticmethod
    def _asleep(cell: Cell, now: int) -> bool:
        return cell.vcpu.state is BLOCKED and (cell.paused or cell.vcpu.wake > now)

    def time_of_death(self, index: int, found: int) -> int:
        """When a cell died that did not run when its process was found gone; `found`: the `round_began` of that moment.

        The time is such that a death planned for it leaves the same trace. NEVER: ask again after the next round; it may
        still be given a core, and dies there.
        Requires: `between_rounds`.
        """
        cell, reached = self.cells[index], self.reached
        if not self._several:
            return max(reached, cell.vcpu.time)
        if self._asleep(cell, reached):
            return reached
        return self.round_began if self.round_began > found else NEVER  # it has waited a whole round in vain

    @property
    def reached(self) -> int:
        """The time that the whole board has reached. Requires: `between_rounds`."""
        return self.scheduler.round_end if self._several else self.scheduler.time()

    def _resume(self, dispatch: Dispatch) -> None:
        cell, core, start, until, horizon, before = dispatch
        vcpu = cell.vcpu
        if before != cell.index:
            cell.account.switches += 1
            came_from = "" if before is None else self.cells[before].name
            fields: dict[str, int | str] = {"core": core, "from": came_from, "cause": self.scheduler.cores[core].left}
            self._effects.append(_record(do.TraceRecord, (start, "switch", cell.name, fields)))
            self.ledger.charge(cell.name, "world_switch", self.costs.world_switch)
        if vcpu.pending is not None:
            expire, vcpu.pending = vcpu.pending.expire, None
            vcpu.value = to_word(expire())
        vcpu.seq += 1
        if self._killing:
            until = min(until, max(vcpu.kill_at, start + 1))
            if not self._several and self._next_kill() <= start:  # of one that hoped for this core
                until = start + 1
                self.scheduler.round_end = min(self.scheduler.round_end, until)
        if self.faults is not None and vcpu.slowness > 1:  # so that others come to their turn in time
            until = start + max((until - start) // vcpu.slowness, 1)
        events = take_events(vcpu.events) if vcpu.events else ()
        vcpu.inflight = _record(Resume, (vcpu.seq, start, until, min(horizon, until), vcpu.value, events))
        if vcpu.kill_at <= start:
            self._effects.append(do.StrikeVcpu(cell.index, core, vcpu.inflight))
            return
        if vcpu.due is not None:
            cell.account.latencies[start - vcpu.due] += 1
            vcpu.due = None
        self._effects.append(_record(do.ResumeVcpu, (cell.index, core, vcpu.inflight)))

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

    def idle_until(self, besides: object) -> int:
        """Before when this board does nothing by itself, one of its devices aside. Requires: no vCPU runs."""
        devices = (entry.device.deadline() for entry in self.bus.devices if entry.device is not besides)
        return min(self._next_work(), self.heartbeats.next_time(), self.alarms.next_time(), min(devices, default=NEVER))

    def heed_timers(self) -> None:
        """A timer may be due before the round ends. On several cores it waits for that: they cannot be called back."""
        if not self._several:
            self.scheduler.round_end = min(self.scheduler.round_end, max(self._next_timer(), self.scheduler.time()))

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
