"""Long steps of the hypervisor: a more urgent vCPU waits for the piece under way, not for all of it; the caller pays the rest."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from itertools import pairwise

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit
from hypervisor.abi.status import Status
from hypervisor.core.cell import Cell, CellState
from hypervisor.core.costs import Costs
from hypervisor.core.mechanism import Handler, Mechanism
from hypervisor.core.monitor import Monitor
from hypervisor.flavours import FLAVOURS
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Generator[Exit, None, None]
LONG, TIMES = 0xFFFF, 512
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


def bench(costs: Costs, step: str, **more: object) -> Bench:
    kind = type("Stepper", (Mapper,), {"step": step})
    cells = {"rt": periodic, "caller": caller}
    params = {"rt": {"priority": 9}, "caller": {"on_crash": "restart"}}
    return Bench(
        cells,
        policy="fixed_priority",
        params=params,
        costs=costs,
        mechanism=kind,
        slice_cycles=END,
        block=BLOCK,
        **more,  # type: ignore[arg-type]
    )


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


COSTS = Costs(world_switch=50, hypercall=10, operations={"map": 1_000, "notify": 30})


def test_the_caller_pays_what_was_put_off_before_it_goes_on() -> None:
    made = bench(COSTS, "map")
    made.until(END)
    core, caller = made.monitor.scheduler.cores[0], made.cell("caller")
    ledger = made.monitor.ledger
    assert core.busy + core.idle + core.switch_cycles == core.time
    assert ledger.cycles("caller", "map") == 1_000 * TIMES * caller.account.exits["hypercall"]
    charged = sum(ledger.time(cell.name) for cell in made.monitor.cells)
    assert charged - caller.vcpu.owed <= core.busy + core.switch_cycles <= charged
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


def test_a_step_that_is_not_done_by_pieces_is_not_interrupted() -> None:
    made = bench(Costs(operations={"copy": 100}), "copy")
    made.until(END)
    assert max(made.cell("rt").account.latencies) > 50 * 100


def test_the_call_numbers_of_these_tests_are_nobodys() -> None:
    assert LONG not in [int(call) for call in Hypercall]
