"""Loading a topology: find it, change it, judge it, resolve it.

    topology = load("rtos_and_linux", overrides=["scheduler.slice=1ms"], seed=7)
    for problem in check("mine.toml"):
        print(problem)

The steps are one pass without an early end: a key that is wrong in itself is reported and left out, and what remains is
judged as a whole, so that one run of `check` shows everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boards import Board
from hypervisor.shell.topology import mac, sources
from hypervisor.shell.topology.board import find_board
from hypervisor.shell.topology.cables import resolve_cables
from hypervisor.shell.topology.cells import Context, resolve_cells
from hypervisor.shell.topology.checks import CHECKS, DEFAULT_FLAVOUR, Checked
from hypervisor.shell.topology.disks import resolve_disks
from hypervisor.shell.topology.overrides import Override, apply_overrides, parse_overrides
from hypervisor.shell.topology.parse import parse
from hypervisor.shell.topology.prices import resolve_costs
from hypervisor.shell.topology.problems import Problem, Report, TopologyError
from hypervisor.shell.topology.schema import File
from hypervisor.shell.topology.script import resolve_inputs
from hypervisor.shell.topology.spec import Topology
from hypervisor.shell.topology.wiring import resolve_wiring

Guests = Mapping[str, Callable[..., Any]]

ANY_HZ = 1_000_000_000
"""The clock by which times are judged while the board is not known."""


@dataclass(frozen=True)
class Asked:
    """What a caller asked for beside the file."""

    overrides: tuple[str, ...] = ()
    flavour: str | None = None
    seed: int | None = None
    duration: str | None = None

    def options(self) -> dict[str, tuple[str, Any]]:
        """Key of the file -> the command-line option and its value, for those that were given."""
        given = {
            "flavour": ("--flavour", self.flavour),
            "seed": ("--seed", self.seed),
            "for": ("--for", self.duration),
        }
        return {key: option for key, option in given.items() if option[1] is not None}


def names() -> list[str]:
    """The built-in topologies."""
    return sources.built_in(sources.topologies(), ".toml")


def load(
    name_or_path: str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    flavour: str | None = None,
    seed: int | None = None,
    duration: str | None = None,
    guests: Guests | None = None,
    directory: Path | None = None,
) -> Topology:
    """A topology by built-in name, path or dict, with everything in it resolved.

    `overrides` are KEY=VALUE texts; `flavour`, `seed` and `duration` ("2s") win over the file. `guests` maps names of
    cells to functions that run in them. `directory` is where relative paths of the file begin, if not where the file
    lies (a topology kept in a run directory).

    Raises:
        TopologyError: with every problem of the topology.
    """
    asked = Asked(tuple(overrides), flavour, seed, duration)
    topology, problems = _examine(sources.read_topology(name_or_path), asked, guests or {}, directory)
    if topology is None:
        raise TopologyError(problems)
    return topology


def check(name_or_path: str | Path | Mapping[str, Any], **asked: Any) -> list[Problem]:
    """Every problem that `load` would raise for the same arguments; none if it would succeed."""
    try:
        load(name_or_path, **asked)
    except TopologyError as error:
        return list(error.problems)
    return []


def _examine(
    source: sources.Source, asked: Asked, guests: Guests, directory: Path | None
) -> tuple[Topology | None, list[Problem]]:
    """The topology, or the problems for which there is none."""
    report = Report(source.label)
    directory = directory or source.directory
    file, board_changes = _read(source, asked, report)
    board = find_board(file.board, board_changes, directory, report)
    flavour = file.flavour or DEFAULT_FLAVOUR
    hz = board.clock_hz if board else ANY_HZ
    context = Context(report, board, hz, directory, guests, flavour=flavour)
    cells = resolve_cells(file.cells, context)
    windows = _windows(file, context)
    mac_policy = mac.find_policy(file.policy, cells, context)
    wiring = resolve_wiring(file, cells, report, policy=mac.read(mac_policy))
    for judge in CHECKS:
        judge(Checked(file, flavour, board, cells, windows, wiring, report))
    cables = resolve_cables(file, board, cells, report)
    disks = resolve_disks(file, cells, wiring, context)
    inputs = resolve_inputs(file, cells, context)
    costs = resolve_costs(file.costs, flavour, report)
    times = _times(file, board, context)
    duration = context.cycles("for", file.for_) or None
    if report.problems or board is None:
        return None, report.problems
    topology = Topology(
        name=file.name or source.stem,
        description=file.description,
        board=board,
        flavour=flavour,
        seed=file.seed,
        **times,
        policy=file.scheduler.policy,
        windows=windows,
        cells=tuple(cells),
        wiring=wiring,
        mac_policy=mac_policy,
        until=file.for_ or "",
        duration=duration,
        console=file.console,
        source_text=source.text,
        overrides=asked.overrides,
        hashes=context.hashes,
        directory=directory,
        cables=cables,
        vtlb=file.vtlb.entries,
        inputs=inputs,
        disks=disks,
        costs=costs,
    )
    return topology, []


def _read(source: sources.Source, asked: Asked, report: Report) -> tuple[File, list[Override]]:
    """The file with all changes made, and the changes that are for the board."""
    data = _copied(source.data)
    board_changes = apply_overrides(data, parse_overrides(asked.overrides, report), report)
    for key, (option, value) in asked.options().items():
        report.options[key] = option
        data[key] = value
    return parse(data, report), board_changes


def _copied(data: Mapping[str, Any]) -> dict[str, Any]:
    """Tables copied, so that a caller's dict stays as it is; paths as text, as in a file."""
    return {str(key): _copied(value) if isinstance(value, Mapping) else _plain(value) for key, value in data.items()}


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _windows(file: File, context: Context) -> tuple[tuple[str, int], ...]:
    windows = file.scheduler.windows or ()
    return tuple((name, context.cycles("scheduler.windows", time)) for name, time in windows)


def _times(file: File, board: Board | None, context: Context) -> dict[str, int]:
    """Slice, quantum and latency between cores: the board's, unless the file says otherwise."""
    if board is None:
        return {}
    latency = context.cycles("board.cross_core_latency", board.cross_core_latency)
    quantum = context.cycles("scheduler.quantum", file.scheduler.quantum or board.quantum)
    if board.cores > 1 and quantum > latency:
        # A message to another core may not arrive in that core's past, and a core runs a quantum ahead at most.
        why = f"is longer than the board's cross_core_latency, {board.cross_core_latency} (shorten it)"
        context.report.add("scheduler.quantum", why)
    slice_ = context.cycles("scheduler.slice", file.scheduler.slice or board.slice)
    return {"slice": slice_, "quantum": quantum, "cross_core_latency": latency}
