"""A sweep as users write it, and everything that is wrong with one: file, key, reason, the nearest name.

What an axis of the grid is follows from its key and its values: a key of the topology (`flavour`, `scheduler.slice`,
`costs.hypercall`, `board.cpu.tlb.entries`); `topology` itself; a list of tables, each a `name` and what it sets together; or,
under any other plain word, values for `{WORD}` in the lines of `set`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from hypervisor.shell.runs.files import Shelf
from hypervisor.shell.sweeps.formula import Formula
from hypervisor.shell.topology.forms import Text, Texts, Time
from hypervisor.shell.topology.parse import explain, place
from hypervisor.shell.topology.problems import Report, nearest
from hypervisor.shell.topology.schema import File, Section, keys_of

MOST = 100_000
"""Points of a sweep: a slip of the finger must not start a run of a year."""
LIMIT_S = 120.0
"""Host seconds after which a point is said to hang."""
WORD = re.compile(r"[a-z][a-z0-9_]*")
HOLES = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""Where a line of `set` takes the value of an axis."""
OWN_AXES = ("topology",)
"""Axes that are no key of a topology."""
RESERVED = frozenset({"seed", "for"})
"""Keys of a topology that a sweep says elsewhere."""
COLUMNS = ("status", "why", "ended")
"""What every row of results has beside axes and figures (tables.py)."""


