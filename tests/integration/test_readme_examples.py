"""The examples by which the READMEs of `cells` teach how to talk: they run as they stand there, under every flavour."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cells.programs.arm import build
from tests.support.live import ROOT, Live

pytestmark = pytest.mark.slow

FLAVOURS = pytest.mark.parametrize("flavour", ["okl4", "l4", "xen"])
NAMED = re.compile(r"```\w+\n((?:#|/\*) (\w+\.\w+).*?)```", re.DOTALL)
"""A block whose first line is a comment that begins with a file's name."""


def write_examples(readme: str, place: Path) -> set[str]:
    """Every file that a README shows; their names."""
    found = {name: text for text, name in NAMED.findall((ROOT / readme).read_text())}
    for name, text in found.items():
        (place / name).write_text(text)
    return set(found)


@pytest.fixture
def compile_(place: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("ziglang", reason="the tool chain is optional: pip install 'cellvisor[toolchain]'")

    def run(name: str) -> Path:
        assert build.main([str(place / name)]) == 0, capsys.readouterr().err
        return (place / name).with_suffix(".elf")

    return run


def test_python_and_c_talk_as_cells_readme_says_under_every_flavour(live: Live, place: Path, compile_):
    assert write_examples("cells/README.md", place) == {"talk.toml", "talk.py", "answers.c"}
    compile_("answers.c")
    for flavour in (None, "l4", "xen"):
        run = live(place / "talk.toml", flavour=flavour)
        assert run.until("100ms").why == "finished"
        assert run.console("asks") == b"IS ANYBODY THERE?\n"
        assert {run.cell(name).why for name in ("asks", "answers")} == {"status 0"}


def pair(guest: dict[str, str], other: str) -> dict[str, object]:
    """An example, and one that takes whatever it says."""
    cells = {"example": guest, "other": {"image": "crook", "args": "crime=listen peer=example", "ram": "1MiB"}}
    return {
        "name": "raw",
        "board": "beagle",
        "cells": cells,
        "channels": [{"between": list(cells), "class": "message"}],
    }


HEARD = {
    "okl4": b"heard: 5\r\ncrook: still here\r\n",
    "l4": b"heard: 5\r\ncrook: still here\r\n",
    "xen": b"crook: still here\r\n",
}
"""What the other one has to say: under xen the example offers a port and writes no ring."""


@FLAVOURS
def test_the_raw_interface_for_python_works_as_the_readme_of_flavours_says(live: Live, place: Path, flavour: str):
    assert write_examples("cells/flavours/README.md", place) == {"raw.py"}
    namespace: dict[str, object] = {}
    exec((place / "raw.py").read_text(), namespace)
    run = live(pair({}, "other"), flavour=flavour, guests={"example": namespace[flavour]})
    assert run.until("100ms").why == "finished"
    assert run.cell("example").why == "status 0"
    assert run.console("other") == HEARD[flavour]
    if flavour == "xen":
        assert re.fullmatch(rb"port \d+ domain 0\n", run.console("example"))


@FLAVOURS
def test_the_raw_interface_for_c_works_as_the_readme_of_images_says(live: Live, place: Path, flavour: str, compile_):
    assert write_examples("cells/programs/arm/README.md", place) == {"raw.c"}
    image = str(compile_("raw.c"))
    run = live(pair({"image": image, "ram": "1MiB"}, "other"), flavour=flavour)
    assert run.until("100ms").why == "finished"
    assert run.console("example") == b"status 0\r\n"
    assert run.console("other") == HEARD[flavour]
