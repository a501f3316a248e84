"""Changes from the command line: `--set scheduler.slice=1ms`, a dotted path into the file and a TOML value.

A value that is not TOML is taken as text, so `1ms` and `debian:marvell` need no quotes. `board.KEY` changes the board
(`board.py`). A path that leads nowhere is an error, as an unknown key in the file is.

>>> parse_override("cells.hog.priority=3")
Override(path=('cells', 'hog', 'priority'), value=3)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boards import toml
from hypervisor.shell.topology.problems import Problem, Report, nearest
from hypervisor.shell.topology.schema import SECTIONS, Cell, File, Network, keys_of

OPTION = "--set"
NETWORK = "network"
"""The only key of a cell that is a table of its own."""
WHOLE = ("inputs",)
"""Sections that a change may replace: `--set inputs=[]` lets a device run without its script."""


@dataclass(frozen=True)
class Override:
    """One change: where, and the new value."""

    path: tuple[str, ...]
    value: Any

    @property
    def key(self) -> str:
        """The path as users write it."""
        return ".".join(self.path)


def parse_override(text: str) -> Override:
    """A change from `KEY=VALUE`.

    Raises:
        ValueError: there is no `=` or no key.
    """
    key, equals, value = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        raise ValueError("write KEY=VALUE, for example scheduler.slice=1ms")
    return Override(path, _value(value.strip()))


def _value(text: str) -> Any:
    """A TOML value, or the text itself if it is none."""
    try:
        table = toml.loads(f"value = {text}")
    except toml.TomlError:
        return text
    return table["value"] if table.keys() == {"value"} else text


def parse_overrides(texts: Sequence[str], report: Report) -> list[Override]:
    """The changes that can be read; the report gets the others, and learns which keys came from the command line."""
    changes = []
    for text in texts:
        try:
            change = parse_override(text)
        except ValueError as error:
            report.problems.append(Problem(report.file, text, str(error), f"{OPTION} {text}"))
            continue
        report.options[change.key] = f"{OPTION} {change.key}"
        changes.append(change)
    return changes


def apply_overrides(data: dict[str, Any], changes: Sequence[Override], report: Report) -> list[Override]:
    """Put the changes into the file's tables, in place; those of the board are returned."""
    for_board = []
    for change in changes:
        if change.path[0] == "board" and len(change.path) > 1:
            for_board.append(change)
        elif why := _stray(change.path, data):
            report.add(change.key, why)
        else:
            _put(data, change.path, change.value)
    return for_board


def _stray(path: tuple[str, ...], data: Mapping[str, Any]) -> str:
    """Why the path leads nowhere, or nothing if it leads to a key."""
    head, depth = path[0], len(path)
    if head == "cells" and depth >= 2:
        return _stray_cell(path, data)
    if head in ("scheduler", "vtlb", "costs") and depth == 2:
        return unknown(path[1], keys_of(SECTIONS[head]))
    if path[:2] == ("costs", "operations") and depth == 3:
        return ""  # which there are is a matter of the flavour (prices.py)
    if head in SECTIONS and depth == 1 and head not in WHOLE:
        return f"is a whole table; name a key in it ({', '.join(keys_of(SECTIONS[head]))})"
    if depth > 1 and head in keys_of(File):
        return "leads into a key that has no parts; write the whole value"
    return unknown(head, (*keys_of(File), *_cell_paths(path, data)))


def _stray_cell(path: tuple[str, ...], data: Mapping[str, Any]) -> str:
    cells = data.get("cells")
    names = [str(name) for name in cells] if isinstance(cells, Mapping) else []
    if path[1] not in names:
        return f"no such cell; {nearest(path[1], names)}"
    cell = data["cells"][path[1]]
    if (
        len(path) == 4
        and path[2] == NETWORK
        and isinstance(cell, Mapping)
        and isinstance(cell.get(NETWORK, {}), Mapping)
    ):
        return unknown(path[3], keys_of(Network))
    if len(path) != 3 or not isinstance(cell, Mapping):
        return "has to name one key of the cell, for example cells.NAME.priority"
    return unknown(path[2], keys_of(Cell))


def _cell_paths(path: tuple[str, ...], data: Mapping[str, Any]) -> list[str]:
    """Helps those who forget the `cells.` before a cell's name."""
    cells = data.get("cells")
    return [f"cells.{'.'.join(path)}"] if isinstance(cells, Mapping) and path[0] in cells else []


def unknown(word: str, known: Sequence[str]) -> str:
    """Why a word is no key, or nothing if it is one."""
    if word in known:
        return ""
    full = [name for name in known if name.startswith(f"cells.{word}")]
    return f"unknown key; did you mean {full[0]}?" if full else f"unknown key; {nearest(word, known)}"


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        data = data.setdefault(part, {})
    data[path[-1]] = value
