"""A sweep that is ready to run: its file read, every point with its topology, and known by its content.

    sweep = load_sweep("quantum")
    [(point.labels, point.id) for point in sweep.points]

The id of a point is a hash of all that its result depends on: the device's digest (board, cost model, cells, wiring, seed,
virtual length, binaries) and the software. What has the same id need not be run again, nor twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypervisor.shell.provenance import versions
from hypervisor.shell.sweeps.code import code_digest
from hypervisor.shell.sweeps.point import BAD, Found, Task
from hypervisor.shell.sweeps.schema import HOLES, SweepFile, is_key, label_of, read
from hypervisor.shell.topology import Topology, TopologyError, load
from hypervisor.shell.topology.problems import Problem
from hypervisor.shell.topology.toml_text import render_value

SEED = "seed"
"""The axis that every sweep has beside those of its grid."""


@dataclass(frozen=True)
class Point:
    """One design. `labels`: axis -> value, in the grid's order, then the seed; `bad`: why it cannot be run, "" if it can."""

    labels: Mapping[str, Any]
    topology: str
    flavour: str
    overrides: tuple[str, ...]
    seed: int
    id: str = ""
    bad: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Found:
        """Of one that cannot be run."""
        return Found(BAD, self.bad)


@dataclass(frozen=True)
class Sweep:
    """All of it. `axes`: the grid's, with the labels of their values, and the seeds."""

    name: str
    file: SweepFile
    axes: Mapping[str, tuple[Any, ...]]
    points: tuple[Point, ...]

    def task(self, point: Point, directory: Path) -> Task:
        """What an executor is given for a point."""
        length = self.file.for_ or ""
        where, limit, keep = str(directory), self.file.limit, self.file.runs
        return Task(point.topology, point.flavour, point.seed, length, point.overrides, where, limit, keep)


def load_sweep(name: str) -> Sweep:
    """A sweep by built-in name or path.

    Raises:
        TopologyError: it is not right, or none of its points can be run; every problem is listed.
    """
    stem, path, file = read(name)
    designs = [_design(file, path, values) for values in _combinations(file)]
    if not designs:
        raise TopologyError([Problem(name, "without", "leaves no point of the grid (take one out)")])
    loaded = [_load(design, file) for design in designs]
    _check_axes(name, file, [each for each in loaded if isinstance(each, TopologyError)], len(loaded))
    made = [
        _point(design, labels, seed, found)
        for (labels, design), found in zip(_labelled(file, designs), loaded, strict=True)
        for seed in file.seeds
    ]
    axes = {key: tuple(label_of(value) for value in values) for key, values in file.grid.items()}
    return Sweep(stem, file, {**axes, SEED: file.seeds}, tuple(made))


def _combinations(file: SweepFile) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*file.grid.values()):
        found = dict(zip(file.grid, values, strict=True))
        if not any(_is_meant(each, found) for each in file.without):
            yield found


def _is_meant(left_out: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a combination is one of those."""
    return all(
        label_of(values[axis]) in (wanted if isinstance(wanted, list) else [wanted])
        for axis, wanted in left_out.items()
    )


def _labelled(file: SweepFile, designs: Sequence[_Design]) -> Iterator[tuple[dict[str, Any], _Design]]:
    for values, design in zip(_combinations(file), designs, strict=True):
        yield {key: label_of(value) for key, value in values.items()}, design


@dataclass(frozen=True)
class _Design:
    """What a combination says to `load`: the topology, the flavour ("" for the topology's), the changes."""

    topology: str
    flavour: str
    overrides: tuple[str, ...]


def _design(file: SweepFile, path: Path, values: Mapping[str, Any]) -> _Design:
    """Keys as changes, tables as the keys in them, words put into the lines of `set`."""
    given: dict[str, Any] = {}
    for key, value in values.items():
        given |= {each: value[each] for each in value if each != "name"} if isinstance(value, Mapping) else {key: value}
    words = {key: value for key, value in given.items() if not is_key(key)}
    lines = [HOLES.sub(lambda hole: str(words.get(hole[1], hole[0])), line) for line in file.set]
    plain = {key: value for key, value in given.items() if is_key(key) and key not in ("topology", "flavour")}
    changes = [f"{key}={render_value(value)}" for key, value in plain.items()]
    return _Design(
        _place(str(given.get("topology", file.topology)), path), str(given.get("flavour", "")), (*lines, *changes)
    )


def _place(name: str, sweep: Path) -> str:
    """A path is meant from where the sweep lies; a name is a built-in one."""
    beside = sweep.parent / name
    return str(beside.resolve()) if name.endswith(".toml") and beside.exists() else name


def _load(design: _Design, file: SweepFile) -> Topology | TopologyError:
    try:
        found = load(
            design.topology, overrides=design.overrides, flavour=design.flavour or None, seed=0, duration=file.for_
        )
    except TopologyError as error:
        return error
    if found.duration is None:
        why = 'missing; say how long each run is in virtual time, for example for = "1s"'
        return TopologyError([Problem(found.name, "for", why)])
    return found


def _check_axes(name: str, file: SweepFile, failed: Sequence[TopologyError], of: int) -> None:
    """What is wrong at every point is wrong with the sweep: an unknown key, a topology that there is not.

    Raises:
        TopologyError: there is such.
    """
    if len(failed) < of:
        return
    everywhere = set.intersection(*({problem.key for problem in error.problems} for error in failed))
    common = [problem for problem in failed[0].problems if problem.key in everywhere]
    raise TopologyError(dict.fromkeys(_blamed(name, file, problem) for problem in common or failed[0].problems))


def _blamed(name: str, file: SweepFile, problem: Problem) -> Problem:
    """In the sweep's own words, if a key of it brought the value."""
    if problem.key in file.grid and (problem.option or problem.key == "board"):
        return Problem(name, f"grid.{problem.key}", problem.why)
    return Problem(name, f"set {problem.key}", problem.why) if problem.option.startswith("--set") else problem


def _point(design: _Design, labels: Mapping[str, Any], seed: int, found: Topology | TopologyError) -> Point:
    labels = {**labels, SEED: seed}
    if isinstance(found, TopologyError):
        bad = "; ".join(str(problem) for problem in found.problems)
        return Point(labels, design.topology, design.flavour, design.overrides, seed, bad=bad)
    topology = dataclasses.replace(found, seed=seed)
    facts = facts_of(topology)
    return Point(
        labels, design.topology, topology.flavour, design.overrides, seed, identity(topology.digest), facts=facts
    )


def identity(digest: str) -> str:
    """Of a result: of the device, and of the software that computed it."""
    known = {"digest": digest, "code": code_digest(), **versions()}
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]


def facts_of(topology: Topology) -> dict[str, Any]:
    """Where a result comes from, for the columns of its row: plain values."""
    costs = topology.architecture.costs
    prices = {"world_switch": costs.world_switch, "hypercall": costs.hypercall}
    prices |= {"device_exit": costs.device_exit, "virq": costs.virq}
    prices |= {f"operations.{name}": cycles for name, cycles in sorted(costs.operations.items())}
    return {
        "topology": topology.name,
        "board": topology.board.name,
        "flavour": topology.flavour,
        "seed": topology.seed,
        "for": topology.until,
        "cycles": topology.duration,
        "hz": topology.board.clock_hz,
        "digest": topology.digest,
        "binaries": json.dumps(topology.hashes, sort_keys=True),
        "costs": json.dumps(prices),
        "cpu": json.dumps(topology.board.cpu.cycles),
        "changes": json.dumps(topology.overrides),
        "code": code_digest(),
        **{f"version.{name}": version for name, version in versions().items()},
    }