def _values(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of values, not {value!r}")  # noqa: TRY004  pydantic asks for it
    if not value:
        raise ValueError("has no values; give at least one, or remove the axis")
    if any(isinstance(each, Mapping) for each in value):
        variants = tuple(_variant(each) for each in value)
        if len({each["name"] for each in variants}) < len(variants):
            raise ValueError("has two tables of one name")
        return variants
    if any(value.count(each) > 1 for each in value):
        raise ValueError("has a value twice")
    return tuple(tuple(each) if isinstance(each, list) else each for each in value)


def _variant(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str) or not value["name"]:
        raise ValueError('has tables, and each of them needs a name, for example { name = "small", ... }')
    return value


def _seeds(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value or len(set(value)) < len(value) or any(not 0 <= seed < 2**64 for seed in value):
        raise ValueError("must be one or more different numbers from 0 to 2^64 - 1")
    return value


def _limit(value: float) -> float:
    if not 0.1 <= value <= 86_400:
        raise ValueError(f"must be 0.1..86400 seconds of the host, not {value:g}")
    return value


def _ruled(value: object) -> object:
    """A formula and the figures that stand in it."""
    if not isinstance(value, Mapping) or not isinstance(value.get("is"), str):
        raise ValueError('needs a formula, for example is = "this / base - 1"')  # noqa: TRY004  as above
    terms = {name: {"metric": term} if isinstance(term, str) else term for name, term in value.items() if name != "is"}
    for name, term in terms.items():
        if not isinstance(term, Mapping) or not isinstance(term.get("metric"), str):
            why = f'"{name}" must be a metric, or a table with one: {{ metric = "time", seed = 1 }}'
            raise ValueError(why)  # noqa: TRY004  as above
    return Formula(value["is"], {name: (str(term["metric"]), _rest(term)) for name, term in terms.items()})


def _rest(term: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in term.items() if key != "metric"}


Axis = Annotated[tuple[Any, ...], BeforeValidator(_values)]
Derived = Annotated[Any, BeforeValidator(_ruled)]


class PlotSection(Section):
    """A picture: `metric` over the axis `x`, a curve (or a group of bars, or a row of a map) for each value of `by`. `where`: of
    other axes only these values; of the rest, seeds included, the median, with a band from the least to the greatest. `zero`:
    the figures' scale begins there.
    """

    metric: Text
    x: Text
    by: Text | None = None
    kind: Literal["line", "bar", "map"] = "line"
    log: Literal["", "x", "y", "xy"] = ""
    zero: bool = True
    title: str = ""
    label: str = ""
    name: str = ""
    where: dict[str, Any] = Field(default_factory=dict)


class SweepFile(Section):
    """A whole sweep. `without`: combinations that are left out, each a table of axes and their values (one, or a list).
    `runs`: whether run directories are kept; a trace of a busy second may take 100 MB.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)

    description: str = ""
    topology: Text | None = None
    set: Texts = ()
    seeds: Annotated[tuple[int, ...], Field(strict=False), AfterValidator(_seeds)] = (1,)
    for_: Time | None = Field(alias="for", default=None)
    limit: Annotated[float, AfterValidator(_limit)] = LIMIT_S
    runs: bool = True
    metrics: Texts = ()
    derived: dict[str, Derived] = Field(default_factory=dict)
    grid: dict[str, Axis] = Field(default_factory=dict)
    without: Annotated[tuple[dict[str, Any], ...], Field(strict=False)] = ()
    plot: Annotated[tuple[PlotSection, ...], Field(strict=False)] = ()


SWEEPS = Shelf("sweep", "sweeps")


def built_in() -> list[str]:
    """Names of the built-in sweeps."""
    return SWEEPS.names()


def read(name: str) -> tuple[str, Path, SweepFile]:
    """A sweep by built-in name or path: the name that it goes by, its file, its content.

    Raises:
        TopologyError: with everything that is wrong.
    """
    return SWEEPS.read(name, _parse)


def _parse(data: dict[str, Any], report: Report) -> SweepFile | None:
    try:
        file = SweepFile.model_validate(data)
    except ValidationError as error:
        for detail in error.errors():
            report.add(place(detail["loc"]), _explain(detail))
        return None
    for judge in (_judge_topology, _judge_axes, _judge_without, _judge_formulas, _judge_plots):
        judge(file, report)
    return file


def _explain(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        section = PlotSection if len(detail["loc"]) > 1 else SweepFile
        return f"unknown key; {nearest(str(detail['loc'][-1]), keys_of(section))}"
    return explain(detail)


def _judge_topology(file: SweepFile, report: Report) -> None:
    varied = "topology" in file.grid or any(
        isinstance(value, Mapping) and "topology" in value for values in file.grid.values() for value in values
    )
    if bool(file.topology) == varied:
        report.add("topology", "give it here or in [grid]" if file.topology else "missing; name one")
    if not file.metrics:
        report.add("metrics", 'there is none; write for example ["switches", "time"]')
    if not file.grid and len(file.seeds) == 1:
        report.add(
            "grid", 'is empty; name an axis, for example "scheduler.slice" = ["1ms", "10ms"], or give several seeds'
        )
    points = len(file.seeds)
    for values in file.grid.values():
        points *= len(values)
    if points > MOST:
        report.add("grid", f"has {points} points; at most {MOST} (give fewer values)")


def _judge_axes(file: SweepFile, report: Report) -> None:
    """Each axis does something: it is a key, a table of keys, or stands in a line of `set`."""
    holes = {hole for line in file.set for hole in HOLES.findall(line)}
    for key, values in file.grid.items():
        if key in RESERVED:
            report.add(
                f"grid.{key}", f"a sweep says that as {'seeds = [1, 2]' if key == 'seed' else 'for, above the grid'}"
            )
        elif key in COLUMNS:
            report.add(f"grid.{key}", "is a column of all results; call the axis something else")
        elif not (is_key(key) or isinstance(values[0], Mapping) or key in holes):
            known = [*keys_of(File), *OWN_AXES]
            why = f"no key of a topology, and no line of set has {{{key}}}; {nearest(key, known)}"
            report.add(f"grid.{key}", why)
        elif any(isinstance(value, tuple) for value in values) and not is_key(key):
            report.add(f"grid.{key}", "a list cannot stand in a line of set")
    for hole in holes - set(file.grid):
        report.add("set", f"{{{hole}}} is no axis of the grid; {nearest(hole, file.grid)}")


def is_key(key: str) -> bool:
    """Whether an axis is a key of the topology, or the topology itself; a dotted one is looked up when it is loaded."""
    return "." in key or key in keys_of(File) or key in OWN_AXES


def _judge_without(file: SweepFile, report: Report) -> None:
    for number, each in enumerate(file.without):
        for axis, values in each.items():
            for value in values if isinstance(values, list) else [values]:
                _judge_where(f"without[{number}]", {axis: value}, file, report)


def _judge_formulas(file: SweepFile, report: Report) -> None:
    for name, formula in file.derived.items():
        key = f"derived.{name}"
        if why := formula.fault():
            report.add(f"{key}.is", why)
        if name in (*COLUMNS, *RESERVED, *file.grid, *file.metrics):
            report.add(key, "is a column already; call it something else")
        for term, (_, where) in formula.terms.items():
            _judge_where(f"{key}.{term}", where, file, report)


def _judge_plots(file: SweepFile, report: Report) -> None:
    axes = [*file.grid, "seed"]
    terms = [metric for formula in file.derived.values() for metric, _ in formula.terms.values()]
    figures = list(dict.fromkeys([*file.metrics, *file.derived, *terms]))
    for number, plot in enumerate(file.plot):
        if plot.metric not in figures:
            why = f'"{plot.metric}" is neither in metrics nor in derived; {nearest(plot.metric, figures)}'
            report.add(f"plot[{number}].metric", why)
        for key, axis in (("x", plot.x), ("by", plot.by)):
            if axis is not None and axis not in axes:
                report.add(f"plot[{number}].{key}", f'"{axis}" is no axis of the grid; {nearest(axis, axes)}')
        if plot.kind == "map" and plot.by is None:
            report.add(f"plot[{number}].by", "missing; a map has two axes")
        _judge_where(f"plot[{number}].where", plot.where, file, report)


def _judge_where(key: str, where: Mapping[str, Any], file: SweepFile, report: Report) -> None:
    """Values that an axis has."""
    for axis, value in where.items():
        if axis not in file.grid:
            report.add(f"{key}.{axis}", f"is no axis of the grid; {nearest(axis, file.grid)}")
        elif value not in (known := [label_of(each) for each in file.grid[axis]]):
            report.add(f"{key}.{axis}", f"the axis has no value {value!r}; {nearest(str(value), map(str, known))}")


def label_of(value: Any) -> Any:
    """What a value of an axis is called in tables: a table's name, a list as text, anything else itself."""
    if isinstance(value, Mapping):
        return value["name"]
    return " ".join(map(str, value)) if isinstance(value, tuple) else value
