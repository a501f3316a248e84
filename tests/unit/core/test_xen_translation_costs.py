"""The TLB that a paravirtual kernel shares with the hypervisor: what is flushed and fetched again, by numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.abi.pv import MmuOp, Pte, PvCall, Trap
from hypervisor.core.wiring import TlbParams
from hypervisor.core.xen.translation_costs import HYPERVISOR_PAGES, TranslationCosts
from tests.support.pv import L1, PvLab

ARM926 = TlbParams(entries=64, tagged=False, virtual_caches=True)
CORTEX_A8 = TlbParams(entries=32, tagged=True, virtual_caches=False)


class Steps(Counter[str]):
    """What was charged, by operation; refills also by side."""

    def __call__(self, operation: str, *, times: int = 1, **facts: Any) -> None:
        self[operation] += times
        if "side" in facts:
            self[f"{operation} {facts['side']}"] += times


def params(kind: TlbParams = ARM926, **changes: Any) -> TlbParams:
    fields = {name: getattr(kind, name) for name in TlbParams.__slots__}
    return TlbParams(**{**fields, **changes})


def run(chosen: TlbParams, *, pages: int = 10, switches: int = 0, calls: int = 1) -> Steps:
    """Warm both sides up; then so many calls, and so many changes of the address space with a call each."""
    steps = Steps()
    costs = TranslationCosts(chosen, steps)
    costs.into_hypervisor()
    costs.into_guest(pages)
    steps.clear()
    for number in range(max(calls, switches)):
        costs.into_hypervisor()
        if number < switches:
            costs.new_space()
        costs.into_guest(pages)
    return steps


def test_with_room_for_both_sides_a_crossing_costs_nothing() -> None:
    assert run(ARM926, calls=100) == {}


def test_a_change_of_the_address_space_flushes_where_nothing_is_tagged() -> None:
    steps = run(ARM926, switches=5)
    assert (steps["space_switch"], steps["tlb_flush"], steps["cache_flush"]) == (5, 5, 5)
    assert steps["tlb_refill guest"] == 5 * 10
    assert steps["tlb_refill hypervisor"] == 4 * HYPERVISOR_PAGES, "the fifth flush is followed by no crossing"


def test_a_cpu_with_identifiers_and_physical_caches_flushes_nothing() -> None:
    assert run(CORTEX_A8, switches=5) == {"space_switch": 5}


def test_separate_page_tables_change_the_base_at_each_crossing_both_ways() -> None:
    steps = run(params(separate=True), calls=7)
    assert (steps["space_switch"], steps["tlb_flush"], steps["cache_flush"]) == (14, 14, 0)
    assert steps["tlb_refill hypervisor"] == 7 * HYPERVISOR_PAGES
    assert steps["tlb_refill guest"] == 7 * 10
    assert run(params(CORTEX_A8, separate=True), calls=7) == {"space_switch": 14}


@pytest.mark.parametrize("locked", range(HYPERVISOR_PAGES + 1))
def test_what_is_locked_is_not_fetched_again(locked: int) -> None:
    steps = run(params(locked=locked), switches=5)
    assert steps["tlb_refill hypervisor"] == 4 * (HYPERVISOR_PAGES - locked)


def test_the_guest_has_as_many_entries_fewer() -> None:
    full = ARM926.entries - HYPERVISOR_PAGES
    free, locked = run(ARM926, pages=full + 4, calls=10), run(params(locked=8), pages=full + 4, calls=10)
    assert free["tlb_refill guest"] == free["tlb_refill hypervisor"] == 4 * 10, "each side displaces the other's"
    assert locked == {}, "the guest has to do with less, and the hypervisor displaces nothing"
    locked_for_nothing = TranslationCosts(params(locked=40), Steps())
    locked_for_nothing.into_hypervisor()
    locked_for_nothing.into_guest(64)
    assert locked_for_nothing.guests == ARM926.entries - 40


@given(
    entries=st.integers(1, 128),
    locked=st.integers(0, 128),
    separate=st.booleans(),
    tagged=st.booleans(),
    acts=st.lists(st.tuples(st.sampled_from(["call", "space", "flush"]), st.integers(0, 200)), max_size=30),
)
def test_the_tlb_never_holds_more_than_it_has(
    entries: int, locked: int, separate: bool, tagged: bool, acts: list[tuple[str, int]]
) -> None:
    steps = Steps()
    costs = TranslationCosts(TlbParams(entries, tagged, True, min(locked, entries), separate), steps)
    for act, pages in acts:
        costs.into_hypervisor()
        {"call": lambda: None, "space": costs.new_space, "flush": costs.flushed}[act]()
        costs.into_guest(pages)
        assert 0 <= costs.guests <= entries - min(locked, entries)
        assert costs.own + costs.guests <= entries
    assert all(times >= 0 for times in steps.values())


def test_a_domains_calls_and_switches_are_counted_by_its_door() -> None:
    lab = PvLab(tlbs={1: params(separate=True)})
    kernel = lab.kernel.boot()
    before = lab.monitor.ledger.counted("kernel", "space_switch")
    kernel.hypercall(PvCall.MASK, 1)
    assert lab.monitor.ledger.counted("kernel", "space_switch") == before + 2
    assert kernel.hypercall(PvCall.MMU, MmuOp.NEW_BASE, L1) == 0
    assert lab.monitor.ledger.counted("kernel", "cache_flush") == 0, "the same space again"


def test_a_process_is_as_large_as_its_tables_say() -> None:
    lab = PvLab(tlbs={1: ARM926})
    kernel = lab.kernel.boot()
    table, page = kernel.empty(20), kernel.guest.page(21)
    assert lab.own.tables.user_pages() == 0, "the kernel's own are not counted"
    assert kernel.hypercall(PvCall.MMU, MmuOp.PIN_L2, table) == 0
    slots = [(L1 + 4 * slot, (table + 0x400 * slot) | Pte.PRESENT | Pte.USER) for slot in (0, 1)]
    pages = [(table + 4 * number, page | Pte.PRESENT) for number in (3, 4, 300)]
    assert kernel.update(*slots, *pages) == 5
    assert lab.own.tables.user_pages() == 3
    assert kernel.update((table + 12, 0)) == 1
    assert lab.own.tables.user_pages() == 2


def test_without_a_tlb_nothing_is_charged() -> None:
    lab = PvLab()
    lab.kernel.boot().trap(Trap.UNDEFINED)
    assert lab.own.translations is None
    assert lab.monitor.ledger.counted("kernel", "tlb_refill") == 0
