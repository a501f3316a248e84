"""The account as data: it comes back as it was, and names what is wrong with one that does not."""

from __future__ import annotations

import doctest
import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.shell import account, human, summary
from hypervisor.shell.provenance import Binary
from hypervisor.shell.summary import (
    CellSummary,
    CoreSummary,
    HostCell,
    HostSummary,
    Latency,
    Metric,
    Summary,
    share_percent,
)

SUMMARY = Summary(
    name="storage",
    flavour="okl4",
    board="beagle",
    seed=1,
    hz=500_000_000,
    time=80_000_000,
    ended="--for reached",
    trace_sha256="ab" * 32,
    cells={
        "linux": CellSummary(
            "running", metrics={"latency": Metric.first(5)}, exits={"budget": 3}, refusals=(("a", "b", 2),)
        )
    },
    cores=(CoreSummary(70, 10),),
    host=HostSummary("shm", 1.5, cells={"linux": HostCell(0.5, 1 << 20, ("landlock",))}),
    binaries=(Binary("vmlinuz", "cd" * 32),),
)


def test_a_summary_comes_back_as_it_was() -> None:
    assert Summary.from_json(SUMMARY.to_json()) == SUMMARY


def test_everything_that_is_promised_stands_outside_of_the_host() -> None:
    other = replace(SUMMARY, host=HostSummary("zmq", 9.0))
    assert other.promised() == SUMMARY.promised()
    assert "host" not in SUMMARY.promised()
    assert replace(SUMMARY, time=1).promised() != SUMMARY.promised()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"seed": "1"}, "seed: Input should be a valid integer"),
        ({"cells": {"linux": {"state": 7}}}, "cells.linux.state: Input should be a valid string"),
    ],
)
def test_a_summary_that_is_wrong_is_named_with_the_key(change: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError) as caught:
        Summary.from_json(json.dumps(json.loads(SUMMARY.to_json()) | change))
    assert str(caught.value) == why


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_percentiles_are_those_of_the_sorted_list(values: list[int]) -> None:
    ordered = sorted(values)
    latency = Latency.of(Counter(values))
    assert (latency.count, latency.min, latency.max) == (len(values), ordered[0], ordered[-1])
    assert latency.p50 == ordered[-(-len(ordered) * 50 // 100) - 1]
    assert latency.p99 == ordered[-(-len(ordered) * 99 // 100) - 1]


def test_no_latency_is_all_zero() -> None:
    assert Latency.of({}) == Latency.of({5: 0}) == Latency(0, 0, 0, 0, 0)


def test_a_share_is_of_the_time_of_all_cores() -> None:
    assert share_percent(50, 100, 2) == 25.0
    assert share_percent(0, 0, 1) == 0.0


@pytest.mark.parametrize("module", [account, human, summary])
def test_the_examples_in_the_texts_are_true(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.failed == 0
    assert result.attempted > 0
