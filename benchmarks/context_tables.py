"""Tables and the picture of benchmarks/context.py, and what the survey reads from its Fig. 18 beside what is so here.

for table in tables(found, CURVES, several=2, hz=266_000_000):
    Console().print(table)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.table import Table

from benchmarks.chart import Chart
from benchmarks.samples import number


class Curve(Protocol):
    """Its name in `Found`, and for people."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102


class Point(Protocol):
    """benchmarks/context.py has them."""

    @property
    def cycles(self) -> float: ...  # noqa: D102
    @property
    def turn(self) -> float: ...  # noqa: D102
    @property
    def causes(self) -> Mapping[str, float]: ...  # noqa: D102
    @property
    def counts(self) -> Mapping[str, float]: ...  # noqa: D102


Found = Mapping[tuple[str, int, int], Point]
"""By curve, KiB, processes."""
LOCKED_KIB = 8
"""Above it, the survey says, lockdown helps."""
NEAR = (25.0, 100.0)
"""What counts as "about 50 us"."""


def microseconds(cycles: float, hz: int) -> float:
    """Of a CPU at so many Hz."""
    return cycles * 1e6 / hz


def sizes_of(found: Found) -> list[int]:
    """KiB, growing."""
    return sorted({size for _, size, _ in found})


def tables(found: Found, curves: Sequence[Curve], several: int, hz: int) -> Iterator[Table]:
    """All of them, for one number of processes."""
    title = f"a switch among {several} processes, us of virtual time (Fig. 18)"
    yield _times(found, curves, several, title, lambda point: microseconds(point.cycles, hz))
    title = f"a whole turn among {several} processes, us: a read, a sum, a write, the switch"
    yield _times(found, curves, several, title, lambda point: microseconds(point.turn, hz))
    yield events(found, curves, several)
    yield verdict(claims(found, several, hz))


def _times(found: Found, curves: Sequence[Curve], several: int, title: str, value) -> Table:  # type: ignore[no-untyped-def]
    table = Table(title=title, title_justify="left")
    for name in ("KiB each", *(curve.title for curve in curves)):
        table.add_column(name, justify="right")
    for size in sizes_of(found):
        table.add_row(str(size), *(f"{value(found[curve.name, size, several]):.1f}" for curve in curves))
    return table


def events(found: Found, curves: Sequence[Curve], several: int) -> Table:
    """What one switch consists of, for the largest size: how often, and its cycles."""
    size = sizes_of(found)[-1]
    table = Table(title=f"events of a switch, {several} processes of {size} KiB: times (cycles)", title_justify="left")
    for name in ("event", *(curve.title for curve in curves)):
        table.add_column(name, justify="left" if name == "event" else "right")
    points = [found[curve.name, size, several] for curve in curves]
    for name in sorted({name for point in points for name in (*point.counts, *point.causes)}):
        table.add_row(name, *(_entry(point, name) for point in points))
    return table


def _entry(point: Point, name: str) -> str:
    times, cycles = point.counts.get(name), point.causes.get(name)
    return f"{number(times) if times else ''} {f'({cycles:,.0f})' if cycles else ''}".strip()


def draw(found: Found, curves: Sequence[Curve], several: int, hz: int) -> str:
    """The curves as SVG."""
    lines = {
        curve.title: [(size, microseconds(found[curve.name, size, several].cycles, hz)) for size in sizes_of(found)]
        for curve in curves
    }
    title = f"Context switch among {several} processes (modelled, {hz / 1e6:.0f} MHz)"
    return Chart(title, "KiB used by each process", "microseconds", lines).svg()


# ---- the survey's sentences


@dataclass(frozen=True)
class Claim:
    """A sentence of the survey about its Fig. 18, whether it holds here, the figures, and the reason if it does not."""

    says: str
    holds: bool
    here: str
    reason: str


def claims(found: Found, several: int, hz: int) -> list[Claim]:
    """What section V of the survey reads from the figure."""
    sizes = sizes_of(found)

    def times(name: str, *, turn: bool = False) -> list[float]:
        points = (found[name, size, several] for size in sizes)
        return [microseconds(point.turn if turn else point.cycles, hz) for point in points]

    shared, native, locked = (times(name) for name in ("shared", "native", "lockdown"))
    added = [more - less for more, less in zip(shared, native, strict=True)]
    apart = [more - less for more, less in zip(times("separate", turn=True), times("shared", turn=True), strict=True)]
    gains = [more - less for more, less in zip(shared, locked, strict=True)]
    share = max(gain / time for gain, time in zip(gains, shared, strict=True))
    large = [gain for gain, size in zip(gains, sizes, strict=True) if size > LOCKED_KIB]
    small = [gain for gain, size in zip(gains, sizes, strict=True) if size <= LOCKED_KIB]
    told = [
        Claim(
            "virtualization adds about 50 us to a switch",
            all(NEAR[0] <= more <= NEAR[1] for more in added),
            f"it adds {_range(added)} us",
            "here the two flush alike, and the hypervisor adds a hypercall and its refills; 50 us are most of a second flush",
        ),
        Claim(
            "which is moderate compared to separate page tables",
            all(more > 0 for more in apart),
            f"these add {_range(apart)} us to a whole turn",
            "",
        ),
        Claim(
            "lockdown helps slightly ...",
            all(gain > 0 for gain in gains) and share < 0.1,
            f"{_range(gains)} us, at most {share:.1%}",
            "",
        ),
    ]
    if large and small:
        told.append(_lockdown(small, large))
    return told


def _lockdown(small: Sequence[float], large: Sequence[float]) -> Claim:
    """What it helps up to 8 KiB and above."""
    return Claim(
        "... when a process uses more than 8 KiB",
        min(large) > max(small) * 1.05,
        f"up to 8 KiB {_range(small)} us, above {_range(large)} us",
        "a switch flushes the whole TLB, so that what is locked is saved each time, whatever the process uses",
    )


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.1f} to {max(values):.1f}"


def verdict(found: Sequence[Claim]) -> Table:
    """The survey's sentences and ours."""
    table = Table(title="what the survey reads from its Fig. 18", title_justify="left")
    for name in ("the survey", "here", "figures", "why not"):
        table.add_column(name)
    for claim in found:
        table.add_row(claim.says, "so" if claim.holds else "not so", claim.here, "" if claim.holds else claim.reason)
    return table
