"""`[vtlb]`: the entries of the virtual TLB, and who gets one."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.plans import build_monitor, plan_cells
from hypervisor.shell.topology import check, load


def _one(**sections: Any) -> dict[str, Any]:
    return {"board": "pxa255", "cells": {"a": {"image": "hello"}}, **sections}


def _given(flavour: str, *overrides: str) -> dict[str, int] | None:
    topology = load(_one(), flavour=flavour, overrides=overrides)
    plan = plan_cells(topology, build_monitor(topology), link="shm", sandbox=True, measure=False)[0]
    given: dict[str, int] | None = plan.settings["machine"]["vtlb"]
    return given


def test_a_virtual_tlb_is_larger_than_any_real_one_unless_said_otherwise() -> None:
    given = _given("okl4")
    assert given is not None
    assert given["virtual_entries"] == 1024 > given["entries"]


def test_it_is_set_from_the_command_line_or_in_the_file() -> None:
    given = _given("okl4", "vtlb.entries=256")
    assert given is not None
    assert given["virtual_entries"] == 256
    assert load(_one(vtlb={"entries": 256})).vtlb == 256


def test_the_boards_tlb_and_the_flavours_prices_go_with_it() -> None:
    costs = FLAVOURS["okl4"].costs
    assert _given("okl4") == {
        "entries": 32, "ways": 32, "split": 1, "asid": 0, "virtual_entries": 1024,
        "miss_cycles": costs.of("vtlb"), "upkeep_cycles": costs.hypercall,
    }  # fmt: skip


def test_none_means_that_nothing_is_counted() -> None:
    assert _given("okl4", "vtlb.entries=0") is None


@pytest.mark.parametrize("flavour", [name for name in FLAVOURS if "vtlb" not in FLAVOURS[name].costs.operations])
def test_a_flavour_that_has_none_runs_the_same_topology(flavour: str) -> None:
    assert _given(flavour, "vtlb.entries=256") is None


def test_another_size_is_another_topology() -> None:
    assert load(_one()).digest == load(_one(vtlb={"entries": 1024})).digest != load(_one(vtlb={"entries": 64})).digest


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"entries": -1}, "vtlb.entries: must be 0..1048576, not -1"),
        ({"entries": 1 << 21}, f"vtlb.entries: must be 0..1048576, not {1 << 21}"),
        ({"entries": "many"}, "vtlb.entries: must be a whole number, not 'many'"),
        ({"size": 3}, "vtlb.size: unknown key; known: entries"),
        (3, "vtlb: must be a table, not 3"),
    ],
)
def test_what_is_wrong_with_it_is_said(section: Any, said: str) -> None:
    assert [str(problem).partition(": ")[2] for problem in check(_one(vtlb=section))] == [said]
