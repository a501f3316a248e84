"""A dict written as TOML says the same when it is read."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.shell.topology.toml_text import render_toml

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(allow_nan=False)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))


@settings(max_examples=40)
@given(st.dictionaries(texts, values, max_size=4))
def test_rendered_text_reads_as_the_same_tables(data: dict[str, Any]) -> None:
    assert tomllib.loads(render_toml(data)) == data


def test_the_text_looks_as_a_user_would_write_it() -> None:
    data = {
        "name": "mine",
        "scheduler": {"policy": "partition", "windows": [["a", "1ms"]]},
        "cells": {"a": {"guest": "m:f", "cores": (0, 1)}, "b": {"image": "hog", "label": None}},
        "channels": [{"between": ["a", "b"], "class": "message"}],
    }
    assert render_toml(data) == (
        'name = "mine"\n'
        'channels = [{ between = ["a", "b"], class = "message" }]\n'
        '\n[scheduler]\npolicy = "partition"\nwindows = [["a", "1ms"]]\n'
        '\n[cells.a]\nguest = "m:f"\ncores = [0, 1]\n'
        '\n[cells.b]\nimage = "hog"\n'
    )
