"""Modules of a BREW-like cell: what `modules` and `run` name, and whether that can be.

    modules = ["bounce", "build/mine.mod", "mine:Hello"]   # ours by name, a file, a class of Python beside the topology
    run = ["bounce"]                                       # started at boot

A module's name is that of its file without the suffix, or what stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cells.personalities.brew.image import ImageError, parse
from cells.programs.brew import NAMES, PYTHON
from hypervisor.shell.topology.problems import nearest
from hypervisor.shell.topology.sources import check_guest, programs, under

SUFFIX = ".mod"


def name_of(text: str) -> str:
    """The name of a module.

    >>> name_of("bounce"), name_of("build/mine.mod"), name_of("mine:Hello")
    ('bounce', 'mine', 'mine:Hello')
    """
    return Path(text).name.removesuffix(SUFFIX)


def is_python(text: str) -> bool:
    """Whether the module is a class of Python."""
    return text in PYTHON or ":" in text


def in_python(modules: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Name and "module:Class" of those."""
    return tuple((name_of(text), PYTHON.get(text, text)) for text in modules if is_python(text))


def find(text: str, directory: Path | None) -> Path | None:
    """The file behind a module; None for Python that has no file. Raises as `find_module`, ValueError also for no such class."""
    return check_guest(PYTHON.get(text, text), directory) if is_python(text) else find_module(text, directory)


def find_module(text: str, directory: Path | None) -> Path:
    """The file of a module in ARM code.

    Raises:
        ValueError: there is none, or it is none.
        OSError: it cannot be read.
    """
    if text in NAMES:
        return programs() / "brew" / "images" / f"{text}{SUFFIX}"
    place = under(directory, text)
    if not place.is_file():
        known = "" if "/" in text or text.endswith(SUFFIX) else f"; {nearest(text, (*NAMES, *PYTHON))}"
        raise ValueError(f'there is no module "{text}"{known}')
    try:
        parse(place.read_bytes())
    except ImageError as error:
        raise ValueError(f"{text} {error}") from None
    return place.resolve()


def classes_of(path: Path) -> tuple[int, ...]:
    """Class ids of a module. Requires: `find_module` has found it."""
    return parse(path.read_bytes()).classes
