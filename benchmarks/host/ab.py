"""Two revisions of the project against each other on this host: `python -m benchmarks.host ab REVISION [REVISION]`.

Both are installed from git into directories of their own (`pip install --target`, with this Python's packages beside them), and
each measures the same figures of `benchmarks.host` by its own code, by turns: A B, B A, ... What is told is the ratio of B to A
within a turn; of the ratios the median and the quartiles. A revision is anything that git knows (a commit, a tag, HEAD~3); "." is
the checkout as it lies there, which is B if only one is given.

    python -m benchmarks.host ab HEAD~1                                  # the last commit against what lies here
    python -m benchmarks.host ab v0.1 v0.2 --figures integer_loop start_up --rounds 5

Samples go to `bench-ab/`, a directory for each turn, the ratios to `bench-ab/ratios.jsonl`. Installations are kept in the user's
cache, by commit.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import command_line
from benchmarks.host.figure import unknown
from benchmarks.samples import Sample, Scalar, Spread, number, read, write

HERE = "."
ROUNDS, ENOUGH = 5, 5
"""Turns unless said; below that many nothing is called moved."""
FIGURES = ("integer_loop", "world_switch", "start_up", "wren_boot")
"""What is compared unless said: the engine, the switch between processes, the start, a kernel."""
COMMON = frozenset({"kind", "python", "unicorn", "revision"})
"""Dimensions that may differ between two revisions, beside the host's."""
Key = tuple[str, str, str, tuple[tuple[str, Scalar], ...]]


class Failed(Exception):  # noqa: N818  what happened
    """A revision cannot be had or measured; the text says what to do."""


@dataclass(frozen=True)
class Revision:
    """One of the two: as it was named, what it is, and where it is installed."""

    name: str
    commit: str
    place: Path


def root() -> Path:
    """The checkout.

    Raises:
        Failed: this is an installation without one.
    """
    found = Path(__file__).resolve().parents[2]
    if not (found / ".git").exists():
        raise Failed(f"{found} is no git checkout; run it from one")
    return found


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(root()), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(
            f"git {' '.join(words)}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'failed'}"
        )
    return done.stdout.strip()


def install(name: str, scratch: Path, cache: Path) -> Revision:
    """A revision, installed; from the cache if its commit is there.

    Raises:
        Failed: git does not know it, or it cannot be installed.
    """
    if name == HERE:
        return Revision(
            name, _git("rev-parse", "--short", "HEAD") + "+", _installed(_copied(scratch / "here"), scratch / "now")
        )
    root()
    try:
        commit = _git("rev-parse", "--verify", f"{name}^{{commit}}")
    except Failed:
        raise Failed(f"{name}: git knows no such revision (a commit, a tag, HEAD~1)") from None
    place = cache / commit[:16]
    if not (place / "cellvisor.ok").exists():
        source = scratch / commit[:16]
        source.mkdir()
        archive = subprocess.Popen(["git", "-C", str(root()), "archive", commit], stdout=subprocess.PIPE)
        subprocess.run(["tar", "-x", "-C", str(source)], stdin=archive.stdout, check=True)
        if archive.wait():
            raise Failed(f"git archive {commit} failed")
        _installed(source, place)
        (place / "cellvisor.ok").write_text(commit + "\n")
    return Revision(name, commit[:9], place)


