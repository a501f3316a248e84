"""Modules of a BREW-like cell: what `modules` and `run` name, and whether that can be.

    modules = ["bounce", "build/mine.mod", "mine:Hello"]   # ours by name, a file, a class of Python beside the topology
    run = ["bounce"]                                       # started at boot

A module's name is that of its file without the suffix, or what stands there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from cells.personalities.brew.image import ImageError, parse
from cells.programs.brew import NAMES, PYTHON
from hypervisor.abi.time import parse_size
from hypervisor.shell.topology.problems import Report, nearest
from hypervisor.shell.topology.schema import Cell
from hypervisor.shell.topology.sources import check_guest, programs, under

SUFFIX = ".mod"
LEAST_RAM = 512 << 10
"""Bytes for page tables, connections and a small module, beside the modules' files."""

ELSEWHERE = ("root", "env", "files", "terminal", "pipes", "args")
"""Keys of other personalities."""


class Look(Protocol):
    """Finds a program's file, or puts into the report why not (`cells.found`)."""

    def __call__(self, key: str, find: Any, text: str) -> Path | None:
        """The file behind the text of a key."""
        ...


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


def resolve(at: str, cell: Cell, report: Report, look: Look) -> dict[str, Any]:
    """The modules of a cell, whose files are `files`, and which of them start at boot: fields of its `CellSpec`."""
    for key in ELSEWHERE:
        if key in cell.model_fields_set:
            report.add(f"{at}.{key}", "means nothing for BREW, whose applets have files of their own (remove it)")
    if not cell.modules and not report.spoiled(f"{at}.modules"):
        report.add(f"{at}.modules", 'missing; say what is installed, for example ["bounce"]')
    images = _images(at, cell.modules, report, look)
    names = [name_of(text) for text in cell.modules]
    for index, text in enumerate(cell.run):
        if name_of(text) not in names:
            report.add(f"{at}.run[{index}]", f'there is no module "{text}" in modules; {nearest(text, names)}')
    _check_ram(at, cell, images, report)
    return {"run": cell.run, "modules": cell.modules, "files": tuple(images), "file_paths": tuple(images.values())}


def _images(at: str, modules: Sequence[str], report: Report, look: Look) -> dict[str, Path]:
    """The files of those in ARM code, by the module's name."""
    images: dict[str, Path] = {}
    classes: dict[int, str] = {}
    for index, text in enumerate(modules):
        key, name = f"{at}.modules[{index}]", name_of(text)
        if name in map(name_of, modules[:index]):
            report.add(key, f'is a second module "{name}" (rename one)')
            continue
        path = look(key, find, text)
        if path is None or is_python(text):
            continue
        images[name] = path
        for class_id in classes_of(path):
            if (other := classes.setdefault(class_id, name)) != name:
                report.add(key, f"has class {class_id:#010x}, which {other} has as well")
    return images


def _check_ram(at: str, cell: Cell, images: Mapping[str, Path], report: Report) -> None:
    size = sum(path.stat().st_size for path in images.values())
    if cell.ram is not None and parse_size(cell.ram) < LEAST_RAM + 2 * size:
        report.add(f"{at}.ram", f"{cell.ram} is too small for BREW with these modules (give 1MiB or more)")
