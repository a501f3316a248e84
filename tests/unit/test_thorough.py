"""The list of tests that the default run leaves out names tests that there are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import THOROUGH

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted({line.partition("::")[0] for line in THOROUGH}))
def test_each_line_names_a_test_of_its_file(path: str) -> None:
    there = {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}
    named = {line.rpartition("::")[2] for line in THOROUGH if line.startswith(f"{path}::")}
    assert named <= there
