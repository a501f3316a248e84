"""A recorded run once more: the topology, seed and inputs of a run directory, in a monitor of its own.

The trace is compared with the recorded one while it grows, so that a long replay ends at the first difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hypervisor.abi.time import NEVER
from hypervisor.api import Run, launch
from hypervisor.shell.files import RunDirError
from hypervisor.shell.inputs import ReplayError
from hypervisor.shell.provenance import Provenance
from hypervisor.shell.rundir import read_provenance
from hypervisor.shell.snapshots import RESUMED
from hypervisor.shell.summary import Summary
from hypervisor.shell.topology import Topology, load


@dataclass(frozen=True)
class Difference:
    """Where a trace goes another way: the number of the line, and the line in both ("" where one has ended)."""

    line: int
    recorded: str
    replayed: str


@dataclass(frozen=True)
class Outcome:
    """What a replay came to. `whole`: to the end of the recorded run, which was not ended by force either.

    `lines`: how many were compared and equal.
    """

    sha256: str
    time: int
    hz: int
    whole: bool
    lines: int
    difference: Difference | None


def rerun(
    directory: Path,
    *,
    link: str = "shm",
    until: str | None = None,
    files: Path | None = None,
    started: Callable[[Run], None] | None = None,
) -> Outcome:
    """Do the run of `directory` again, or its part before `until`.

    `files`: where the topology's relative paths begin, by default the working directory. `started` gets the run before
    anything has happened in it.

    Raises:
        RunDirError: the directory does not hold a run.
        ReplayError: what it was made from has changed.
        TopologyError: its topology cannot be run here.
    """
    provenance = read_provenance(directory)
    path = directory / "topology.toml"
    if not path.is_file():
        raise RunDirError(path, "is not there; the run ended before it began")
    topology = load(
        path,
        flavour=provenance.flavour,
        seed=provenance.seed,
        duration=provenance.until or None,
        overrides=provenance.overrides,
        directory=files or Path.cwd(),
    )
    _check_same(directory, provenance, topology)
    with _open(directory / "trace.jsonl") as recorded, _relaunch(directory, topology, link) as run:
        end = run.cycles(until) if until is not None else NEVER
        comparison = Comparison(recorded, run, cut_off=_was_cut_off(directory), end=end)
        return _follow(run, comparison, end, started)


def _relaunch(directory: Path, topology: Topology, link: str) -> Run:
    began_with = directory / "files" / RESUMED
    return launch(
        topology, replay=directory / "inputs.jsonl", link=link, resume=began_with if began_with.is_file() else None
    )


def _follow(run: Run, comparison: Comparison, end: int, started: Callable[[Run], None] | None) -> Outcome:
    run.trace.on_chunk.append(comparison)
    run.ticks.append(lambda: run.interrupt() if run.now >= end else None)  # when it is looked at is the host's affair
    if started is not None:
        started(run)
    try:
        run.replay()
    except ReplayError:
        run.trace.flush()
        if (
            comparison.verdict(whole=True) is None
        ):  # a record that is missing says more than an input that came too late
            raise
    sha256 = run.trace_hash
    whole = not run.interrupted
    time, difference = min(run.monitor.scheduler.time(), end), comparison.verdict(whole=whole)
    return Outcome(sha256, time, run.topology.board.clock_hz, whole, comparison.line - 1, difference)


class Comparison:
    """Reads the recorded trace beside the one that is written, up to the first record of `end` or later. A listener to the
    trace's chunks.
    """

    def __init__(self, recorded: BinaryIO, run: Run, *, cut_off: bool, end: int = NEVER) -> None:
        self.difference: Difference | None = None
        self._recorded, self._run, self._cut_off, self._end = recorded, run, cut_off, end
        self.line = 1
        """Of the recorded trace: all before it is the same."""

    def __call__(self, chunk: bytes) -> None:
        """Compare; at the first difference the replay has no more use."""
        if self.difference is not None or self._end <= 0:
            return
        wanted = self._before_the_end(chunk)
        if len(wanted) < len(chunk):
            self._end = 0
            self._run.interrupt()
        self._compare(wanted)

    def _before_the_end(self, chunk: bytes) -> bytes:
        if self._end >= NEVER:
            return chunk
        kept = b""
        for line in chunk.splitlines(keepends=True):
            if json.loads(line)["t"] >= self._end:
                break
            kept += line
        return kept

    def _compare(self, chunk: bytes) -> None:
        expected = self._recorded.read(len(chunk))
        if expected == chunk:
            self.line += chunk.count(b"\n")
            return
        if self._cut_off and chunk.startswith(expected):
            self.line += expected.count(b"\n")
            self._run.interrupt()
            return
        self._locate(expected + self._recorded.readline(), chunk)
        self._run.interrupt()

    def _locate(self, expected: bytes, chunk: bytes) -> None:
        ours, theirs = chunk.split(b"\n"), expected.split(b"\n")
        at = next((at for at, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), len(theirs) - 1)
        self._differ(self.line + at, theirs[at], ours[at])

    def _differ(self, line: int, recorded: bytes, replayed: bytes) -> None:
        self.difference = Difference(line, recorded.decode("ascii", "replace"), replayed.decode("ascii", "replace"))

    def verdict(self, *, whole: bool) -> Difference | None:
        """The first difference; a recorded trace that goes on is one, if the replay came to its end."""
        rest = self._recorded.readline() if whole and self.difference is None else b""
        if rest:
            self._differ(self.line, rest.rstrip(b"\n"), b"")
        return self.difference


def _was_cut_off(directory: Path) -> bool:
    """Whether the recorded run may have been ended by force, so that its trace just stops somewhere."""
    try:
        return Summary.from_json((directory / "summary.json").read_bytes()).ended == "interrupted"
    except (OSError, ValueError):
        return True


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise RunDirError.because(path, error) from error


def _check_same(directory: Path, provenance: Provenance, topology: Topology) -> None:
    """Other programs make another run: say which, rather than where the traces part."""
    changed = [
        binary.name
        for binary in provenance.binaries
        if topology.hashes.get(binary.name, binary.sha256) != binary.sha256
    ]
    if changed:
        raise ReplayError(
            f"{directory}: {', '.join(changed)}: not the file that ran then, as its SHA-256 shows "
            f"(bring it back, or say with --files where it lies)"
        )
    if provenance.digest and provenance.digest != topology.digest:
        raise ReplayError(
            f"{directory}: the board or the defaults are not what they were (replay with the version that ran)"
        )
