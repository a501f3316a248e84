"""What a vCPU says of its translations: charged under their own cause, within the time that it had, and nothing else believed."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import SIZE, Translations
from hypervisor.core.cell import CellState
from hypervisor.core.costs import Costs
from hypervisor.core.wiring import FlushCosts, Wiring
from tests.support.scripted import Bench, ScriptedVcpu

Steps = Generator[Exit, None, None]
COSTS = Costs(hypercall=10, operations={"vtlb": 25})


def _tells(*told: tuple[int, Translations], kind: ExitKind = ExitKind.OUTPUT):
    """Work for so long, then say so much; and so on."""

    def script(vcpu: ScriptedVcpu) -> Steps:
        for cycles, translations in told:
            yield from vcpu.work(cycles)
            yield vcpu.exit(kind)._replace(data=translations.pack())
        yield from vcpu.work(7)

    return script


def _run(script, costs: Costs = COSTS) -> Bench:
    bench = Bench({"a": script}, costs=costs, slice_cycles=100_000)
    bench.until(NEVER)
    bench.monitor.check_invariants()
    bench.monitor.ledger.check_invariants()
    return bench


def _ledger(bench: Bench) -> tuple[int, int, tuple[int, int, int]]:
    ledger = bench.monitor.ledger
    counted = [ledger.counted("a", name) for name in ("vtlb_hits", "vtlb", "vtlb_upkeep")]
    return ledger.cycles("a", "guest"), ledger.cycles("a", "vtlb"), (counted[0], counted[1], counted[2])


def test_misses_and_upkeep_are_taken_out_of_the_guests_account() -> None:
    bench = _run(_tells((7_000, Translations(hits=50, misses=8, upkeep=3))))
    assert _ledger(bench) == (7_007 - 8 * 25 - 3 * 10, 8 * 25 + 3 * 10, (50, 8, 3))
    assert bench.cell("a").account.ran == 7_007


def test_sums_are_told_so_nothing_is_charged_twice() -> None:
    told = Translations(5, 4, 1)
    bench = _run(_tells((700, told), (700, told), (700, Translations(6, 4, 1))))
    assert _ledger(bench)[1:] == (4 * 25 + 10, (6, 4, 1))


def test_what_was_not_told_at_once_is_taken_out_later() -> None:
    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(700)
        yield from vcpu.call(Hypercall.TIME)
        yield from vcpu.work(7)
        yield vcpu.exit(ExitKind.OUTPUT)._replace(data=Translations(0, 20, 0).pack())

    assert _ledger(_run(script)) == (707 - 20 * 25, 20 * 25, (0, 20, 0))


def test_more_than_there_was_time_for_is_not_believed() -> None:
    bench = _run(_tells((70, Translations(1 << 60, 1 << 60, 1 << 60))))
    guest, spent, counted = _ledger(bench)
    assert guest + spent == 77
    assert max(counted) <= 4 * 77


@pytest.mark.parametrize(("said", "believed"), [(90, 90), (0, 0), (1 << 63, 707)])
def test_an_exception_tells_of_lines_and_is_believed_as_far_as_there_was_time(said: int, believed: int) -> None:
    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(707)
        yield vcpu.exit(ExitKind.EXCEPTION)._replace(a2=said)

    ledger = _run(script).monitor.ledger
    assert (ledger.cycles("a", "guest"), ledger.cycles("a", "cache_miss")) == (707 - believed, believed)


def test_sums_that_fall_change_nothing() -> None:
    bench = _run(_tells((700, Translations(9, 9, 9)), (700, Translations(0, 0, 0)), (700, Translations(9, 9, 9))))
    assert _ledger(bench)[2] == (9, 9, 9)


def test_a_flavour_whose_mmu_is_not_virtual_hears_nothing_of_it() -> None:
    bench = _run(_tells((700, Translations(9, 9, 9))), Costs(hypercall=10))
    assert _ledger(bench) == (707, 0, (0, 0, 0))


@pytest.mark.parametrize("data", [b"x", bytes(SIZE - 1), bytes(SIZE + 1), bytes(1024)])
@pytest.mark.parametrize("kind", [ExitKind.OUTPUT, ExitKind.WAIT])
def test_a_cell_that_says_what_is_no_account_of_translations_is_ended(data: bytes, kind: ExitKind) -> None:
    def script(vcpu: ScriptedVcpu) -> Steps:
        yield from vcpu.work(70)
        yield vcpu.exit(kind)._replace(data=data)

    bench = _run(script)
    assert bench.cell("a").state is CellState.FAILED
    assert bench.cell("a").why == "protocol: an account of translations that is none"


def test_a_new_life_counts_from_nothing() -> None:
    lives = iter([(700, Translations(5, 5, 5)), (700, Translations(3, 3, 3))])

    def script(vcpu: ScriptedVcpu) -> Steps:
        cycles, told = next(lives)
        yield from vcpu.work(cycles)
        yield vcpu.exit(ExitKind.OUTPUT)._replace(data=told.pack())
        yield vcpu.exit(ExitKind.FAULT)

    bench = Bench({"a": script}, costs=COSTS, params={"a": {"on_crash": "restart", "max_restarts": 1}})
    bench.until(NEVER)
    assert _ledger(bench)[2] == (8, 8, 8)


OWN = Wiring(flushes={0: FlushCosts(entry=24, cache=500)})


def _own(*told: tuple[int, Translations]) -> Bench:
    bench = Bench({"a": _tells(*told)}, costs=Costs(), wiring=OWN, slice_cycles=100_000)
    bench.until(NEVER)
    bench.monitor.ledger.check_invariants()
    return bench


def test_a_guest_that_owns_the_cpu_has_what_it_flushed_under_names_of_its_own() -> None:
    told = Translations(0, 10, 9, switches=3, flushes=4, drops=7, cleaned=2)
    ledger = _own((7_000, told), (7_000, told)).monitor.ledger
    names = ("space_switch", "tlb_flush", "cache_drop", "cache_flush", "tlb_refill", "vtlb", "vtlb_upkeep")
    assert [ledger.counted("a", name) for name in names] == [3, 4, 7, 2, 10, 0, 0]
    assert [ledger.cycles("a", name) for name in ("cache_flush", "tlb_refill")] == [2 * 500, 10 * 24]
    assert ledger.cycles("a", "guest") == 14_007 - 2 * 500 - 10 * 24


def test_a_guest_that_claims_to_have_flushed_without_end_moves_its_own_time_only() -> None:
    ledger = _own((70, Translations(*[1 << 60] * 7))).monitor.ledger
    assert ledger.time("a") == 77
    assert ledger.cycles("a", "cache_flush") <= 70


def test_an_account_travels_as_it_is() -> None:
    told = Translations(1, 2**40, 3)
    assert Translations.unpack(told.pack()) == told
    assert len(told.pack()) == SIZE
