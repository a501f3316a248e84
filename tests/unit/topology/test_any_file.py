"""Whatever stands in a file, the answer is a topology or problems, never another error."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.shell.topology import check
from hypervisor.shell.topology.schema import SECTIONS, File, keys_of

pytestmark = pytest.mark.slow

GOOD: dict[str, Any] = {
    "board": "arm926",
    "scheduler": {"policy": "partition", "windows": [["a", "1ms"]]},
    "cells": {"a": {"image": "hog"}, "b": {"guest": "cells.programs.counter:main"}},
}

words = st.sampled_from(
    [
        "",
        "\0",
        "x" * 300,
        "~nobody",
        "~",
        "/",
        "..",
        "1ms",
        "4KiB",
        "debian:x",
        "a:b",
        "python",
        "os.path:join",
        "[",
        "okl4",
    ]
)
scalars = words | st.integers() | st.booleans() | st.floats() | st.text(max_size=5)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2))
keys = st.sampled_from([*keys_of(File), *(key for section in SECTIONS.values() for key in keys_of(section)), "zzz"])
places = st.sampled_from([(), ("scheduler",), ("cells", "a"), ("cells", "b"), ("cells",)])


@settings(max_examples=60)
@given(st.lists(st.tuples(places, keys, values), min_size=1, max_size=4))
def test_any_value_at_any_key_gives_problems_or_a_topology(changes: list[tuple[tuple[str, ...], str, Any]]) -> None:
    data = copy.deepcopy(GOOD)
    for place, key, value in changes:
        table: Any = data
        for part in place:
            table = table.get(part) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table[key] = value

    for problem in check(data):
        assert problem.why
        assert "\n" not in str(problem).replace("\\n", "")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["board", "cells.a", "scheduler", ""]), keys | words, scalars), max_size=4))
def test_any_change_gives_problems_or_a_topology(changes: list[tuple[str, str, Any]]) -> None:
    check(GOOD, overrides=[f"{place}.{key}={value}".lstrip(".") for place, key, value in changes])


@settings(max_examples=60)
@given(st.sampled_from(["cores", "ram_size", "slice", "cpu", "private", "clock_hz", "power", "linux", "name"]), values)
def test_any_change_of_the_board_gives_problems_or_a_topology(key: str, value: Any) -> None:
    check(GOOD, overrides=[f"board.{key}={value}"])
