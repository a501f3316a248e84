"""The shell's loop: carries out the monitor's effects and feeds it what happens, in a fixed order.

One turn: take what came from outside, let the monitor settle who runs, wait until every running vCPU has stopped, and hand
over the exit with the lowest (time, cell). Since nothing is handled before all have stopped, the order does not depend on
which host process answered first.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import deque
from collections.abc import Callable, Sequence

from hypervisor.abi.faults import Armed
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.streams import StreamCall
from hypervisor.abi.time import NEVER
from hypervisor.core import effects as do
from hypervisor.core import events as on
from hypervisor.core.cell import Cell
from hypervisor.core.handover import ORDERS, MemoryOrder
from hypervisor.core.lives import KILLED
from hypervisor.core.monitor import Monitor
from hypervisor.shell.input_events import event_of
from hypervisor.shell.inputs import Input, InputKind, InputLog, ReplayInputs
from hypervisor.shell.loop_ports import Host, HostMemory, HostTrouble, NoRoom, Streams
from hypervisor.shell.trace import Trace

RUNNING = b"running"
"""What inputs.jsonl says of a death that struck a running vCPU: it is replayed at the exit, not between turns."""


_SETTLED = on.Settled()
_MARK = int(ExitKind.MARK)


class Struck(str):
    """The end of a cell that was planned: not an input, for the plan was one."""

    __slots__ = ()


PLANNED = (InputKind.UNTIL, InputKind.KILL_AT, InputKind.DIED, InputKind.INJECT)
"""Inputs that are not in the trace by themselves: plans show when they come true, a death stands there planned or not."""


def _no_harm(_fault: Armed) -> None:
    """There is nothing of the host that an injected fault could break."""


class Loop:
    """Runs one monitor. `show(cell, bytes)` gets console output, `keep(cell, picture)` pictures that cells took; `poll()` returns
    inputs that came from outside; `harm(fault)` breaks something of the host."""

    def __init__(
        self,
        monitor: Monitor,
        hosts: Sequence[Host],
        trace: Trace,
        log: InputLog,
        *,
        show: Callable[[Cell, bytes], None],
        poll: Callable[[], list[Input]],
        replay: ReplayInputs | None = None,
        memory: HostMemory | None = None,
        keep: Callable[[Cell, do.KeepPicture], None] | None = None,
        harm: Callable[[Armed], None] = _no_harm,
    ) -> None:
        self.monitor = monitor
        monitor.memory.host = self._memory = memory
        self.step = 0
        self.rest: do.Rest | None = None
        self._hosts, self._trace, self._log = hosts, trace, log
        self._show, self._poll, self.replay = show, poll, replay
        self._keep = keep
        self._running: dict[int, do.ResumeVcpu] = {}
        self._held: set[int] = set()
        self._stopped: list[tuple[int, int, Exit | str]] = []
        self._answered: dict[int, do.ResumeVcpu] = {}
        self._dead: dict[int, tuple[bytes, int]] = {}
        self._todo: deque[do.Effect] = deque()
        self._performing = False
        self._wanted: str | None = None
        self._awaited = False
        self.ask: Callable[[str], list[Input]] = _nothing
        """What comes on the standard input of a cell whose program waits for it; may take its time."""
        self.on_mark: Callable[[int, Exit], None] = _unheeded
        """Who is told of a mark, when all of it is dealt with."""
        self.streams: Streams | None = None
        """The host's side of streams; None in a replay, and where no cell has any."""
        self._index = {cell.name: cell.index for cell in monitor.cells}
        self._perform_one: dict[type, Callable[..., None]] = {
            do.ResumeVcpu: self._resume,
            do.StrikeVcpu: self._strike,
            do.StartCell: self._start,
            do.KillCell: self._kill,
            do.ShowOutput: self._output,
            do.KeepPicture: self._picture,
            do.WantInput: self._want,
            do.UseStream: self._use_stream,
            do.TraceRecord: trace.take,
            do.Rest: self._take_rest,
            do.BreakHost: lambda effect: harm(effect.fault),
            **dict.fromkeys(ORDERS, self._order),
        }

    # ---- driving

    def boot(self) -> None:
        """Start every cell: all processes first, then their greetings in order.

        Raises:
            NoRoom: the host refuses what one needs.
        """
        starts: list[do.StartCell] = []
        for effect in self.monitor.start():
            if isinstance(effect, do.StartCell):
                starts.append(effect)
            else:  # of a cell that may not start, or memory that is there from the beginning
                self._perform_one[type(effect)](effect)
        trouble: dict[int, str] = {}
        for effect in starts:
            try:
                self._bring_up(effect.cell)
            except NoRoom:
                raise
            except HostTrouble as error:
                trouble[effect.cell] = str(error)
        for effect in starts:
            self._await(effect.cell, trouble.get(effect.cell))

    def restore(self, state: on.Restored) -> None:
        """Go on where a snapshot was taken. Requires: `boot`, and nothing has run yet."""
        self._handle(state)

    def run_until(self, time: int) -> do.Rest:
        """Run to a virtual time, or to where nothing runs any more; a replay to where the recorded run stopped next."""
        if self.replay is None:
            self.take(Input(self.step, self.monitor.now, InputKind.UNTIL, "", str(time).encode()))
        return self.run()

    def run(self) -> do.Rest:
        """Run until the monitor rests."""
        self.rest = None
        while True:
            self._take_inputs()
            self._handle(_SETTLED)
            rest: do.Rest | None = self.rest  # performing effects may have set it
            if rest is not None:
                return rest
            if self._running or self._stopped:
                self._collect()
                self._next()

    # ---- what comes from outside

    def take(self, taken: Input) -> None:
        """Feed one input and write it down."""
        self._log.append(taken)
        if taken.kind not in PLANNED:
            self._trace.input(taken.time, str(taken.kind), taken.cell, taken.data)
        self._handle(event_of(taken, self._index.get(taken.cell, -1)))

    def _take_inputs(self) -> None:
        if self.replay is not None:
            self._take_recorded(self.replay)
        if self._wanted is not None:
            cell, self._wanted = self._wanted, None
            self.feed(self.ask(cell) if self.replay is None else [])
        if self._awaited and self.streams is not None:
            self._awaited = False
            self.feed(self.streams.wait())
        while came := self._poll():
            self.feed(came)
        if self._dead and self.monitor.rounds.between:
            self._bury()

    def feed(self, inputs: Sequence[Input]) -> None:
        """Take what came from outside just now. A death is kept until it is known when it happened."""
        for taken in inputs:
            if taken.kind is InputKind.DIED:
                self._dead.setdefault(self._index[taken.cell], (taken.data, self.monitor.rounds.began))
            else:
                self.take(taken._replace(step=self.step, time=self.monitor.now))

    def _bury(self) -> None:
        for cell, (why, found) in list(self._dead.items()):
            time = self.monitor.rounds.time_of_death(cell, found)
            if time < NEVER:
                del self._dead[cell]
                self.take(Input(self.step, time, InputKind.DIED, self.monitor.cells[cell].name, why))

    def _take_recorded(self, replay: ReplayInputs) -> None:
        while (following := replay.peek()) is not None and following.step <= self.step:
            if following.kind is InputKind.DIED and following.data.startswith(RUNNING):
                return
            now = None if following.kind is InputKind.DIED else self.monitor.now
            for taken in replay.due(self.step, now):
                self.take(taken)

    # ---- effects

    def _handle(self, event: on.Event, now: int | None = None) -> None:
        """Tell the monitor, and do what it says. What a deed leads to comes before the next deed, however long the chain."""
        self.step += 1
        effects = self.monitor.handle(event, self.monitor.now if now is None else now)
        if self._performing:
            self._todo.extendleft(reversed(effects))
            return
        self._performing = True
        perform, todo = self._perform_one, self._todo
        try:
            for effect in effects:
                perform[type(effect)](effect)
                while todo:
                    following = todo.popleft()
                    perform[type(following)](following)
        finally:
            self._performing = False

    def _resume(self, effect: do.ResumeVcpu) -> None:
        """Let it run; but who shares memory that one may write with one that runs waits until that one has stopped."""
        trouble = self._memory.trouble.pop(effect.cell, None) if self._memory is not None else None
        if trouble is not None:
            self._stop_at_start(effect, trouble)
            return
        self._running[effect.cell] = effect
        if len(self._running) > 1 and not self.monitor.memory.runs_apart(effect.cell).isdisjoint(self._running):
            self._held.add(effect.cell)
        else:
            self._hosts[effect.cell].resume(effect.record)

    def _strike(self, effect: do.StrikeVcpu) -> None:
        self._stop_at_start(do.ResumeVcpu(effect.cell, effect.core, effect.record), Struck(KILLED))

    def _stop_at_start(self, effect: do.ResumeVcpu, why: str) -> None:
        """A death before the vCPU has run takes its place among the exits, where that of one that ran would stand."""
        self._answered[effect.cell] = effect
        heapq.heappush(self._stopped, (effect.record.start, effect.cell, why))

    def _order(self, effect: MemoryOrder) -> None:
        assert self._memory is not None, "nobody holds the memory of cells"
        self._memory.perform(effect)

    def _start(self, effect: do.StartCell) -> None:
        try:
            self._bring_up(effect.cell)
        except HostTrouble as error:
            self._await(effect.cell, str(error))
        else:
            self._await(effect.cell, None)

    def _bring_up(self, cell: int) -> None:
        faults, host = self.monitor.faults, self._hosts[cell]
        host.starved = faults is not None and faults.visit("host.start", self.monitor.cells[cell].name) is not None
        host.start()

    def _await(self, cell: int, trouble: str | None) -> None:
        try:
            if trouble is not None:
                raise HostTrouble(trouble)
            self._hosts[cell].await_hello()
        except HostTrouble as error:
            self._handle(on.CellDied(cell, str(error)))
        else:
            self._handle(on.CellReady(cell))

    def _kill(self, effect: do.KillCell) -> None:
        self._dead.pop(effect.cell, None)
        self._running.pop(effect.cell, None)
        self._held.discard(effect.cell)
        self._stopped = [entry for entry in self._stopped if entry[1] != effect.cell]
        heapq.heapify(self._stopped)
        self._hosts[effect.cell].end(keep=effect.keep)
        if self._memory is not None:
            self._memory.forget(effect.cell, keep=effect.keep)

    def _output(self, effect: do.ShowOutput) -> None:
        self._show(self.monitor.cells[effect.cell], effect.data)

    def _picture(self, effect: do.KeepPicture) -> None:
        if self._keep is not None:
            self._keep(self.monitor.cells[effect.cell], effect)

    def _want(self, effect: do.WantInput) -> None:
        self._wanted = self.monitor.cells[effect.cell].name

    def _use_stream(self, effect: do.UseStream) -> None:
        if self.streams is not None:
            self._awaited |= effect.call == StreamCall.WAIT
            self.streams.use(self.monitor.cells[effect.cell].name, effect)

    def _take_rest(self, effect: do.Rest) -> None:
        self.rest = effect

    # ---- exits

    def _collect(self) -> None:
        """Wait until no vCPU runs, in the order in which they were given their cores; so those that were held back take turns."""
        doomed = self._doomed()
        for cell, effect in self._running.items():
            if cell in self._held:
                self._hosts[cell].resume(effect.record)
            try:
                stopped: Exit | str = self._hosts[cell].wait() if cell != doomed else KILLED
            except HostTrouble as error:
                stopped = str(error)
            time = stopped.time if isinstance(stopped, Exit) else effect.record.start
            heapq.heappush(self._stopped, (time, cell, stopped))
            self._answered[cell] = effect
        self._running.clear()
        self._held.clear()

    def _doomed(self) -> int:
        """The cell whose recorded death comes next, -1 for none: nobody waits to see it die, or spin, once more."""
        following = self.replay.peek() if self.replay is not None else None
        if following is None or following.step != self.step or following.kind is not InputKind.DIED:
            return -1
        return self._index[following.cell] if following.data.startswith(RUNNING) else -1

    def _next(self) -> None:
        """Hand over the earliest exit or death."""
        if self.replay is not None and self._recorded_death(self.replay):
            return
        time, cell, stopped = heapq.heappop(self._stopped)
        effect = self._answered.pop(cell)
        if isinstance(stopped, Exit):
            self._trace.exit(self.monitor.cells[cell].name, effect.core, effect.record, stopped)
            self._handle(on.VcpuExited(cell, stopped), time)
            if stopped.kind == _MARK:
                self.on_mark(cell, stopped)
        else:
            self._death(cell, stopped, time)

    def _death(self, cell: int, why: str, time: int) -> None:
        if not isinstance(why, Struck):
            name = self.monitor.cells[cell].name
            self._log.append(Input(self.step, time, InputKind.DIED, name, RUNNING + b": " + why.encode()))
        self._handle(on.CellDied(cell, why), time)

    def _recorded_death(self, replay: ReplayInputs) -> bool:
        following = replay.peek()
        if following is None or following.step != self.step or following.kind is not InputKind.DIED:
            return False
        (taken,) = replay.due(self.step)
        why = taken.data.removeprefix(RUNNING + b": ").decode()
        self._log.append(taken)
        with contextlib.suppress(KeyError):
            del self._answered[self._index[taken.cell]]
        self._handle(on.CellDied(self._index[taken.cell], why), taken.time)
        return True


def _unheeded(_cell: int, _record: Exit) -> None:
    """The default of who is told of marks."""


def _nothing(_cell: str) -> list[Input]:
    return []
