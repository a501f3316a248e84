"""Applets of a BREW cell: two modules that have the same class are told apart by nobody."""

from __future__ import annotations

import shutil
from pathlib import Path

from cells.programs import brew
from hypervisor.shell import topology

BOUNCE = Path(brew.__file__).parent / "images" / "bounce.mod"
FILE = """\
name = "twins"
board = "arm926"
flavour = "okl4"

[cells.brew]
personality = "brew"
modules = {modules}
"""


def problems(place: Path, *modules: str) -> list[str]:
    file = place / "twins.toml"
    file.write_text(FILE.format(modules=list(modules)))
    return [f"{problem.key}: {problem.why}" for problem in topology.check(str(file))]


def test_a_class_that_two_modules_have_is_a_problem(tmp_path: Path) -> None:
    shutil.copy(BOUNCE, tmp_path / "mine.mod")
    assert problems(tmp_path, "bounce", "./mine.mod") == [
        "cells.brew.modules[1]: has class 0x01ce0001, which bounce has as well"
    ]
    assert problems(tmp_path, "film", "./mine.mod") == []
