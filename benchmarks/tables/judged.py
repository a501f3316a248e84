"""Figures without values, from measurement to judgement: their points, and for Fig. 18 the curves of our own kernel (own.py)."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.tables.bench import Bench, native_of
from benchmarks.tables.points import FITS, RECIPES, Point, points
from benchmarks.tables.shapes import Own, Shape, fig8, fig13, fig18, own_claims, own_curves

OwnKernel = Callable[[], Own]


def shape(name: str, bench: Bench, own: OwnKernel | None = None) -> Shape:
    """A figure's sentences. `own`: who measures our own kernel, for Fig. 18."""
    found = points_of(name, bench)
    measured = own() if own else Own()
    if isinstance(found, str):
        return Shape(name, own_claims(measured), missing=found, more=own_curves(measured))
    if name == "fig18":
        return fig18(found, measured)
    return {"fig8": fig8, "fig13": fig13}[name](found)


def points_of(name: str, bench: Bench) -> dict[str, Point] | str:
    """All of them; or what is missing, in words."""
    fit = bench.rules.fits[FITS[name]]
    virtualized, native = bench.solved(fit), bench.solved(native_of(bench.rules, fit))
    if isinstance(virtualized, str) or isinstance(native, str):
        return str(virtualized if isinstance(virtualized, str) else native)
    found = points(name, bench.measured.get(fit.kernel, {}), native, virtualized)
    gone = sorted(set(RECIPES[name]) - set(found))
    return f"did not run: {', '.join(gone)}" if gone else found
