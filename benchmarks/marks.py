"""What a run's marks say: events of each operation, once. `python -m benchmarks.marks RUNDIR`

A cell with `counting` tells its counts at each mark of its program (hypervisor/abi/counts.py: `svc 0` with r7 = 0xFEED, r0 an
identity, r1 = 0 at the begin of an operation and the number of turns at its end). A run directory has them in its trace; here
they are subtracted and divided by the turns.

    cellvisor run mine.toml --out runs/1                   # [cells.a.counting] in it
    python -m benchmarks.marks runs/1 [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.samples import number

NO_COUNT = frozenset({"t", "k", "cell", "id", "times"})
"""Fields of a mark's record that are no count."""
TRACE = "trace.jsonl"


class NoMarks(Exception):  # noqa: N818
    """There is nothing to be shown. The text is for people."""


@dataclass(frozen=True)
class Marked:
    """An operation between two marks: counts of one turn."""

    cell: str
    id: int
    times: int
    counts: Mapping[str, float]


def marked(records: Iterable[Mapping[str, Any]]) -> list[Marked]:
    """Operations in the order in which they ended; an end without its begin is left out."""
    begun: dict[tuple[str, int], Mapping[str, Any]] = {}
    found = []
    for record in records:
        if record.get("k") != "mark":
            continue
        place = (str(record["cell"]), int(record["id"]))
        if record["times"] == 0:
            begun[place] = record
        elif first := begun.pop(place, None):
            names = [name for name in record if name not in NO_COUNT and name in first]
            counts = {name: (record[name] - first[name]) / record["times"] for name in names}
            found.append(Marked(*place, int(record["times"]), counts))
    return found


def of_run(directory: Path) -> list[Marked]:
    """Those of a run directory.

    Raises:
        NoMarks: it has no trace, or no operation in it.
    """
    path = directory / TRACE
    try:
        with path.open(encoding="utf-8") as file:
            found = marked(json.loads(line) for line in file if '"mark"' in line)
    except OSError as error:
        raise NoMarks(f"{path}: {error.strerror}; take the directory of cellvisor run --out") from None
    except (ValueError, KeyError, TypeError, AttributeError):  # a line may be any JSON
        raise NoMarks(f"{path}: is no trace of a run") from None
    if not found:
        raise NoMarks(
            f"{path}: no operation between marks; does a cell have `counting`, its program svc 0 with r7 = 0xFEED?"
        )
    return found


def shown(found: Sequence[Marked]) -> Table:
    """A column for each operation; events that none of them has are left out."""
    table = Table(title="events of one turn", title_justify="left")
    table.add_column("event")
    for one in found:
        table.add_column(f"{one.cell}: {one.id} (x{one.times})", justify="right")
    for name in dict.fromkeys(name for one in found for name in one.counts):
        if any(one.counts.get(name) for one in found):
            table.add_row(name, *(number(one.counts.get(name, 0.0)) for one in found))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit status 2: no marks there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.marks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("directory", type=Path, metavar="RUNDIR", help="of cellvisor run --out")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    chosen = parser.parse_args(arguments)
    try:
        found = of_run(chosen.directory)
    except NoMarks as gone:
        print(f"marks: {gone}", file=sys.stderr)
        return 2
    if chosen.json:
        print(json.dumps([vars(one) for one in found], indent=1))
    else:
        Console().print(shown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
