"""The points of a sweep as rows: axes, what became of each, metrics, derived figures, and where all of it comes from.

`results.csv` and, with pyarrow, `results.parquet` have the same columns. The row of a point that failed says why.
"""

from __future__ import annotations

import csv
import difflib
import io
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypervisor.shell.files import RunDirError, replacing
from hypervisor.shell.problems import InputError
from hypervisor.shell.sweeps.formula import Formula
from hypervisor.shell.sweeps.metrics import resolve, written_as
from hypervisor.shell.sweeps.runner import Results, found_of
from hypervisor.shell.sweeps.sweep import SEED, Point, Sweep

Row = dict[str, Any]
FACTS = "from."
"""What the columns begin with that say where a row comes from."""
EXTRA = "pip install 'cellvisor[sweeps]'"


def rows_of(sweep: Sweep, results: Results) -> list[Row]:
    """A row for each point that there is a result of, in the order of the grid."""
    known = [point for point in sweep.points if point.bad or point.id in results]
    rows = [_row(point, sweep, results) for point in known]
    places = {_place(row, sweep): row for row in rows}
    for row in rows:
        for name, formula in sweep.file.derived.items():
            row[name] = _derived(formula, row, places, sweep)
    for row, point in zip(rows, known, strict=True):
        found = found_of(point, results)
        facts = {**point.facts, "id": point.id, "trace_sha256": found.trace_sha256}
        row |= {f"{FACTS}{key}": value for key, value in facts.items()}
        row |= {f"host.{key}": value for key, value in found.host.items()}
    return _alike(rows)


def _row(point: Point, sweep: Sweep, results: Results) -> Row:
    found = found_of(point, results)
    row: Row = {**point.labels, "status": found.status, "why": found.why, "ended": found.ended}
    for metric in (*sweep.file.metrics, *_terms(sweep)):
        name = resolve(metric, found.figures)
        row[metric] = found.figures[name] if name else None
    return row


def _terms(sweep: Sweep) -> list[str]:
    """Metrics that only formulas want."""
    return [metric for formula in sweep.file.derived.values() for metric, _ in formula.terms.values()]


def _place(row: Mapping[str, Any], sweep: Sweep) -> tuple[Any, ...]:
    return tuple(row[axis] for axis in sweep.axes)


def _derived(formula: Formula, row: Row, places: Mapping[tuple[Any, ...], Row], sweep: Sweep) -> float | None:
    values = {}
    for name, (metric, where) in formula.terms.items():
        other = places.get(_place({**row, **where}, sweep))
        if other is None or other.get(metric) is None:
            return None
        values[name] = float(other[metric])
    return formula.value(values)


def _alike(rows: list[Row]) -> list[Row]:
    """All with the same columns in the same order."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return [{key: row.get(key) for key in columns} for row in rows]


def check_metrics(name: str, sweep: Sweep, results: Results) -> None:
    """Every metric stands in the account of some point, if any point has one.

    Raises:
        InputError: one does not; the text names the nearest that does.
    """
    accounts = [found.figures for found in results.values() if found.figures]
    if not accounts:
        return
    lines = []
    for metric in dict.fromkeys((*sweep.file.metrics, *_terms(sweep))):
        if not any(resolve(metric, figures) for figures in accounts):
            known = list(dict.fromkeys(path for figures in accounts for path in written_as(figures)))
            lines.append(f'{name}: metrics: no run has "{metric}"; {_nearest(metric, known)}')
    if lines:
        raise InputError("\n".join(lines))


def _nearest(metric: str, known: Sequence[str]) -> str:
    """Advice that stays a line: there may be thousands."""
    near = difflib.get_close_matches(metric, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else "they are listed in hypervisor/shell/sweeps/README.md"


# ---- files


def write_tables(rows: Sequence[Row], sweep: Sweep, source: str, out: Path) -> list[Path]:
    """`results.csv`, and `results.parquet` if pyarrow is there. `source`: the sweep's file, which goes into the latter.

    Raises:
        RunDirError: they cannot be written.
    """
    written = [out / "results.csv"]
    try:
        with replacing(written[0]) as file:
            file.write(_csv(rows).encode())
        if has_parquet():
            written.append(out / "results.parquet")
            with replacing(written[1]) as file:
                file.write(_parquet(rows, sweep, source))
    except OSError as error:
        raise RunDirError.because(out, error) from error
    return written


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def has_parquet() -> bool:
    """Whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def _parquet(rows: Sequence[Row], sweep: Sweep, source: str) -> bytes:
    import pyarrow
    from pyarrow import parquet

    columns = {key: _column([row[key] for row in rows]) for key in rows[0]} if rows else {}
    about = {"cellvisor.sweep": sweep.name, "cellvisor.file": source}
    table = pyarrow.table({key: pyarrow.array(*column) for key, column in columns.items()}).replace_schema_metadata(
        about
    )
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())


def _column(values: Sequence[Any]) -> tuple[list[Any], str]:
    """Values and their type: whole numbers, numbers, else text."""
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, int) and abs(value) < 2**63 for value in given):
        return list(values), "int64"
    if given and all(isinstance(value, int | float) for value in given):
        return [None if value is None else float(value) for value in values], "float64"
    return [None if value is None else str(value) for value in values], "string"


# ---- over seeds


def groups(
    rows: Sequence[Row], axes: Sequence[str], metric: str
) -> Iterator[tuple[tuple[Any, ...], tuple[float, float, float]]]:
    """For each combination of these axes, the least, the median and the greatest of all rows that have it."""
    found: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if row.get(metric) is not None:
            found.setdefault(tuple(row[axis] for axis in axes), []).append(float(row[metric]))
    for key, values in found.items():
        yield key, (min(values), statistics.median(values), max(values))


def shown_axes(sweep: Sweep) -> list[str]:
    """Those of which there is more than one value."""
    return [axis for axis, values in sweep.axes.items() if len(values) > 1 or (axis != SEED and len(sweep.axes) < 3)]
