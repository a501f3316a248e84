"""What a table is worth: scores of its columns, and of several tables together.

The columns: `predicted` (prices of the calibration rows, on the others), `left out` (prices of all rows but the row itself),
`native` (so, too), `end to end` (native and added time both modelled without the row; judged by the factor). Under a flavour that
spares flushes, how much of native they are is a share that the native prices of all rows say (`unflushed` of model.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.tables import causes
from benchmarks.tables.bench import Line, Table
from benchmarks.tables.protocol import NATIVE, VIRTUALIZED
from benchmarks.tables.scores import Score, score


@dataclass(frozen=True)
class Summary:
    """Of one or more tables. `factor`: median error of the factor virtualized / native, both sides modelled without the row.
    `limit`: of the errors of "within".
    """

    tables: tuple[str, ...]
    limit: float
    predicted: Score
    left_out: Score
    native: Score
    factor: float | None
    calibrated_rows: int
    predicted_rows: int
    missing_rows: int
    parameters: Mapping[str, int]


def summary(tables: Sequence[Table], within: float) -> Summary:
    """Of these together."""
    lines = [line for table in tables for line in table.lines]
    answered = [line.answer for line in lines if line.answer]
    shown = [answer for answer in answered if not answer.calibrated]
    left_out = [line.left_out for line in lines if line.left_out]
    native = [line.native for line in lines if line.native]
    fits = {solved.problem.fit.name: solved.parameters for table in tables for solved in table.fits.values()}
    return Summary(
        tuple(table.name for table in tables),
        within,
        score(shown, True, within),
        score(left_out, True, within),
        score(native, False, within),
        end_to_end(lines),
        len(answered) - len(shown),
        len(shown),
        sum(line.kind == "not measured" for line in lines),
        fits,
    )


def end_to_end(lines: Iterable[Line]) -> float | None:
    """Median error of the factor if no time of the row is taken from the survey: what is given counts as a share of native."""
    errors = []
    for line in lines:
        if line.left_out and line.native and line.native.total > 0:
            grown = line.left_out.given / line.row.native_us + line.left_out.added / line.native.total
            errors.append(abs(grown / (line.row.virtualized_us / line.row.native_us) - 1))
    return median(errors) if errors else None


def rows_of(table: Table) -> list[dict[str, object]]:
    """A table as records: for CSV and JSON. Values are in the row's unit, overheads and errors are shares."""
    return [_record(line) for line in table.lines]


def _record(line: Line) -> dict[str, object]:
    row = line.row
    cause, share = causes.main(line.answer) if line.answer else ("", 0.0)
    virtual = row.from_us(line.answer.total) if line.answer else None
    shown = line.native or line.native_beside
    native = row.from_us(shown.total) if shown and shown.total > 0 else None
    error = line.answer.total / row.virtualized_us - 1 if line.answer else None
    if line.loads:
        native, virtual = line.loads
        error = virtual / row.virtualized - 1
    return {
        "figure": row.table,
        "row": row.name,
        "unit": row.unit,
        "native": row.native,
        "native_model": native,
        "virtualized": row.virtualized,
        "virtualized_model": virtual,
        "virtualized_left_out": row.from_us(line.left_out.total) if line.left_out else None,
        "overhead": row.virtualized_us / row.native_us - 1 if row.timed else None,
        "overhead_model": line.answer.total / row.native_us - 1 if line.answer else None,
        "error": error,
        "kind": line.kind,
        "cause": cause,
        "cause_share": share if cause else None,
        "why": line.missing,
    }


COLUMNS = {NATIVE: "native", VIRTUALIZED: "virtualized"}
"""For people."""
