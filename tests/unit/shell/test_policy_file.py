"""Policy files: what is wrong with one is said with its key and a reason, all of it at once, and ours are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypervisor.core.xen.policy import Policy
from hypervisor.shell.policy_file import judge_cells, read_policy
from hypervisor.shell.topology.problems import Report

POLICIES = Path(__file__).parents[3] / "boards" / "policies"

GOOD = """
types = ["block", "flash"]
walls = ["bank", "game"]
[labels.a]
types = ["block"]
walls = ["bank"]
[labels.b]
types = ["block", "flash"]
[conflicts]
money = ["bank", "game"]
[devices]
flash0 = ["flash"]
"""


def problems(text: str) -> list[str]:
    report = Report("p.toml")
    policy = read_policy(text, report)
    assert (policy is None) == bool(report.problems)
    return [str(problem) for problem in report.problems]


def test_a_good_file_is_a_policy() -> None:
    report = Report("p.toml")
    policy = read_policy(GOOD, report)
    assert report.problems == []
    assert policy == Policy.parse(GOOD), "what the monitor makes of the text is the same"
    assert policy is not None
    assert policy.allow("a", "b", "grant").allowed


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_built_in_policies_are_good(path: Path) -> None:
    assert problems(path.read_text()) == []


BAD = {
    "": "p.toml: labels: missing; it has to be given",
    "[labels]": "p.toml: labels: there is none (without one nobody may do anything)",
    "labels = 3": "p.toml: labels: must be a table, not 3",
    "[labels.a]\ntype = []": "p.toml: labels.a.type: unknown key; did you mean types?",
    "label = 1\n[labels.a]": "p.toml: label: unknown key; did you mean labels?",
    '[labels.a]\ntypes = "x"': "p.toml: labels.a.types: must be a list, not 'x'",
    "[labels.a]\ntypes = [1]": "p.toml: labels.a.types[0]: must be text, not 1",
    'types = [" "]\n[labels.a]': "p.toml: types[0]: is empty",
    'types = ["x", "x"]\n[labels.a]': 'p.toml: types: names "x" twice (name each once)',
    'types = ["block"]\n[labels.a]\ntypes = ["blok"]': 'p.toml: labels.a.types: no type "blok" is declared; did you mean block?',
    'walls = ["bank"]\n[labels.a]\nwalls = ["bnk"]': 'p.toml: labels.a.walls: no wall "bnk" is declared; did you mean bank?',
    '[labels.a]\n[devices]\nflash0 = ["x"]': 'p.toml: devices.flash0: no type "x" is declared; none is known here',
    'walls = ["a"]\n[labels.a]\n[conflicts]\nx = ["a"]': "p.toml: conflicts.x: needs two walls or more: a single one conflicts "
    "with nothing",
    'walls = ["a", "b"]\n[labels.c]\nwalls = ["b", "a"]\n[conflicts]\nx = ["a", "b"]': "p.toml: labels.c.walls: a and b "
    "conflict by conflicts.x: nobody can be both",
    "[labels.a\n": "p.toml: line 1, column 10: is not TOML: Expected ']' at the end of a table declaration",
}


@pytest.mark.parametrize("text", BAD)
def test_a_mistake_is_one_line_with_file_key_and_reason(text: str) -> None:
    assert problems(text) == [BAD[text]]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems('[labels.a]\ntypes = ["x"]\nwalls = ["y"]\n[conflicts]\nz = ["y"]')) == 4


def judged(*cells: tuple[str, str, list[str]]) -> list[str]:
    policy = Policy.parse(GOOD)
    assert policy is not None
    report = Report("t.toml")
    judge_cells(policy, [(f"cells.{name}", name, label, devices) for name, label, devices in cells], report)
    return [str(problem) for problem in report.problems]


def test_cells_that_fit_their_policy_are_no_problem() -> None:
    assert judged(("client", "a", []), ("storage", "b", ["flash0"])) == []


@pytest.mark.parametrize(
    ("label", "devices", "why"),
    [
        ("", [], "cells.x.label: missing; under a policy a cell without a label may do nothing (known: a, b)"),
        ("aa", [], 'cells.x.label: the policy has no label "aa"; did you mean a?'),
        (
            "a",
            ["flash0"],
            "cells.x.devices: the policy denies x flash0: type enforcement: no type in common (a has block, flash0 has flash)",
        ),
        ("b", ["uart1"], 'cells.x.devices: the policy denies x uart1: no rule for the device "uart1"'),
    ],
)
def test_cells_that_do_not_fit_are_told_before_anything_runs(label: str, devices: list[str], why: str) -> None:
    assert judged(("x", label, devices)) == [f"t.toml: {why}"]
