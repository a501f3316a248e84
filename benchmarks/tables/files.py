"""Tables as files: NAME.csv and NAME.json of each, with the prices, scores and what they were counted on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.tables.bench import Table
from benchmarks.tables.figures import NOTES
from benchmarks.tables.model import Solved
from benchmarks.tables.protocol import terms
from benchmarks.tables.shapes import Shape
from benchmarks.tables.summary import Summary, rows_of

Data = dict[str, object]


def table_data(table: Table, total: Summary) -> Data:
    """A table with values."""
    return {
        "figure": table.name,
        "note": NOTES.get(table.name, ""),
        "rows": rows_of(table),
        "fits": {column: _fit(solved) for column, solved in table.fits.items()},
        "scores": summary_data(total),
        "problems": list(table.problems),
        "remarks": list(table.remarks),
    }


def _fit(solved: Solved) -> Data:
    fit = solved.problem.fit
    prices = {name: {"us": price, "what": terms()[name].price} for name, price in solved.prices.items()}
    return {"name": fit.name, "kernel": fit.kernel, "calibration": list(fit.calibration) or "all", "prices": prices}


def summary_data(total: Summary) -> Data:
    """Scores, without what is not there."""
    data = asdict(total)
    for column in ("predicted", "left_out", "native"):
        data[column] = {key: value for key, value in data[column].items() if value is not None}
    return data


def shape_data(shape: Shape) -> Data:
    """A figure without values."""
    claims = [asdict(claim) for claim in shape.claims]
    kinds = {"us": shape.curves, **shape.more}
    curves = {
        unit: {name: [list(point) for point in curve] for name, curve in each.items()} for unit, each in kinds.items()
    }
    return {
        "figure": shape.name,
        "note": NOTES.get(shape.name, ""),
        "claims": claims,
        "curves": curves,
        "missing": shape.missing,
    }


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Records as CSV; numbers to six digits."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else ["row"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else value


def write(directory: Path, name: str, data: Data, rows: Sequence[Mapping[str, object]]) -> None:
    """Both files."""
    write_data(directory, name, data)
    (directory / f"{name}.csv").write_text(csv_text(rows))


def write_data(directory: Path, name: str, data: Data) -> None:
    """The JSON file."""
    (directory / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")
