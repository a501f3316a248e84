"""`tlb_lockdown` and `page_tables` of a cell: what the hypervisor is told of the TLB that it shares with a kernel."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.core.wiring import TlbParams
from hypervisor.shell.plans import build_monitor
from hypervisor.shell.topology import check, load


def _one(board: str = "arm926", **keys: Any) -> dict[str, Any]:
    return {
        "board": board,
        "cells": {"kernel": {"image": "pv_demo", "paravirtual": True, **keys}, "b": {"image": "hello"}},
    }


def _given(table: dict[str, Any], *overrides: str) -> dict[int, TlbParams]:
    wiring = build_monitor(load(table, flavour="xen", overrides=overrides)).mechanism.wiring
    return dict(wiring.tlbs)


def test_the_cpus_part_comes_from_the_board_and_only_such_kernels_have_one() -> None:
    assert _given(_one()) == {0: TlbParams(64, tagged=False, virtual_caches=True)}
    assert _given(_one("beagle")) == {0: TlbParams(32, tagged=True, virtual_caches=False)}


def test_the_choices_come_from_the_file_or_the_command_line() -> None:
    chosen = {0: TlbParams(64, tagged=False, virtual_caches=True, locked=8, separate=True)}
    assert _given(_one(tlb_lockdown=8, page_tables="separate")) == chosen
    assert _given(_one(), "cells.kernel.tlb_lockdown=8", "cells.kernel.page_tables=separate") == chosen


def test_no_choice_is_no_problem_under_any_flavour() -> None:
    table = {"board": "arm926", "cells": {"a": {"image": "hello", "tlb_lockdown": 0, "page_tables": "shared"}}}
    for flavour in ("native", "l4", "xen", "okl4"):
        assert check({**table, "flavour": flavour}) == []


@pytest.mark.parametrize("flavour", ["native", "l4", "okl4"])
def test_a_flavour_that_shares_no_tlb_refuses_it_in_one_line(flavour: str) -> None:
    table = {"board": "beagle", "flavour": flavour, "cells": {"a": {"image": "hello", "tlb_lockdown": 4}}}
    (problem,) = check(table)
    assert f"{flavour} has no such choice (choose flavour xen, or remove the key)" in str(problem)


@pytest.mark.parametrize(("entries", "good"), [(0, True), (8, True), (9, False), (-1, False), ("all", False)])
def test_no_more_is_locked_than_the_cpu_can(entries: object, good: bool) -> None:
    assert (check({**_one(tlb_lockdown=entries), "flavour": "xen"}) == []) is good


def test_another_choice_is_another_topology() -> None:
    digests = {
        load(_one(**keys), flavour="xen").digest for keys in ({}, {"tlb_lockdown": 1}, {"page_tables": "separate"})
    }
    assert len(digests) == 3
