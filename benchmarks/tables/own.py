"""Fig. 18 on a kernel of ours, whose four curves an unmodified one has not: benchmarks/context.py, kept once it is measured.

Half a minute, and the same on every host, so what is found is filed under a hash of all that decides it: this software, the
kernel's images, the boards, what is measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from benchmarks import context
from benchmarks.context_tables import claims, microseconds
from benchmarks.guest_session import Trouble
from benchmarks.machine_store import place, read, software
from benchmarks.tables.shapes import Own
from hypervisor.shell.guests.cache import write_atomically
from hypervisor.shell.sweeps.code import code_digest

SEVERAL = 2
SOURCES: Mapping[str, Sequence[str]] = {
    "benchmarks": ("context.py",),
    "boards": ("*.toml", "cpu/*.toml"),
    "cells.wren": ("images/*",),
}
"""What decides it beside the code of a run, by package."""


def own_kernel() -> Own:
    """What benchmarks/context.py finds: wren under the four schemes of Fig. 18, on the arm926 board."""
    found = kept()
    hz = context.clock(context.BOARD)
    curves = {
        curve.title: [(kib, microseconds(found[curve.name, kib, SEVERAL].cycles, hz)) for kib in context.SIZES]
        for curve in context.CURVES
    }
    return Own(claims(found, SEVERAL, hz), curves)


def kept() -> context.Found:
    """Measured now, or taken from the cache; measured each time if there can be none."""
    try:
        path = place("own_kernel", [code_digest(), software(SOURCES), context.BOARD, context.SIZES, SEVERAL])
    except Trouble:
        return context.measure_all(context.SIZES, (SEVERAL,), context.BOARD)
    if (lines := read(path)) is not None:
        return {(curve, kib, several): context.Point(**point) for curve, kib, several, point in lines}
    found = context.measure_all(context.SIZES, (SEVERAL,), context.BOARD)
    write_atomically(path, json.dumps([[*key, asdict(point)] for key, point in found.items()]).encode())
    return found
