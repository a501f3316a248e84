"""Small judgements of the commands: what is a failure, which board a kernel is for, what is said of an error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import boards
from hypervisor.shell.boot import KERNEL_BOARDS
from hypervisor.shell.commands import status_of
from hypervisor.shell.problems import InputError, lines_of
from hypervisor.shell.topology import Problem, TopologyError


def summary(**cells: tuple[str, str]) -> Any:
    return SimpleNamespace(cells={name: SimpleNamespace(state=state, why=why) for name, (state, why) in cells.items()})


@pytest.mark.parametrize(
    ("state", "why", "status"),
    [
        ("running", "", 0),
        ("shut down", "status 3", 0),
        ("failed", "killed", 0),
        ("failed", "killed; gave up after 3 restarts", 0),
        ("failed", "guest fault: killed", 1),
        ("failed", "heartbeat missed", 1),
        ("failed", "backstop: spins without end", 1),
    ],
)
def test_only_a_cell_that_failed_by_itself_is_a_failure(state: str, why: str, status: int) -> None:
    assert status_of(summary(well=("blocked", ""), other=(state, why))) == status


def test_each_debian_kernel_has_the_board_that_names_it() -> None:
    for kernel, board in KERNEL_BOARDS.items():
        linux = boards.load_board(board).linux
        assert linux is not None
        assert linux.kernel == kernel


def test_a_users_mistake_is_a_line_each_and_ours_is_none() -> None:
    assert lines_of(InputError("--pace: must be more than 0")) == ["--pace: must be more than 0"]
    several = TopologyError([Problem("a.toml", "seed", "is text"), Problem("a.toml", "", "has no cells")])
    assert lines_of(several) == ["a.toml: seed: is text", "a.toml: has no cells"]
    assert lines_of(FileNotFoundError(2, "No such file or directory", "x")) == ["x: no such file or directory"]
    assert lines_of(OSError(28, "No space left on device")) == ["no space left on device"]
    assert lines_of(RuntimeError("a bug")) is None
