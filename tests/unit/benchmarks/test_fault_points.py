"""What is measured against: a source in which every look for injected faults has been decided, and nothing else is changed."""

from __future__ import annotations

import ast

import pytest

from benchmarks.host.fault_points import Counted, Decided


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("if a.faults is not None:\n    f()\ng()", "g()"),
        ("if self.monitor.faults is not None:\n    f()\nelse:\n    g()", "g()"),
        ("if a.faults is None:\n    f()\nelse:\n    g()", "f()"),
        ("if a.faults is None or not lost(a):\n    f()", "f()"),
        ("if a.faults is not None and lost(a):\n    f()\ng()", "g()"),
        ("if b and a.faults is not None:\n    f()\ng()", "if b and False:\n    f()\ng()"),
        ("if world.faults:\n    f()\ng()", "g()"),
        ("def f():\n    if a.faults is not None:\n        g()", "def f():\n    pass"),
        ("if a.defaults is not None:\n    f()", "if a.defaults is not None:\n    f()"),
    ],
)
def test_a_test_comes_out_as_without_faults(source: str, left: str) -> None:
    change = Decided()
    tree = ast.fix_missing_locations(change.visit(ast.parse(source)))
    code = ast.unparse(tree)
    assert [line for line in code.splitlines() if line.strip() != "pass"] == [
        line for line in left.splitlines() if line.strip() != "pass"
    ]
    assert change.found == ("defaults" not in source)


def test_a_look_counts_itself_and_comes_out_as_it_would() -> None:
    source = "import os\nif a.faults is not None or world.faults:\n    f()\nif world.faults:\n    g()"
    change = Counted()
    code = ast.unparse(ast.fix_missing_locations(change.visit(ast.parse(source))))
    assert code.splitlines() == [
        "import os",
        "import counter",
        "if counter.passed(a.faults is not None) or world.faults:",
        "    f()",
        "if counter.passed(world.faults):",
        "    g()",
    ]
    assert change.found == 2
