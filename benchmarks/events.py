"""What operations of a guest kernel cost under each architecture, as a table of counted events: `python -m benchmarks.events`.

The kernel is wren (cells/wren), the same programs run on it everywhere. A program does an operation so many times between two
marks; what the trace has between these is counted, kind by kind, and divided. Everything here is modelled: virtual time and
counts, equal on every host. The kernel counts for itself too, and where both have counted the same thing they agree (a test holds
it). The closing mark is a system call itself: one call in `times` is not the operation's.

    python -m benchmarks.events null fork_exec --flavour xen     # these operations, under one flavour, with all events
    python -m benchmarks.events --out events                     # all of them; samples as JSON lines in events/
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from benchmarks.samples import Sample, number, write
from boards import load_board
from hypervisor import launch
from hypervisor.flavours import FLAVOURS

TOPOLOGY = "wren"
CELL = "wren"
OPERATIONS: Mapping[str, int] = {
    "null": 200,
    "read": 200,
    "write": 200,
    "pipe": 100,
    "signal": 100,
    "page_fault": 100,
    "fork_exit": 20,
    "fork_exec": 20,
}
"""What there is (cells/wren/user), and how often it is done."""
TITLES: Mapping[str, str] = {
    "null": "null call (getppid)",
    "read": "read of a byte",
    "write": "write of a byte",
    "pipe": "pipe round trip",
    "signal": "signal to oneself",
    "page_fault": "page fault",
    "fork_exit": "fork + exit",
    "fork_exec": "fork + exec",
}
COUNTS = ("runs", "switches", "table_updates", "system_calls", "faults", "interrupts")
"""What the kernel counts itself: how often a process was let run, and how its address spaces changed."""

Record = Mapping[str, Any]


@dataclass
class Found:
    """Of one operation: virtual cycles, the trace's records by kind, the kernel's own counts; all for `times` of it."""

    times: int
    cycles: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    spent: Counter[str] = field(default_factory=Counter)
    own: dict[str, int] = field(default_factory=dict)


MANY = {"page_table": "updates", "map": "pages", "unmap": "pages", "ipc_word": "words", "copy": "words"}
"""Kinds of records of which one may stand for several events, and the field that says for how many."""


class Broken(Exception):  # noqa: N818
    """The kernel did not do it, or not so often. The text is for people."""


def measure(operation: str, flavour: str, *, times: int | None = None, board: str | None = None) -> Found:
    """Run it.

    Raises:
        Broken: the marks are not there.
    """
    times = times or OPERATIONS[operation]
    overrides = [f'cells.{CELL}.args="init=/bin/init /bin/bench,{operation},{times}"']
    overrides += [f'board="{board}"'] if board else []
    chunks: list[bytes] = []
    with launch(TOPOLOGY, flavour=flavour, overrides=overrides) as run:
        run.trace.on_chunk.append(chunks.append)
        run.run()
        run.trace.flush()
        cycle, state = run.cell(CELL).why, str(run.state(CELL))
    records = [json.loads(line) for line in b"".join(chunks).splitlines()]
    if not any(_mark(record) == f"{operation}.end" for record in records):
        raise Broken(f"{operation} under {flavour}: {CELL} {state} ({cycle}) without the mark {operation}.end")
    return found_in(records, operation, times)


def found_in(records: Sequence[Record], operation: str, times: int) -> Found:
    """What a trace tells of an operation.

    Raises:
        Broken: it was done another number of times.
    """
    found, began = Found(times), -1
    counts: tuple[dict[str, int], dict[str, int]] = {}, {}
    for record in records:
        mark, value = _mark(record), _value(record)
        if mark == f"{operation}.begin":
            if value != times:
                raise Broken(f"{operation}: {times} asked for, {value} done")
            began = record["t"]
        elif mark == f"{operation}.end":
            found.cycles, began = record["t"] - began, -2
        elif mark.startswith("counts."):
            counts[began == -2][mark.removeprefix("counts.")] = value
        elif began >= 0:
            found.steps[record["k"]] += int(record.get(MANY.get(record["k"], ""), 1))
            found.spent[record["k"]] += int(record.get("cycles", 0))
    before, after = counts
    found.own = {name: after[name] - before.get(name, 0) for name in COUNTS if name in after}
    return found


def _mark(record: Record) -> str:
    """The name under which a program of the kernel has reported, "" if the record is something else."""
    return str(record.get("data", "")) if record.get("k") in ("exit", "call") and "data" in record else ""


def _value(record: Record) -> int:
    """What it has reported: by the hypercall page, or by a call through a paravirtual door."""
    return int(record["args"][1] if "args" in record else record.get("value", 0))


# ---- tables


def summary(found: Mapping[tuple[str, str], Found]) -> Table:
    """One row for each operation, its cycles under each flavour, and the ratio to native where that was measured."""
    flavours = list(dict.fromkeys(flavour for _, flavour in found))
    table = Table(title="virtual cycles of one operation (and times native)", title_justify="left")
    table.add_column("operation")
    for flavour in flavours:
        table.add_column(flavour, justify="right")
    for operation in dict.fromkeys(name for name, _ in found):
        base = found.get((operation, "native"))
        row = [TITLES[operation]]
        for flavour in flavours:
            one = found[operation, flavour]
            each = one.cycles / one.times
            ratio = f" ({number(each / (base.cycles / base.times))})" if base and flavour != "native" else ""
            row.append(f"{each:,.0f}{ratio}")
        table.add_row(*row)
    return table


def events(found: Mapping[tuple[str, str], Found]) -> Table:
    """One row for each kind of event, by operation and flavour: how often in one operation, and its cycles."""
    table = Table(title="events of one operation", title_justify="left")
    for name in ("operation", "flavour", "event", "times", "cycles"):
        table.add_column(name, justify="right" if name in ("times", "cycles") else "left")
    for (operation, flavour), one in found.items():
        rows = [(f"kernel: {name.replace('_', ' ')}", count, 0) for name, count in one.own.items() if count]
        rows += [(name, count, one.spent[name]) for name, count in sorted(one.steps.items())]
        for place, (name, count, cycles) in enumerate(rows):
            heads = (TITLES[operation], flavour) if not place else ("", "")
            table.add_row(*heads, name, number(count / one.times), f"{cycles / one.times:,.0f}" if cycles else "")
    return table


def samples(found: Mapping[tuple[str, str], Found]) -> Iterator[Sample]:
    """The same as files have it."""
    for (operation, flavour), one in found.items():
        where = {"kind": "modelled", "operation": operation, "flavour": flavour}
        yield Sample("events", "cycles", "cycles", where, (one.cycles / one.times,))
        for name, count in sorted(one.steps.items()):
            yield Sample("events", "count", "count", {**where, "event": name}, (count / one.times,))
            yield Sample("events", "spent", "cycles", {**where, "event": name}, (one.spent[name] / one.times,))
        for name, count in one.own.items():
            yield Sample("events", "kernel", "count", {**where, "event": name}, (count / one.times,))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit status 1: the kernel did not do what it was asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(OPERATIONS)} (all)")
    parser.add_argument("--flavour", action="append", choices=list(FLAVOURS), help="only under this one; repeatable")
    parser.add_argument("--board", help="another board than the topology's")
    parser.add_argument("--out", type=Path, help="a folder for the samples")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in OPERATIONS]
    if unknown:
        parser.error(f"no operation {unknown[0]!r}; there are {', '.join(OPERATIONS)}")
    return command_line.guarded("events", lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    if chosen.board:
        load_board(chosen.board)
    command_line.made(chosen.out)
    found: dict[tuple[str, str], Found] = {}
    try:
        for operation, flavour in _pairs(chosen.names or OPERATIONS, chosen.flavour or FLAVOURS):
            print(f"events: {operation}, {flavour}", file=sys.stderr, flush=True)
            found[operation, flavour] = measure(operation, flavour, board=chosen.board)
    except Broken as broken:
        print(f"events: {broken}", file=sys.stderr)
        return 1
    console = Console()
    console.print(summary(found))
    console.print(events(found))
    if chosen.out:
        write(chosen.out / "events.jsonl", samples(found))
    return 0


def _pairs(names: Iterable[str], flavours: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        for flavour in flavours:
            yield name, flavour


if __name__ == "__main__":
    sys.exit(main())
