"""Two unmodified kernels boot to their shells: in slices of 1 ms on one modelled CPU, and side by side on two.

Against one kernel's boot alone in the same slices. On one modelled CPU a run keeps itself to one host CPU; on two modelled
ones, with a barrier each quantum (1 ms), its cells run on two. Host seconds count from the first instruction.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.host.boots import boot_in_cells, linux
from benchmarks.host.figure import Figure, Setting, Target, ratios
from benchmarks.samples import Sample

SINGLE, SLICED, PARALLEL = "one kernel", "two kernels, one core", "two kernels, two cores"


def run(setting: Setting) -> Iterator[Sample]:
    """All three in turns."""
    single, sliced, parallel = (
        linux(1, slice_="1ms"),
        linux(2, slice_="1ms"),
        linux(2, slice_="1ms", cores=2),
    )
    found = setting.in_turns(
        {
            SINGLE: lambda: boot_in_cells(single),
            SLICED: lambda: boot_in_cells(sliced),
            PARALLEL: lambda: boot_in_cells(parallel),
        }
    )
    for name, boots in found.items():
        yield setting.sample("two_kernels", "seconds", "s", [boot.seconds for boot in boots], variant=name)
        yield setting.sample("two_kernels", "exits", "count", [boots[0].exits], variant=name, kind="modelled")
    seconds = {name: [boot.seconds for boot in boots] for name, boots in found.items()}
    twice = [2 * one for one in seconds[SINGLE]]
    yield setting.sample("two_kernels", "sliced_to_singles", "ratio", ratios(seconds[SLICED], twice))
    yield setting.sample("two_kernels", "speed_up", "ratio", ratios(seconds[SLICED], seconds[PARALLEL]))


FIGURE = Figure(
    "two_kernels",
    "two kernels on one modelled CPU and on two",
    (
        Target("sliced_to_singles", "<=", 1.15, "two kernels in slices of 1 ms / twice one kernel alone"),
        Target("speed_up", ">=", 1.6, "two kernels in slices / on two modelled and two host CPUs"),
    ),
    run,
)
