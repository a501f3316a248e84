"""Fig. 10: microkernel, hypervisor and microvisor compared, from the flavour records.

What a cell of the table says stands in architectures.toml, with the operations and fields of the flavour's record that make it
so: these are printed with their values, and a cell that names what its record does not have is an error. Each names the test that
shows it.

>>> [cell.flavour for cell in cells() if cell.row == "memory"]
['l4', 'xen', 'okl4']
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from hypervisor.flavours import FLAVOURS, Flavour


@dataclass(frozen=True)
class Cell:
    """One of the table. `record`: the flavour's own words and numbers for it."""

    row: str
    flavour: str
    says: str
    record: tuple[str, ...]
    test: str


def cells() -> list[Cell]:
    """All of them, row by row.

    Raises:
        LookupError: a cell names what the flavour's record has not.
    """
    data = tomllib.loads((Path(__file__).parent / "architectures.toml").read_text())
    return [_cell(row, FLAVOURS[name], entry) for row, columns in data.items() for name, entry in columns.items()]


def _cell(row: str, flavour: Flavour, entry: dict[str, Any]) -> Cell:
    known = flavour.costs.operations
    names, facts = entry.get("operations", []), entry.get("facts", [])
    record = [f"{name} {known[name]}" for name in names]
    record += [f"{fact.removeprefix('costs.')} {_fact(flavour, fact)}" for fact in facts]
    return Cell(row, flavour.name, entry["says"], tuple(record), entry["test"])


def _fact(flavour: Flavour, path: str) -> str:
    """A field of the record; what is absent or empty cannot make a cell true."""
    value: Any = flavour
    for name in path.split("."):
        if not hasattr(value, name):
            raise LookupError(f"architectures.toml: {flavour.name} has no {path}")
        value = getattr(value, name)
    if not value:
        raise LookupError(f"architectures.toml: {flavour.name}: {path} is {value!r}")
    return "yes" if value is True else str(value)


def shown(row: str = "") -> Table:
    """For a terminal: a column for each flavour. `row`: of this row alone."""
    found = [cell for cell in cells() if row in ("", cell.row)]
    names = list(dict.fromkeys(cell.flavour for cell in found))
    grid = Table(
        title="fig10: microkernel, hypervisor, microvisor (numbers: cycles of the record; last: its test, below tests/)",
        title_justify="left",
    )
    for head in ("", *(FLAVOURS[name].title for name in names)):
        grid.add_column(head, ratio=4 if head else 1, overflow="fold")
    for name in dict.fromkeys(cell.row for cell in found):
        by_flavour = {cell.flavour: cell for cell in found if cell.row == name}
        grid.add_row(name, *(_text(by_flavour[flavour]) for flavour in names))
        grid.add_section()
    return grid


def _text(cell: Cell) -> str:
    record = f"\n[{', '.join(cell.record)}]" if cell.record else ""
    return f"{cell.says}{record}\n{cell.test}".replace("[", r"\[")


def records() -> list[dict[str, object]]:
    """For files."""
    return [
        {"row": cell.row, "flavour": cell.flavour, "says": cell.says, "record": list(cell.record), "test": cell.test}
        for cell in cells()
    ]
