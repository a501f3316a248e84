"""Measure the emulator's speed on this host: `python -m benchmarks.host [NAME ...] [--out DIR] [--quick]`.

`python -m benchmarks.host ab REVISION [REVISION]` compares two revisions of the project (ab.py).

Exit status: 0 all targets met, 1 some missed, 2 nothing could be measured.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks import command_line
from benchmarks.host import (
    connections,
    counting,
    fault_points,
    faults,
    four_linux,
    integer_loop,
    kernel_boot,
    personality,
    phone,
    start_up,
    two_kernels,
    virtio,
    virtual_tlb,
    vtable_calls,
    world_switch,
    wren_boot,
    xen_boot,
    xen_pv,
)
from benchmarks.host.figure import Figure, Setting, Target, Unavailable, unknown
from benchmarks.samples import Sample, Spread, number, read, table, write

FIGURES = {
    module.FIGURE.name: module.FIGURE
    for module in (
        kernel_boot,
        integer_loop,
        world_switch,
        start_up,
        two_kernels,
        connections,
        fault_points,
        faults,
        virtual_tlb,
        counting,
        virtio,
        wren_boot,
        personality,
        phone,
        vtable_calls,
        xen_boot,
        xen_pv,
        four_linux,
    )
}
PROBE = "CELLVISOR_PROBE"
"""The environment's name for the probe's folder."""
ROUNDS, QUICK_ROUNDS = 5, 1
WIDTH = 130
"""Columns of the tables where there is no terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["ab"]:
        from benchmarks.host import ab

        return ab.main(words[1:], FIGURES)
    parser = _parser()
    chosen = parser.parse_args(words)
    if wrong := unknown(chosen.names, FIGURES):
        parser.error(wrong)
    return command_line.guarded("host", lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    command_line.made(chosen.out)
    files = []
    for name in chosen.names or FIGURES:
        path = chosen.out / f"{name}.jsonl"
        if _measure(FIGURES[name], chosen, path, errors):
            files.append((FIGURES[name], path))
    return _report(files, console) if files else 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.host", description=str(__doc__).partition(":")[0] + ".")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(FIGURES)} (all), or: ab --help")
    parser.add_argument("--out", type=Path, default=Path("bench-host"), help="where the samples go (bench-host)")
    parser.add_argument("--quick", action="store_true", help="one rough round, to see that it works")
    parser.add_argument("--rounds", type=command_line.rounds, metavar="N", help=f"turns of all variants ({ROUNDS})")
    default = os.environ.get(PROBE)
    parser.add_argument(
        "--probe", type=command_line.folder, default=default or None, help=f"the probe's folder ({PROBE})"
    )
    return parser


def _measure(figure: Figure, chosen: argparse.Namespace, path: Path, errors: Console) -> bool:
    """Run one figure and write its samples; False, with a word on stderr, if this host cannot."""
    rounds = chosen.rounds or (QUICK_ROUNDS if chosen.quick else ROUNDS)
    with (
        tempfile.TemporaryDirectory(prefix="cellvisor-bench-") as scratch,
        errors.status(figure.title) as status,
    ):

        def say(text: str) -> None:
            status.update(f"{figure.name}: {text}")
            if not errors.is_terminal:
                errors.print(f"{figure.name}: {text}", markup=False)

        setting = Setting(rounds, chosen.quick, Path(scratch), chosen.probe, say)
        try:
            write(path, figure.run(setting))
        except Unavailable as reason:
            errors.print(f"{figure.name}: {reason}", markup=False)
            return False
    return True


def _report(files: Sequence[tuple[Figure, Path]], console: Console) -> int:
    """What the files say: every sample, then every target."""
    verdicts = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("figure", "target", "median", "must be", ""):
        verdicts.add_column(head, justify="right" if head == "median" else "left")
    missed = False
    for figure, path in files:
        samples = read(path)
        console.print(table(samples), "")
        for target in figure.targets:
            found = target.sample(samples)
            missed |= found is not None and not target.met(found)
            verdicts.add_row(figure.name, target.means, *_verdict(target, found))
    console.print(verdicts)
    return 1 if missed else 0


def _verdict(target: Target, found: Sample | None) -> tuple[str, str, Text]:
    bound = f"{target.relation} {number(target.bound)}"
    if found is None:
        return "", bound, Text("not measured", "dim")
    word = Text("met", "green") if target.met(found) else Text("missed", "bold red")
    return number(Spread.of(found.values).median), bound, word


if __name__ == "__main__":
    sys.exit(main())
