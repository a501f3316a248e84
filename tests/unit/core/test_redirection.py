"""What a personality says of redirected events: charged under the operations of the flavour, within the time that it had."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import pytest

from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.redirection import EVENTS, SIZE, Event, Redirections
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import CellState
from hypervisor.core.costs import Costs
from hypervisor.core.ledger import CAUSES
from hypervisor.core.redirection import prices
from hypervisor.flavours import FLAVOURS
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Generator[Exit, None, None]
COSTS = Costs(hypercall=10, operations={"exception": 20, "hypercall": 10, "map": 5})
TABLE = {"syscall": {"exception": 1, "hypercall": 2}, "fault": {"exception": 1, "map": 3}, "signal": {}}


def tells(*told: tuple[int, Redirections], kind: ExitKind = ExitKind.OUTPUT):
    """Work for so long, then say so much; and so on."""

    def script(vcpu: ScriptedVcpu) -> Steps:
        for cycles, redirections in told:
            yield from vcpu.work(cycles)
            yield vcpu.exit(kind)._replace(data=redirections.pack())
        yield from vcpu.work(7)

    return script


def run(script, *, personality: bool = True) -> Bench:
    bench = Bench({"a": script}, costs=COSTS, slice_cycles=100_000)
    mechanism = bench.monitor.mechanism
    some = frozenset({0} if personality else ())
    mechanism.wiring = replace(mechanism.wiring, personalities=some, redirection=TABLE)
    bench.until(NEVER)
    bench.monitor.check_invariants()
    bench.monitor.ledger.check_invariants()
    return bench


def spent(bench: Bench) -> dict[str, int]:
    return {name: bench.monitor.ledger.cycles("a", name) for name in ("guest", "exception", "hypercall", "map")}


def counted(bench: Bench, *names: str) -> list[int]:
    return [bench.monitor.ledger.counted("a", name) for name in names]


def test_events_are_charged_as_the_operations_that_the_flavour_names() -> None:
    bench = run(tells((7_000, Redirections(calls=5, faults=2, signals=1))))
    took = {"exception": 7 * 20, "hypercall": 10 * 10, "map": 6 * 5}
    assert spent(bench) == {"guest": 7_007 - sum(took.values()), **took}
    assert counted(bench, "redirected_syscall", "redirected_fault", "redirected_signal") == [5, 2, 1]
    assert counted(bench, "exception", "hypercall", "map") == [7, 10, 6]


def test_sums_are_told_so_nothing_is_charged_twice() -> None:
    told = Redirections(5, 2, 0)
    bench = run(tells((700, told), (700, told), (700, Redirections(6, 2, 0))))
    assert counted(bench, "redirected_syscall", "redirected_fault") == [6, 2]
    assert spent(bench)["exception"] == 8 * 20


def test_more_than_there_was_time_for_is_not_believed() -> None:
    bench = run(tells((70, Redirections(1 << 60, 1 << 60, 1 << 60))))
    assert sum(spent(bench).values()) == 77
    assert max(counted(bench, *(f"redirected_{event}" for event in EVENTS))) <= 77


def test_sums_that_fall_change_nothing() -> None:
    bench = run(tells((700, Redirections(3, 3, 3)), (700, Redirections()), (700, Redirections(3, 3, 3))))
    assert counted(bench, *(f"redirected_{event}" for event in EVENTS)) == [3, 3, 3]


def test_of_a_cell_that_is_no_personality_nothing_of_it_is_believed() -> None:
    bench = run(tells((700, Redirections(3, 3, 3))), personality=False)
    assert spent(bench) == {"guest": 707, "exception": 0, "hypercall": 0, "map": 0}


@pytest.mark.parametrize("size", [1, SIZE - 1, SIZE + 1])
def test_an_account_of_another_size_is_a_lie(size: int) -> None:
    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(700)
        yield vcpu.exit(ExitKind.OUTPUT)._replace(data=bytes(size))
        yield from vcpu.work(7)

    assert run(script).cell("a").state is CellState.FAILED


@pytest.mark.parametrize("name", FLAVOURS)
def test_a_flavours_table_names_its_own_operations_and_all_events_or_none(name: str) -> None:
    flavour = FLAVOURS[name]
    assert set(flavour.redirection) in (set(), set(EVENTS))
    for steps in flavour.redirection.values():
        assert set(steps) <= set(CAUSES) & set(flavour.costs.operations)
    for event, price in prices(flavour.redirection, flavour.costs).items():
        assert price > 0 or event == Event.SIGNAL.name.lower()
