"""The command `bench`, without its options.

bench(BenchOptions(("fig17",), explain="fork_exit"))
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import cast

from rich.console import Console, RenderableType

from benchmarks.tables.figures import TITLES, figure
from hypervisor.shell.problems import InputError

try:
    from benchmarks import latency
    from benchmarks.tables import architectures, drawings, explained, files, goals, headlines, report
    from benchmarks.tables.bench import Bench, Table
    from benchmarks.tables.judged import shape
    from benchmarks.tables.own import own_kernel
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
VIEWS: Mapping[str, str] = MappingProxyType(
    {
        "headlines": "the survey's main effects, all at once: theirs beside ours, with the main cause",
        "goals": "what these tables are to reach: wanted, reached, met or missed",
    }
)
"""What is read from several tables, which are not printed for it; "all" ends with them."""
APART: Mapping[str, str] = MappingProxyType({latency.NAME: latency.TITLE})
"""What the survey has no table of; not in "all"."""
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
        OSError: `out` cannot be made; nothing has run then.
    """
    names = figures_of(options.names)
    views = [name for name in VIEWS if {name, "all"} & set(options.names)]
    apart = [name for name in APART if name in options.names]
    if apart and options.counts:
        raise InputError(f"bench: {apart[0]} is made of no counts: take it without --counts")
    if options.explain:
        return _explain(options, _row_of(options.explain, [*names, *apart]))
    if options.out:
        _need("matplotlib")
    source = _source(options)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(source, dict.fromkeys([*names, *(_needed() if views else ())]))
    tables: dict[str, Table] = {}
    data: dict[str, files.Data] = {}
    console = _console(options)
    known = source.provenance(bench.measured) if (options.out or options.as_json) and bench.wanted else {}
    for name in names:
        made = _one(bench, name, alone=options.counts is not None)
        if isinstance(made.table, Table):
            tables[name] = made.table
        _put(made, data, console, options, known)
    for _ in apart:
        _put(latency.shown(), data, console, options)
    _together(bench, list(tables.values()), data, console, options)
    for made in _views(bench, tables, views):
        _put(made, data, console, options, known)
    if options.out and bench.wanted:
        store(options.out / "counts.json", bench.measured, known)
    if options.as_json:
        print(json.dumps(data, indent=1))
    return 0 if any(_told(one) for one in data.values()) else 1


def _source(options: BenchOptions) -> Machines | Stored:
    return Stored(options.counts) if options.counts else Machines()


def _console(options: BenchOptions) -> Console:
    return Console(file=sys.stderr if options.as_json else sys.stdout, width=None if sys.stdout.isatty() else WIDTH)


def _explain(options: BenchOptions, row: str) -> int:
    """One row, and nothing else."""
    if options.out:
        raise InputError("bench: --explain prints one row and writes no files: take --out without it, or --json > FILE")
    if row.partition(".")[0] in APART:
        text, record = latency.explained(latency.shown(), row)
    else:
        bench = Bench(_source(options), [row.partition(".")[0]])
        text, record = explained.explained(bench, row), explained.record(bench, row)
    if options.as_json:
        print(json.dumps(record, indent=1))
    else:
        _console(options).print(text)
    return 0


def list_all(as_json: bool = False) -> int:
    """What can be asked for: titles, and groups with their figures."""
    if as_json:
        groups = {name: list(figures) for name, figures in GROUPS.items() if name not in TITLES}
        groups["all"] += VIEWS
        print(json.dumps({"tables": {**TITLES, **VIEWS, **APART}, "groups": groups}, indent=1))
        return 0
    for name, title in {**TITLES, **VIEWS, **APART}.items():
        print(f"{name:10} {title}")
    for name, figures in GROUPS.items():
        if name not in TITLES:
            print(f"{name:10} {', '.join(figures)}{' and all of the above' if name == 'all' else ''}")
    return 0


def figures_of(names: Sequence[str]) -> list[str]:
    """The figures that some names stand for, in the survey's order.

    Raises:
        InputError: there is no such thing.
    """
    if not names:
        raise InputError("bench: say which table, or --list to see what there is")
    for name in names:
        known = [*GROUPS, *VIEWS, *APART]
        if name not in known:
            near = get_close_matches(name, [one for one in known if not one.startswith("fig")], 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise InputError(f"bench: there is no table {name!r}{hint}: take {', '.join(known)}")
    wanted = {figure for name in names for figure in GROUPS.get(name, ())}
    return [name for name in TITLES if name in wanted]


def _row_of(text: str, names: Sequence[str]) -> str:
    """A row's key."""
    keys = [key for name in names for key in (latency.keys() if name in APART else explained.keys(name))]
    found = [key for key in keys if text in (key, key.partition(".")[2])]
    if not found:
        rows = [key.partition(".")[2] for key in keys]
        near = get_close_matches(text.rpartition(".")[2], rows, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        where = ", ".join(names) or "what was asked for"
        raise InputError(f"bench: --explain {text}: no such row in {where}{hint}; rows: {', '.join(rows) or 'none'}")
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
        elif isinstance(self.draw, Shape) and (self.draw.curves or self.draw.more):
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


def _put(
    made: Made | latency.Shown,
    data: dict[str, files.Data],
    console: Console,
    options: BenchOptions,
    known: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """One of them into all that is asked for. `known`: what its counts come from, for its JSON."""
    if known:
        made.data["provenance"] = dict(known)
    data[made.name] = made.data
    if not options.as_json:
        console.print(made.text)
    if options.out:
        made.write(options.out)


def _needed() -> tuple[str, ...]:
    """The figures that views are read from."""
    return tuple(dict.fromkeys([*headlines.needed(), *goals.needed()]))


def _views(bench: Bench, tables: Mapping[str, Table], wanted: Sequence[str]) -> Iterator[Made]:
    """Headlines, goals: of the tables that there are, and of those that it takes beside."""
    if not wanted:
        return
    every = {name: tables.get(name) or bench.table(name) for name in _needed() if figure(name)}
    effects = headlines.headlines(bench, every)
    if "headlines" in wanted:
        rows = headlines.records(effects)
        yield Made("headlines", headlines.shown(effects), {"figure": "headlines", "claims": rows}, rows)
    if "goals" in wanted:
        found = goals.reached(every, effects, bench.rules.within)
        rows = goals.records(found)
        yield Made("goals", goals.shown(found), {"figure": "goals", "claims": rows}, rows)


def _together(
    bench: Bench, tables: Sequence[Table], data: dict[str, files.Data], console: Console, options: BenchOptions
) -> None:
    """The tables of the goals, if all of them are there."""
    chosen = [table for table in tables if table.name in GOALS]
    if len(chosen) < len(GOALS):
        return
    total: Summary = summary(chosen, bench.rules.within)
    data["together"] = {"figure": "together", "scores": files.summary_data(total)}
    if not options.as_json:
        console.print(report.together(total))
    if options.out:
        files.write_data(options.out, "together", data["together"])


def _told(data: files.Data) -> bool:
    """Whether there is anything of ours in it."""
    rows = cast("list[dict[str, object]]", data.get("rows", []))
    return any(row["virtualized_model"] is not None for row in rows) or bool(data.get("cells") or data.get("claims"))
