"""The command `bench`, without its options.

bench(BenchOptions(("fig17",), explain="fork_exit"))
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import cast

from rich.console import Console, RenderableType

from benchmarks.tables.figures import TITLES, figure
from hypervisor.shell.problems import InputError

try:
    from benchmarks.tables import architectures, drawings, files, report
    from benchmarks.tables.bench import Bench, Table
    from benchmarks.tables.judged import own_kernel, shape
    from benchmarks.tables.runs import Machines, Stored, store
    from benchmarks.tables.shapes import Shape
    from benchmarks.tables.summary import Summary, rows_of, summary
except ModuleNotFoundError as gone:
    raise InputError(f"bench needs {gone.name}, which is not installed: pip install 'cellvisor[bench]'") from None

LMBENCH = ("fig11", "fig12", "fig17", "fig19", "fig21")
GOALS = ("fig11", "fig12", "fig17", "fig19")
"""Tables whose scores are also taken together."""
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{name: (name,) for name in TITLES},
        "fig14": ("fig16",),
        "fig15": ("fig16",),
        "lmbench": LMBENCH,
        "mibench": ("fig16",),
        "all": tuple(TITLES),
    }
)
"""What can be asked for, and the figures that it is."""
WIDTH = 170
"""Of tables that go to no terminal."""


@dataclass(frozen=True)
class BenchOptions:
    """What `bench` is told. `explain`: a row, or FIGURE.ROW; `out`: a folder for files and pictures; `counts`: a file of
    counts, so that nothing runs.
    """

    names: tuple[str, ...]
    explain: str | None = None
    out: Path | None = None
    as_json: bool = False
    counts: Path | None = None


def bench(options: BenchOptions) -> int:
    """Print them. Status 1: nothing of what was asked for could be measured.

    Raises:
        InputError: no such table or row, or a package of the extra is not installed.
    """
    names = figures_of(options.names)
    row = _row_of(options.explain, names) if options.explain else None
    if options.out:
        _need("matplotlib")
    source: Machines | Stored = Stored(options.counts) if options.counts else Machines()
    bench = Bench(source, names)
    data: dict[str, files.Data] = {}
    console = Console(file=sys.stderr if options.as_json else sys.stdout, width=None if sys.stdout.isatty() else WIDTH)
    tables = []
    for name in names:
        made = _one(bench, name, alone=options.counts is not None)
        if isinstance(made.table, Table):
            tables.append(made.table)
        data[name] = made.data
        if not options.as_json:
            console.print(report.explained_in(made.table, row) if row and made.table else made.text)
        if options.out:
            made.write(options.out)
    _together(bench, tables, data, console, options)
    if options.out:
        store(options.out / "counts.json", bench.measured, source.provenance(bench.measured))
    if options.as_json:
        print(json.dumps(data, indent=1))
    return 0 if any(_told(one) for one in data.values()) else 1


def figures_of(names: Sequence[str]) -> list[str]:
    """The figures that some names stand for, in the survey's order.

    Raises:
        InputError: there is no such thing.
    """
    for name in names:
        if name not in GROUPS:
            raise InputError(f"bench: there is no table {name!r}: take {', '.join(GROUPS)}")
    wanted = {figure for name in names for figure in GROUPS[name]}
    return [name for name in TITLES if name in wanted]


def _row_of(text: str, names: Sequence[str]) -> str:
    """A row's key."""
    keys = [row.key for name in names for row in figure(name)]
    found = [key for key in keys if text in (key, key.partition(".")[2])]
    if not found:
        rows = ", ".join(key.partition(".")[2] for key in keys) or "none"
        raise InputError(f"bench: --explain {text}: no such row in {', '.join(names)}; rows: {rows}")
    if len(found) > 1:
        raise InputError(f"bench: --explain {text}: several tables have it: take {' or '.join(found)}")
    return found[0]


def _need(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise InputError(f"bench --out needs {package}, which is not installed: pip install 'cellvisor[bench]'")


# ---- one figure


@dataclass(frozen=True)
class Made:
    """A figure in all its forms. `table`: None for those without values."""

    name: str
    text: RenderableType
    data: files.Data
    rows: Sequence[Mapping[str, object]]
    table: Table | None = None
    draw: object = None

    def write(self, out: Path) -> None:
        """Its files."""
        out.mkdir(parents=True, exist_ok=True)
        files.write(out, self.name, self.data, self.rows)
        if self.table:
            drawings.draw_table(self.table, out)
        elif isinstance(self.draw, Shape) and self.draw.curves:
            drawings.draw_shape(self.draw, out)


def _one(bench: Bench, name: str, alone: bool) -> Made:
    """One of them. `alone`: nothing may run."""
    if name == "fig10":
        records = architectures.records()
        return Made(name, architectures.shown(), {"figure": name, "cells": records}, records)
    if not figure(name):
        judged = shape(name, bench, own_kernel if name == "fig18" and not alone else None)
        data = files.shape_data(judged)
        rows = cast("list[dict[str, object]]", data["claims"])
        return Made(name, report.shape(judged), data, rows, draw=judged)
    table = bench.table(name)
    total = summary([table], bench.rules.within)
    return Made(name, report.shown(table, total), files.table_data(table, total), rows_of(table), table)


def _together(
    bench: Bench, tables: Sequence[Table], data: dict[str, files.Data], console: Console, options: BenchOptions
) -> None:
    """The tables of the goals, if all of them are there."""
    chosen = [table for table in tables if table.name in GOALS]
    if len(chosen) < len(GOALS):
        return
    total: Summary = summary(chosen, bench.rules.within)
    data["together"] = {"figure": "together", "scores": files.summary_data(total)}
    if not options.as_json and not options.explain:
        console.print(report.together(total))
    if options.out:
        files.write_data(options.out, "together", data["together"])


def _told(data: files.Data) -> bool:
    """Whether there is anything of ours in it."""
    rows = cast("list[dict[str, object]]", data.get("rows", []))
    return any(row["virtualized_model"] is not None for row in rows) or bool(data.get("cells") or data.get("claims"))
