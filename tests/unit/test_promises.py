"""What the tables of tests/ name is there: every test, every constant with its value, every attack."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.attacks import ATTACKS
from tests.support.native_attacks import LAST_DEEDS, MISCHIEF, TABLE

TESTS = Path(__file__).parents[1]
TABLES = ("PROMISES.md", "BOUNDS.md", "ATTACKS.md")
NAMED = re.compile(r"`([a-z_0-9/]+\.py)(?:::(test_\w+))?`")
CONSTANT = re.compile(r"\| (\d+) \| `([\w.]+)`")


@cache
def functions(path: Path) -> frozenset[str]:
    return frozenset(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("table", TABLES)
def test_every_test_that_a_table_names_exists(table: str) -> None:
    named = NAMED.findall((TESTS / table).read_text())
    assert len(named) > 10
    for file, test in named:
        path = TESTS / file.removeprefix("tests/")
        assert path.is_file(), file
        assert not test or test in functions(path), f"{file}::{test}"


def test_every_bound_is_what_the_table_says() -> None:
    rows = CONSTANT.findall((TESTS / "BOUNDS.md").read_text())
    assert len(rows) > 30
    for value, constant in rows:
        module, _, name = constant.rpartition(".")
        assert getattr(importlib.import_module(module), name) == int(value), constant


def test_every_attack_that_the_table_names_is_made() -> None:
    rows = re.findall(r"^\| [^`|]+ \| ([^`|]+) \|$", (TESTS / "ATTACKS.md").read_text(), re.MULTILINE)
    named = [name.strip().strip('"') for row in rows[1:] for name in re.split(r", (?=[a-z_]+(?:,|$)|\")", row)]
    made = {*ATTACKS, *MISCHIEF, *LAST_DEEDS, *(name for name, _, _ in TABLE)}
    named.remove("test")  # the head of the second table
    assert len(named) > 80
    assert [name for name in named if name not in made] == []
