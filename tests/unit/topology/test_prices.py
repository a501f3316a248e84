"""`[costs]`: what a flavour's mechanisms take, changed for one run."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.flavours import FLAVOURS
from hypervisor.shell.plans import build_monitor
from hypervisor.shell.topology import check, load


def one(**sections: Any) -> dict[str, Any]:
    return {"board": "arm926", "cells": {"a": {"image": "hello"}}, **sections}


def test_the_monitor_charges_what_the_file_says_and_the_rest_as_ever() -> None:
    costs = build_monitor(load(one(costs={"world_switch": 7, "operations": {"ipc": 5}}), flavour="l4")).costs
    own = FLAVOURS["l4"].costs
    assert (costs.world_switch, costs.of("ipc")) == (7, 5)
    assert (costs.hypercall, costs.of("map")) == (own.hypercall, own.of("map"))


def test_a_step_of_the_same_name_follows_unless_it_is_said_too() -> None:
    assert load(one(costs={"hypercall": 9}), flavour="okl4").architecture.costs.of("hypercall") == 9
    both = one(costs={"hypercall": 9, "operations": {"hypercall": 8}})
    assert load(both, flavour="okl4").architecture.costs.of("hypercall") == 8


def test_another_price_is_another_topology_and_none_is_the_same() -> None:
    plain = load(one())
    assert plain.architecture is FLAVOURS[plain.flavour]
    assert load(one(costs={})).digest == plain.digest != load(one(costs={"virq": 1})).digest
    changed = load(one(), overrides=["costs.operations.copy=3"])
    assert changed.costs == {"operations.copy": 3}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("costs.hypercal=1", "--set costs.hypercal: unknown key; did you mean hypercall?"),
        ("costs.hypercall=-1", "--set costs.hypercall: must be 0..1000000000, not -1"),
        ("costs.hypercall=soon", "--set costs.hypercall: must be a whole number, not 'soon'"),
        (
            "costs.operations.ipcc=1",
            "--set costs.operations.ipcc: no operation of l4 is called so; did you mean ipc?",
        ),
        ("costs.operations.ipc.x=1", "--set costs.operations.ipc.x: leads into a key that has no parts; write the whole value"),
    ],
)  # fmt: skip
def test_a_wrong_name_or_price_is_told_with_the_nearest_known_one(change: str, said: str) -> None:
    assert [str(problem) for problem in check(one(), overrides=[change], flavour="l4")] == [said]