def _copied(target: Path) -> Path:
    """The checkout as it lies there: the files that git tracks, and those that it would."""
    for name in _git("ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        source = root() / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def _installed(source: Path, place: Path) -> Path:
    """Built and installed, without what it depends on: this Python has that."""
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--upgrade"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--target", str(place), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise Failed(
            f"{source.name} cannot be installed: {last} (setuptools and cffi are needed: pip install setuptools cffi)"
        )
    return place


def measure(revision: Revision, figures: Sequence[str], out: Path, *, quick: bool) -> dict[Key, float]:
    """One turn of all figures by the revision's own code: the median of each metric.

    Raises:
        Failed: none of them could be measured.
    """
    out.mkdir(parents=True, exist_ok=True)
    order = [sys.executable, "-m", "benchmarks.host", *figures, "--rounds", "1", "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(revision.place)}
    with tempfile.TemporaryDirectory(prefix="cellvisor-ab-") as place:
        done = subprocess.run(
            [*order, *(["--quick"] if quick else [])],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    found: dict[Key, float] = {}
    for path in sorted(out.glob("*.jsonl")):
        found |= {key_of(sample): Spread.of(sample.values).median for sample in read(path)}
    if not found:
        last = (done.stderr.strip().splitlines() or ["nothing was measured"])[-1]
        raise Failed(f"{revision.name}: {last}")
    return found


def key_of(sample: Sample) -> Key:
    """What must be the same for two samples to be compared: all but the host and the revision."""
    own = {key: value for key, value in sample.dimensions.items() if key not in COMMON and not key.startswith("host.")}
    return sample.benchmark, sample.metric, sample.unit, tuple(sorted(own.items()))


def compare(turns: Sequence[tuple[Mapping[Key, float], Mapping[Key, float]]]) -> dict[Key, list[float]]:
    """B to A, turn by turn, of what both have in every turn and is not nothing."""
    keys = [key for key in turns[0][0] if all(key in a and key in b and a[key] for a, b in turns)] if turns else []
    return {key: [b[key] / a[key] for a, b in turns] for key in keys}


def table(ratios: Mapping[Key, Sequence[float]], last: tuple[Mapping[Key, float], Mapping[Key, float]]) -> Table:
    """Each metric: A, B of the last turn, and the ratio; one whose quartiles leave out 1 is marked."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("benchmark", "metric", "under", "unit", "A", "B", "B / A", ""):
        made.add_column(head, justify="right" if head in ("A", "B", "B / A") else "left")
    for key, values in ratios.items():
        spread = Spread.of(values)
        moved = len(values) >= ENOUGH and not spread.low <= 1 <= spread.high
        under = " ".join(f"{name}={value}" for name, value in key[3])
        made.add_row(
            key[0],
            key[1],
            under,
            key[2],
            number(last[0][key]),
            number(last[1][key]),
            str(spread),
            "moved" if moved else "",
        )
    return made


def samples(ratios: Mapping[Key, Sequence[float]], a: Revision, b: Revision) -> Iterator[Sample]:
    """The ratios as files have them."""
    for (benchmark, metric, _, own), values in ratios.items():
        where: dict[str, Scalar] = {"kind": "measured", "a": a.commit, "b": b.commit, **dict(own)}
        yield Sample(benchmark, f"{metric}, B to A", "ratio", where, tuple(values))


def cache_of() -> Path:
    """Where installations are kept."""
    from hypervisor.shell.guests.cache import default_root

    return default_root().parent / "revisions"


def main(arguments: Sequence[str], known: Iterable[str] = ()) -> int:
    """The command. Exit status: 0 compared, 2 it could not be. `known`: figures of this version, before anything is installed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.host ab", description=str(__doc__).partition(":")[0] + "."
    )
    parser.add_argument("a", metavar="A", help="a revision that git knows")
    parser.add_argument("b", metavar="B", nargs="?", default=HERE, help='another; "." (as it lies here) is the default')
    parser.add_argument("--figures", nargs="+", default=list(FIGURES), metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument(
        "--rounds", type=command_line.rounds, metavar="N", default=ROUNDS, help="turns of both (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="rough ones")
    parser.add_argument("--out", type=Path, default=Path("bench-ab"), help="where the samples go (%(default)s)")
    chosen = parser.parse_args(arguments)
    if wrong := unknown(chosen.figures, known or chosen.figures):
        parser.error(wrong)
    return command_line.guarded("ab", lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    command_line.made(chosen.out)
    try:
        with tempfile.TemporaryDirectory(prefix="cellvisor-ab-") as scratch:
            a, b = (install(name, Path(scratch), cache_of()) for name in (chosen.a, chosen.b))
            turns = list(_turns(a, b, chosen))
    except Failed as failed:
        print(f"ab: {failed}", file=sys.stderr)
        return 2
    ratios = compare(turns)
    console = Console(highlight=False)
    console.width = max(console.width, 130)
    print(f"A {a.name} ({a.commit}), B {b.name} ({b.commit}), {chosen.rounds} turns")
    console.print(table(ratios, turns[-1]))
    write(chosen.out / "ratios.jsonl", samples(ratios, a, b))
    return 0


def _turns(a: Revision, b: Revision, chosen: argparse.Namespace) -> Iterator[tuple[dict[Key, float], dict[Key, float]]]:
    """Each turn both, beginning with the other one each time."""
    for turn in range(chosen.rounds):
        found = {}
        for letter, revision in (("a", a), ("b", b))[:: 1 if turn % 2 == 0 else -1]:
            print(f"turn {turn + 1} of {chosen.rounds}: {letter.upper()} {revision.name}", file=sys.stderr)
            place = (chosen.out / f"{letter}-{revision.commit}-{turn + 1}").absolute()
            found[letter] = measure(revision, chosen.figures, place, quick=chosen.quick)
        yield found["a"], found["b"]
