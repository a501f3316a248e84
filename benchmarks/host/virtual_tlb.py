"""A kernel's boot under the microvisor with its translations counted, and without: what the counting costs on the host.

Both run the same kernel in the same flavour, in turns; only the entries of the virtual TLB differ, 0 being none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.host.boots import Boot, boot_in_cells, linux
from benchmarks.host.figure import Figure, Setting, Target, ratios
from benchmarks.samples import Sample

FLAVOUR = "okl4"
WITHOUT, SIZES = "none", {"64 entries": 64, "1024 entries": 1024}


def run(setting: Setting) -> Iterator[Sample]:
    """Boots in turns."""
    found = setting.in_turns({name: partial(_boot, size) for name, size in {WITHOUT: 0, **SIZES}.items()})
    mips = {name: [boot.mips for boot in boots] for name, boots in found.items()}
    for name, values in mips.items():
        yield setting.sample("virtual_tlb", "mips", "MIPS", values, virtual_tlb=name)
    for name in SIZES:
        yield setting.sample("virtual_tlb", "to_none", "ratio", ratios(mips[name], mips[WITHOUT]), virtual_tlb=name)


def _boot(entries: int) -> Boot:
    return boot_in_cells(linux(flavour=FLAVOUR, vtlb=entries))


FIGURE = Figure(
    "virtual_tlb",
    "a Debian kernel's boot with its translations counted",
    tuple(
        Target("to_none", ">=", 0.85, f"MIPS of a boot with a virtual TLB of {name} / without", {"virtual_tlb": name})
        for name in SIZES
    ),
    run,
)
