"""`cellvisor graph` as a user meets it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.session import cellvisor

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("topology", "cells"), [("storage", ["client", "storage", "flash0"]), ("ping", ["ping", "pong"])]
)
def test_the_graph_of_a_built_in_topology_is_shown_and_nothing_is_started(
    topology: str, cells: list[str], place: Path
) -> None:
    done = cellvisor("graph", topology, place=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert "who reaches whom, by which right" in done.stdout
    for flavour in ("native", "l4", "xen", "okl4"):
        assert f"  {flavour} " in done.stdout
    for cell in cells:
        assert cell in done.stdout
    assert list(place.iterdir()) == []


def test_a_drawing_goes_into_a_file_and_nothing_to_the_terminal(place: Path) -> None:
    out = place / "storage.svg"
    done = cellvisor("graph", "storage", "--flavour", "xen", "--format", "svg", "--out", str(out), place=place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    root = ElementTree.fromstring(out.read_text())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "storage under xen" in [element.text for element in root.iter()]


def test_the_graphviz_form_goes_to_standard_output(place: Path) -> None:
    done = cellvisor("graph", "ping", "--format", "dot", place=place)
    assert done.returncode == 0
    assert done.stdout.startswith('digraph "ping" {')


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["pnig"], "cellvisor: pnig: no built-in topology has this name, and no file (did you mean ping?)"),
        (
            ["ping", "--flavour", "native"],
            "cellvisor: --flavour: native runs one cell, alone on the board; here are 2 ",
        ),
        (
            ["ping", "--format", "pdf"],
            "cellvisor: Invalid value for '--format': 'pdf' is not one of 'text', 'dot', 'svg'.",
        ),
        (["ping", "--out", "no/where"], "cellvisor: --out no/where: no such file or directory (say where it can be "),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], line: str, place: Path) -> None:
    done = cellvisor("graph", *arguments, place=place, cwd=place)
    assert done.returncode == 2
    assert done.stdout == ""
    assert line in done.stderr
