"""Figs. 8, 13 and 18: the survey shows curves without values. What its text says of them holds here or does not.

Each sentence is checked with points of our own (points.py) at limits that are written beside it and assumed: the survey says
"greatly", "slightly", "sharp".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.context_tables import NEAR, Claim
from benchmarks.tables.points import CONTEXT_KIB, MEMORY_KIB, PROCESSES, TRANSFER_KIB, TRANSFERS, Point

Points = Mapping[str, Point]
Curve = Sequence[tuple[float, float]]
GREATLY, SLIGHTLY, SHARP, FLAT = 2.0, 1.05, 2.0, 1.25
"""Factors: at least twice as fast, at most 5 % apart, at least twice as slow, at most a quarter apart. Assumed."""
CACHE_KIB = 16
"""Of the ARM1176 in the survey's section V."""
KIB = 1024
"""Bytes; as many of them per microsecond are so many MB per second."""


@dataclass(frozen=True)
class Shape:
    """A figure's sentences, judged, and its curves here. `missing`: what did not run.

    `curves`: microseconds; `more`: others, by what their axis has. `long`: sizes double rather than grow.
    """

    name: str
    claims: Sequence[Claim]
    curves: Mapping[str, Curve] = field(default_factory=dict)
    across: str = "KiB"
    missing: str = ""
    more: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    long: bool = False


@dataclass(frozen=True)
class Own:
    """What benchmarks/context.py finds on a kernel of ours: sentences, judged, and four curves."""

    claims: Sequence[Claim] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)


def fig8(points: Points) -> Shape:
    """Context switch under native Linux and OK:Linux, by how many processes there are."""
    gain = {several: points[f"{several}p_0k"].gain for several in PROCESSES}
    told = ", ".join(f"{several} processes: {value:.1f} times" for several, value in gain.items())
    few, many = gain[PROCESSES[0]], gain[PROCESSES[-1]]
    claims = [
        Claim("latencies are greatly reduced compared to native", few >= GREATLY, told, ""),
        Claim(
            "more so when active processes are few", few > many, told, "caches hold what eight processes need as well"
        ),
    ]
    return Shape("fig8", claims, _contexts(points, PROCESSES))


def fig13(points: Points) -> Shape:
    """Memory access under native Linux and L4Linux."""
    lat = {kib: points[f"lat_{kib}"] for kib in MEMORY_KIB}
    apart = max(point.factor for point in lat.values())
    step = lat[2 * CACHE_KIB].native / lat[CACHE_KIB // 2].native
    fall = points[f"rd_{2 * CACHE_KIB}"].native / points[f"rd_{CACHE_KIB // 2}"].native
    small, large = points["wr_4"].native, points["wr_512"].native
    written = large / small
    read = points["rd_512"].native / points["rd_4"].native
    claims = [
        Claim("only a slight difference between native and L4Linux", apart <= SLIGHTLY, f"at most {apart - 1:.1%}", ""),
        Claim(
            "reads fall sharply above 16 KiB",
            step >= SHARP,
            f"a load of 32 KiB takes {step:.1f} times one of 8 KiB, a byte read {fall:.1f} times",
            "",
        ),
        Claim(
            "the write curve is flat, for the cache allocates on reads only",
            1 / FLAT <= written <= FLAT,
            f"a byte written into 512 KiB takes {written:.2f} times one of 4 KiB (read: {read:.2f})",
            "the price of a written line is a share of a read one's, and a hit costs none",
        ),
    ]
    curves = {
        "native": [(kib, point.native) for kib, point in lat.items()],
        "L4Linux": [(kib, point.virtualized) for kib, point in lat.items()],
    }
    return Shape("fig13", claims, curves, more={"MB/s": _bandwidths(points)}, long=True)


def _bandwidths(points: Points) -> dict[str, Curve]:
    """Of reads and writes, over the block's size."""
    curves: dict[str, Curve] = {}
    for way, word in zip(TRANSFERS, ("reading", "writing"), strict=True):
        each = [(kib, points[f"{way}_{kib}"]) for kib in TRANSFER_KIB]
        curves[f"{word}, native"] = [(kib, KIB / point.native) for kib, point in each]
        curves[f"{word}, L4Linux"] = [(kib, KIB / point.virtualized) for kib, point in each]
    return curves


def fig18(points: Points, own: Own) -> Shape:
    """A switch under native Linux and Xen. `own`: the same sentences on a kernel of ours, which has all four curves."""
    added = [points[f"2p_{kib}k"].virtualized - points[f"2p_{kib}k"].native for kib in CONTEXT_KIB]
    told = f"with caches and an unmodified kernel: {min(added):.0f} to {max(added):.0f} us"
    near = all(NEAR[0] <= more <= NEAR[1] for more in added)
    first = Claim("virtualization adds about 50 us to a switch", near, told, "")
    claims, more = [first, *own_claims(own)], own_curves(own)
    return Shape("fig18", claims, _contexts(points, PROCESSES[:1]), more=more)


def own_claims(own: Own) -> list[Claim]:
    """Its sentences, marked as being of a kernel of ours."""
    return [Claim(f"{claim.says} (own kernel)", claim.holds, claim.here, claim.reason) for claim in own.claims]


def own_curves(own: Own) -> dict[str, Mapping[str, Curve]]:
    """A panel, if there are any."""
    return {"us, own kernel": own.curves} if own.curves else {}


def _contexts(points: Points, processes: Sequence[int]) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    for several in processes:
        each = [(kib, points[f"{several}p_{kib}k"]) for kib in CONTEXT_KIB if f"{several}p_{kib}k" in points]
        curves[f"native, {several} processes"] = [(kib, point.native) for kib, point in each]
        curves[f"virtualized, {several} processes"] = [(kib, point.virtualized) for kib, point in each]
    return curves
