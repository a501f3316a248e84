"""Long steps of the hypervisor: a more urgent vCPU waits for the piece under way, not for all of it; the caller pays the rest."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from itertools import pairwise
from typing import Any

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import Cell, CellState
from hypervisor.core.costs import Costs
from hypervisor.core.mechanism import Handler, Mechanism
from hypervisor.core.monitor import Monitor
from hypervisor.core.wiring import Wiring
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.inputs import Input, InputKind
from tests.support.scripted import Bench, Script, ScriptedVcpu

Steps = Generator[Exit, None, None]
LONG, NUDGE, TIMES = 0xFFFF, 0xFFFE, 512
PERIOD, END = 199_999, 6_000_000
BLOCK = 7
STEPS = [(name, step) for name, of in FLAVOURS.items() for step in of.costs.pieces if of.costs.of(step)]


class Mapper(Mechanism):
    """Its one call is a step about `TIMES` things, and then one about a single one."""

    step = "map"

    def calls(self) -> Mapping[int, Handler]:
        return {LONG: self._long}

    def _long(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
        monitor.step(cell, self.step, times=TIMES)
        monitor.step(cell, "notify")
        return Status.OK


def periodic(vcpu: ScriptedVcpu) -> Steps:
    due = 0
    while True:
        yield from vcpu.work(200)
        due += PERIOD
        yield from vcpu.wait(due)


def caller(vcpu: ScriptedVcpu) -> Steps:
    while True:
        yield from vcpu.call(LONG)
        yield from vcpu.work(100)


def bench(
    costs: Costs,
    step: str,
    *,
    scripts: Mapping[str, Script] | None = None,
    mechanism: type[Mapper] = Mapper,
    pin: bool = False,
    **more: object,
) -> Bench:
    """`pin`: all of them on core 0."""
    cells = {"rt": periodic, "caller": caller, **(scripts or {})}
    params: dict[str, dict[str, object]] = {"rt": {"priority": 9}, "caller": {"on_crash": "restart"}}
    if pin:
        params = {name: {**param, "cores": (0,)} for name, param in params.items()}
    return Bench(
        cells,
        policy="fixed_priority",
        params=params,
        costs=costs,
        mechanism=type("Stepper", (mechanism,), {"step": step}),
        slice_cycles=END,
        block=BLOCK,
        **more,  # type: ignore[arg-type]
    )


def charged(made: Bench) -> int:
    """What the ledger has of all cells."""
    return sum(made.monitor.ledger.time(cell.name) for cell in made.monitor.cells)


def passed(made: Bench) -> int:
    """What its one core was busy."""
    core = made.monitor.scheduler.cores[0]
    assert core.busy + core.idle + core.switch_cycles == core.time
    return core.busy + core.switch_cycles


@pytest.mark.parametrize(("flavour", "step"), STEPS)
def test_the_worst_latency_is_a_piece_and_two_switches_whatever_a_call_asks_for(flavour: str, step: str) -> None:
    costs = FLAVOURS[flavour].costs
    each = costs.of(step)
    assert TIMES * each > 2 * costs.world_switch
    made = bench(costs, step)
    made.until(END)
    piece = costs.pieces[step] or each
    bound = costs.hypercall + piece + costs.of("notify") + 2 * costs.world_switch + BLOCK
    worst = made.cell("rt").account.latest
    assert worst is not None
    assert max(made.cell("rt").account.latencies) == worst.late <= bound


@pytest.mark.parametrize("cores", [1, 2])
def test_who_is_woken_by_a_timer_of_the_monitor_waits_no_longer(cores: int) -> None:
    """As a guest whose timer is a hypercall's, or a device's interrupt."""

    class Ringer(Mapper):
        def __init__(self, monitor: Monitor, wiring: Wiring) -> None:
            super().__init__(monitor, wiring)
            self._due = 0
            self._next()

        def _next(self) -> None:
            self._due += PERIOD
            self.monitor.alarms.at(self._due, self._tick)

        def _tick(self) -> None:
            due.append(self._due)
            self.monitor.ring(self.monitor.cells[0], 0, 1)
            self._next()
            self.monitor.rounds.heed_timers()

    due: list[int] = []
    woken: list[int] = []

    def sleeper(vcpu: ScriptedVcpu) -> Steps:
        while True:
            vcpu.events.clear()
            yield from vcpu.wait(NEVER)
            woken.append(vcpu.time)

    made = bench(
        COSTS, "map", scripts={"rt": sleeper}, mechanism=Ringer, cores=cores, pin=True, quantum=500, latency=500
    )
    made.until(END)
    late = [at - time for at, time in zip(woken, due, strict=False)]  # the last may be due after the end
    assert len(late) >= END // PERIOD - 1
    quanta = 0 if cores == 1 else 2 * 500
    assert max(late) <= COSTS.hypercall + 1_000 + COSTS.of("notify") + 2 * COSTS.world_switch + BLOCK + quanta


COSTS = Costs(world_switch=50, hypercall=10, operations={"map": 1_000, "notify": 30})


def test_the_caller_pays_what_was_put_off_before_it_goes_on() -> None:
    made = bench(COSTS, "map")
    made.until(END)
    caller = made.cell("caller")
    owed = sum(cycles for (cause, _), cycles in caller.vcpu.debts.items() if cause == "map")
    assert made.monitor.ledger.cycles("caller", "map") + owed == 1_000 * TIMES * caller.account.exits["hypercall"]
    assert charged(made) == passed(made)
    calls = [resume.start for resume in made.hosts["caller"].resumes]
    assert (
        min(after - before for before, after in pairwise(calls)) >= 1_000 * TIMES
    )  # no answer before its price is paid


def test_stops_in_the_middle_of_a_long_step_change_nothing() -> None:
    straight, stopped = bench(COSTS, "map"), bench(COSTS, "map")
    straight.until(600_000)
    for time in range(7_001, 600_000, 7_001):
        stopped.until(time)
    stopped.until(600_000)
    assert stopped.trace.digest() == straight.trace.digest()


def test_a_stop_in_the_middle_of_a_long_step_finds_no_cycle_charged_that_has_not_passed() -> None:
    made = bench(COSTS, "map")
    for time in range(50_001, 900_000, 50_001):
        made.until(time)
        assert charged(made) == passed(made)


def test_who_is_killed_in_the_middle_is_charged_what_was_done() -> None:
    made, time = bench(COSTS, "map"), 0
    while not made.cell("caller").vcpu.debts:
        time += 7_001
        made.until(time)
    made.loop.take(Input(made.loop.step, made.monitor.now, InputKind.KILL, "caller", b""))
    made.until(time + 1_000)
    assert not made.cell("caller").vcpu.debts
    assert charged(made) == passed(made)


def test_the_trace_says_why_each_vcpu_left_its_core() -> None:
    made = bench(COSTS, "map")
    switches: list[tuple[str, str, str]] = []
    made.trace.on_chunk.append(
        lambda chunk: switches.extend(map(_switch, filter(None, map(_record, chunk.splitlines()))))
    )
    made.until(END)
    made.trace.flush()
    assert set(switches) <= {
        ("", "rt", "boot"),
        ("rt", "caller", "wait"),  # who never owes leaves by what it did
        ("caller", "rt", "owes"),
        ("caller", "rt", "budget"),
        ("caller", "rt", "hypercall"),
    }
    assert switches.count(("caller", "rt", "owes")) > 0


def _record(line: bytes) -> dict[str, Any] | None:
    record: dict[str, Any] = json.loads(line)
    return record if record["k"] == "switch" else None


def _switch(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["from"], record["cell"], record["cause"]


def test_whose_caller_dies_in_the_middle_begins_anew_without_debts() -> None:
    made = bench(COSTS, "map", die_at={"caller": 100_000})
    made.until(END)
    assert made.hosts["caller"].lives == 2
    assert made.cell("caller").state is CellState.RUNNING


def test_on_several_cores_long_steps_end_too() -> None:
    made, end = bench(COSTS, "map", cores=2, quantum=5_000, latency=5_000), 4 * 1_000 * TIMES
    made.until(end)
    assert made.cell("caller").account.exits["hypercall"] >= 3
    assert made.cell("rt").account.exits["wait"] > 0.9 * end / PERIOD


def test_who_is_rung_from_another_core_waits_for_a_piece_and_the_ends_of_two_rounds() -> None:
    class Bell(Mapper):
        def calls(self) -> Mapping[int, Handler]:
            return {**super().calls(), NUDGE: self._nudge}

        def _nudge(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
            rung.append(record.time)
            monitor.ring(monitor.cells[0], 0, 1)
            return Status.OK

    def sleeper(vcpu: ScriptedVcpu) -> Steps:
        while True:
            vcpu.events.clear()
            yield from vcpu.wait(NEVER)
            woken.append(vcpu.time)

    def bell(vcpu: ScriptedVcpu) -> Steps:
        for time in range(PERIOD, END, PERIOD):
            yield from vcpu.wait(time)
            yield from vcpu.call(NUDGE)

    rung: list[int] = []
    woken: list[int] = []
    scripts = {"rt": sleeper, "caller": caller, "bell": bell}
    made = bench(COSTS, "map", scripts=scripts, mechanism=Bell, cores=2, pin=True, quantum=5_000, latency=5_000)
    made.until(END)
    late = [at - time for at, time in zip(woken, rung, strict=False)]
    assert len(late) >= END // PERIOD - 1
    assert max(late) <= 3 * 5_000 + 1_000 + 2 * COSTS.world_switch + BLOCK


def test_work_for_a_vcpu_that_runs_on_another_core_is_paid_when_it_has_it_next() -> None:
    """As for one that the store tells of a change, when somebody else brings the store back."""

    class Teller(Mapper):
        def _long(self, monitor: Monitor, cell: Cell, record: Exit) -> int:
            monitor.step(monitor.cells[0], "notify")
            return Status.OK

    def worker(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(END)

    made = bench(COSTS, "map", scripts={"rt": worker}, mechanism=Teller, cores=2, quantum=500, latency=500)
    made.until(END // 10)
    told = made.cell("caller").account.exits["hypercall"]
    owed = sum(made.cell("rt").vcpu.debts.values())
    assert told > 1_000
    assert made.monitor.ledger.cycles("rt", "notify") + owed == told * COSTS.of("notify")
    for core in made.monitor.scheduler.cores:
        assert core.busy + core.idle + core.switch_cycles == core.time
    spent = sum(core.busy + core.switch_cycles for core in made.monitor.scheduler.cores)
    assert charged(made) == spent


def test_a_step_that_is_not_done_by_pieces_is_not_interrupted() -> None:
    made = bench(Costs(operations={"copy": 100}), "copy")
    made.until(END)
    assert max(made.cell("rt").account.latencies) > 50 * 100


def test_the_call_numbers_of_these_tests_are_nobodys() -> None:
    assert not {LONG, NUDGE} & {int(call) for call in Hypercall}
