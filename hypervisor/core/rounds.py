"""Who runs next, and until when: stretches of time in which nothing happens but what vCPUs do, and what lies between them.

```python
rounds.settled(Settled())            # all have stopped: cores are given out, or time goes on to the next wake-up or timer
rounds.heed_timers()                 # a timer was set: it may be due before the round ends
```

Theory: on one core a round is a slice that ends no later than the next timer or planned death. On several it is a quantum, after
which they meet: what one core does reaches another in a later round. Between two rounds the shell may look around.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypervisor.abi.records import Resume
from hypervisor.abi.status import to_word
from hypervisor.abi.time import NEVER
from hypervisor.core import effects as do
from hypervisor.core import events as on
from hypervisor.core.cell import BLOCKED, RUNNING, Cell, Wake
from hypervisor.core.delivery import take_events
from hypervisor.core.lives import fail
from hypervisor.core.scheduler import Dispatch

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor

_record = tuple.__new__
"""See monitor.py."""


class Rounds:
    """The rounds of one monitor. Its scheduler, cells, bus and timers are there already."""

    def __init__(self, monitor: Monitor, *, cores: int, quantum: int) -> None:
        self.stop_at = NEVER
        """When the whole run is to rest."""
        self.between = True
        """No vCPU runs, and the next round has not begun."""
        self.began = 0
        """When the round began."""
        self._killing = False
        self._monitor = monitor
        self._scheduler = monitor.scheduler
        self._several = cores > 1
        self._quantum = quantum if cores > 1 else NEVER

    # ---- events

    def settled(self, _event: on.Settled) -> None:
        """Nothing is left to be done for now: give the cores out, or rest."""
        monitor, scheduler = self._monitor, self._scheduler
        while True:
            if monitor.finished:
                monitor.emit(do.Rest(scheduler.time(), "finished"))
                return
            for dispatch in scheduler.fill():
                self._resume(dispatch)
            if scheduler.running:
                self.between = not self._several
                return
            if not self.between:
                self.between = True  # the shell looks around before the next one
                return
            if not self._next_round():
                return

    def kill_planned(self, event: on.KillPlanned) -> None:
        """A cell is to die at a time."""
        vcpu = self._monitor.cells[event.cell].vcpu
        vcpu.kill_at, vcpu.kill_why = event.time, event.why
        self._killing = True
        if not self._several:
            self._end_by(max(event.time, self._scheduler.time()))

    def stop_set(self, event: on.StopSet) -> None:
        """The run is to rest at a time."""
        self.stop_at = event.time
        self._end_by(event.time)

    # ---- questions

    @property
    def reached(self) -> int:
        """The time that the whole board has reached. Requires: `between`."""
        return self._scheduler.round_end if self._several else self._scheduler.time()

    def time_of_death(self, index: int, found: int) -> int:
        """When a cell died that did not run when its process was found gone; `found`: the `began` of that moment.

        The time is such that a death planned for it leaves the same trace. NEVER: ask again after the next round; it may
        still be given a core, and dies there.
        Requires: `between`.
        """
        cell, reached = self._monitor.cells[index], self.reached
        if not self._several:
            return max(reached, cell.vcpu.time)
        if _asleep(cell, reached):
            return reached
        return self.began if self.began > found else NEVER  # it has waited a whole round in vain

    def idle_until(self, besides: object) -> int:
        """Before when this board does nothing by itself, one of its devices aside. Requires: no vCPU runs."""
        monitor = self._monitor
        devices = (entry.device.deadline() for entry in monitor.bus.devices if entry.device is not besides)
        timers = (monitor.heartbeats.next_time(), monitor.alarms.next_time(), min(devices, default=NEVER))
        return min(self._next_work(), *timers)

    def looks_up(self, time: int) -> int:
        """When a long step that begins now, at `time`, looks up at the latest: on one core at the next timer; on several after a
        quantum, for what timers and other cores do reaches a core between two rounds.
        """
        return time + self._quantum if self._several else self._next_timer()

    def heed_timers(self) -> None:
        """A timer may be due before the round ends. On several cores it waits for that: they cannot be called back."""
        if not self._several:
            self._end_by(max(self._next_timer(), self._scheduler.time()))

    def _end_by(self, time: int) -> None:
        self._scheduler.round_end = min(self._scheduler.round_end, time)

    # ---- from one round to the next

    def _next_round(self) -> bool:
        """Go on to the next stretch of time; False when there is nothing more to run for now."""
        scheduler = self._scheduler
        reached = scheduler.round_end if scheduler.round_end < NEVER else scheduler.time()
        start = max(reached, min(self._next_work(), self._next_timer()))
        if start >= min(self.stop_at, NEVER):
            return self._rest(start, reached)
        self._fire_timers(start)
        if any(isinstance(effect, do.StartCell) for effect in self._monitor._effects):
            return False  # a cell that is being started must say that it is ready before time goes on
        end = min(start + self._quantum, self.stop_at, self._next_timer())
        if not self._several:  # on several cores a planned death must not cut what the others do
            end = min(end, self._next_kill(after=start))
        self.began = start
        scheduler.open_round(start, max(end, start + 1))
        return True

    def _rest(self, start: int, reached: int) -> bool:
        scheduler, monitor = self._scheduler, self._monitor
        if self.stop_at < NEVER:
            scheduler.open_round(self.stop_at, self.stop_at)
            rest = do.Rest(max(self.stop_at, reached), "reached")
        else:
            rest = do.Rest(scheduler.time(), "asleep")
        # what comes from outside comes now, not when something last happened
        monitor.now = rest.time if self._several else max(monitor.now, rest.time)
        monitor.emit(rest)
        return False

    def _next_work(self) -> int:
        """When a vCPU wakes or dies. On several cores deaths count only while all sleep, or they would shift the rounds."""
        wake = self._scheduler.next_wake()
        if self._several and wake <= self._scheduler.time():
            return wake
        return min(wake, self._next_kill())

    def _next_timer(self) -> int:
        monitor = self._monitor
        return min(monitor.bus.deadline(), monitor.heartbeats.next_time(), monitor.alarms.next_time())

    def _next_kill(self, after: int = -1) -> int:
        if not self._killing:
            return NEVER
        vcpus = [cell.vcpu for cell in self._monitor.cells if cell.vcpu.state is not RUNNING]
        return min((vcpu.kill_at for vcpu in vcpus if vcpu.kill_at > after), default=NEVER)

    def _fire_timers(self, now: int) -> None:
        monitor = self._monitor
        monitor.now = now if self._several else max(monitor.now, now)
        monitor.bus.advance()
        for due in monitor.heartbeats.pop_due(now):
            fail(monitor, due.what, "heartbeat missed")
        for alarm in monitor.alarms.pop_due(now):
            alarm.what()
        for cell in monitor.cells:
            if _must_die(cell, now):
                fail(monitor, cell, cell.vcpu.kill_why)

    # ---- a vCPU is given a core

    def _resume(self, dispatch: Dispatch) -> None:
        monitor = self._monitor
        cell, core, start, until, horizon, before, left, paid = dispatch
        vcpu = cell.vcpu
        if before != cell.index:
            cell.account.switches += 1
            came_from = "" if before is None else monitor.cells[before].name
            fields: dict[str, int | str] = {"core": core, "from": came_from, "cause": left}
            monitor._effects.append(_record(do.TraceRecord, (start, "switch", cell.name, fields)))
            monitor.ledger.charge(cell.name, "world_switch", monitor.costs.world_switch)
        if until == start:
            for cause, cycles in paid:
                monitor.ledger.charge(cell.name, cause, cycles)
            return
        if vcpu.pending is not None:
            expire, vcpu.pending = vcpu.pending.expire, None
            vcpu.value = to_word(expire())
        vcpu.seq += 1
        if self._killing:
            until = min(until, max(vcpu.kill_at, start + 1))
            if not self._several and self._next_kill() <= start:  # of one that hoped for this core
                until = start + 1
                self._end_by(until)
        if monitor.faults is not None and vcpu.slowness > 1:  # so that others come to their turn in time
            until = start + max((until - start) // vcpu.slowness, 1)
        events = take_events(vcpu.events) if vcpu.events else ()
        vcpu.inflight = _record(Resume, (vcpu.seq, start, until, min(horizon, until), vcpu.value, events))
        if vcpu.kill_at <= start:
            monitor._effects.append(do.StrikeVcpu(cell.index, core, vcpu.inflight))
            return
        if vcpu.due is not None:
            self._woke(cell, start - vcpu.due, vcpu.due, "" if before is None else monitor.cells[before].name, left)
            vcpu.due = None
        monitor._effects.append(_record(do.ResumeVcpu, (cell.index, core, vcpu.inflight)))

    @staticmethod
    def _woke(cell: Cell, late: int, due: int, before: str, left: str) -> None:
        account = cell.account
        account.latencies[late] += 1
        if account.latest is None or late > account.latest.late:
            account.latest = Wake(late, due, before, left)


def _must_die(cell: Cell, now: int) -> bool:
    """Whether a planned death is due that will not strike the vCPU where it gets a core, now or in this round."""
    vcpu = cell.vcpu
    if vcpu.kill_at > now or vcpu.state is RUNNING:
        return False
    return vcpu.kill_at < now or _asleep(cell, now)


def _asleep(cell: Cell, now: int) -> bool:
    return cell.vcpu.state is BLOCKED and (cell.paused or cell.vcpu.wake > now)
