"""Figures without values, from measurement to judgement: their points, and for Fig. 18 the curves of our own kernel as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks import context
from benchmarks.context_tables import Claim, claims
from benchmarks.tables.bench import Bench, native_of
from benchmarks.tables.points import FITS, RECIPES, Point, points
from benchmarks.tables.shapes import Shape, fig8, fig13, fig18

OwnKernel = Callable[[], Sequence[Claim]]
SEVERAL = 2


def own_kernel() -> list[Claim]:
    """What benchmarks/context.py finds: wren under the four schemes of Fig. 18, on the arm926 board."""
    found = context.measure_all(context.SIZES, (SEVERAL,), context.BOARD)
    return claims(found, SEVERAL, context.clock(context.BOARD))


def shape(name: str, bench: Bench, own: OwnKernel | None = None) -> Shape:
    """A figure's sentences. `own`: who measures our own kernel, for Fig. 18."""
    found = _points(name, bench)
    if isinstance(found, str):
        return Shape(name, own() if own else [], missing=found)
    if name == "fig18":
        return fig18(found, own() if own else [])
    return {"fig8": fig8, "fig13": fig13}[name](found)


def _points(name: str, bench: Bench) -> dict[str, Point] | str:
    """All of them; or what is missing, in words."""
    fit = bench.rules.fits[FITS[name]]
    virtualized, native = bench.solved(fit), bench.solved(native_of(bench.rules, fit))
    if isinstance(virtualized, str) or isinstance(native, str):
        return str(virtualized if isinstance(virtualized, str) else native)
    found = points(name, bench.measured.get(fit.kernel, {}), native, virtualized)
    gone = sorted(set(RECIPES[name]) - set(found))
    return f"did not run: {', '.join(gone)}" if gone else found
