"""A campaign that is ready to run: its file and its topologies read, its injections known."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from hypervisor.abi.time import parse_time
from hypervisor.faults import ANY, Device, Fault, Injection, Plan, Rules, expand
from hypervisor.shell.campaigns.schema import CampaignFile, FaultSection, read
from hypervisor.shell.topology import Topology, TopologyError, load
from hypervisor.shell.topology.problems import Report, nearest


@dataclass(frozen=True)
class Campaign:
    """All of it. `devices` and `rules` by (flavour, seed) and flavour; `directory`: where relative paths begin."""

    name: str
    file: CampaignFile
    topology: str
    devices: dict[tuple[str, int], Device]
    rules: dict[str, Rules]
    injections: tuple[Injection, ...]

    def replay(self, run: Path) -> str:
        """The command that does a run of its directory again."""
        files = ["--files", str(Path(self.topology).parent)] if self.topology.endswith(".toml") else []
        return shlex.join(["cellvisor", "replay", str(run), *files])

    @property
    def flavours(self) -> tuple[str, ...]:
        """In the file's order."""
        return tuple(dict.fromkeys(flavour for flavour, _ in self.devices))


def load_campaign(name: str, seeds: int | None = None) -> Campaign:
    """A campaign by built-in name or path; with `seeds`, for 1, 2, ... to that in the place of the file's.

    Raises:
        TopologyError: it, or its topology, is not right; every problem is listed.
    """
    stem, path, file = read(name)
    topology = _topology(file.topology, path)
    flavours: tuple[str | None, ...] = file.flavours or (None,)
    devices, rules, cells = {}, {}, list[str]()
    for flavour in flavours:
        for seed in file.seeds if seeds is None else range(1, seeds + 1):
            found = load(topology, flavour=flavour, seed=seed, duration=file.for_, overrides=file.set)
            devices[found.flavour, seed] = _device(found)
            rules[found.flavour] = _rules(found, file)
            cells = [cell.name for cell in found.cells]
    _check_cells(name, file, cells)
    _check_times(name, file, next(iter(devices.values())))
    plan = Plan(topology, tuple(map(_fault, file.fault)))
    return Campaign(stem, file, topology, devices, rules, tuple(expand(plan, devices.values())))


def _topology(name: str, campaign: Path) -> str:
    """A path is meant from where the campaign lies; a name is a built-in one."""
    beside = campaign.parent / name
    return str(beside.resolve()) if name.endswith(".toml") and beside.exists() else name


def _device(topology: Topology) -> Device:
    cells = tuple(cell.name for cell in topology.cells)
    hz, duration = topology.board.clock_hz, topology.duration or 0
    return Device(topology.flavour, topology.seed, topology.digest, cells, hz, duration)


def _rules(topology: Topology, file: CampaignFile) -> Rules:
    """Who talks to whom, by channels, shared memory and pagers."""
    names = [cell.name for cell in topology.cells]
    wiring = topology.wiring
    pairs = [(channel.front, channel.back) for channel in wiring.channels] + list(wiring.pagers.items())
    pairs += [(a, b) for shared in wiring.shared for a in shared.cells for b in shared.cells if a != b]
    talks: dict[str, set[str]] = {name: set() for name in names}
    for a, b in pairs:
        talks[names[a]].add(names[b])
        talks[names[b]].add(names[a])
    return Rules(
        talks={name: frozenset(others) for name, others in talks.items()},
        relays=frozenset(cell.name for cell in topology.cells if cell.domain),
        untouchable=frozenset(file.untouchable),
        may_say=file.may_say,
        volatile=file.volatile,
        figures=file.figures,
    )


def _check_cells(name: str, file: CampaignFile, cells: list[str]) -> None:
    report = Report(name)
    for number, fault in enumerate(file.fault):
        if fault.cell != ANY and fault.cell not in cells:
            report.add(f"fault[{number}].cell", f'no cell is called "{fault.cell}"; {nearest(fault.cell, cells)}')
    for cell in file.untouchable:
        if cell not in cells:
            report.add("untouchable", f'no cell is called "{cell}"; {nearest(cell, cells)}')
    if report.problems:
        raise TopologyError(report.problems)


def _check_times(name: str, file: CampaignFile, device: Device) -> None:
    """Nothing strikes after the end."""
    report = Report(name)
    for number, fault in enumerate(file.fault):
        key = f"fault[{number}]"
        if fault.at is not None and parse_time(fault.at, device.hz) >= device.duration:
            report.add(f"{key}.at", f"{fault.at} does not come: each run ends after {file.for_}")
        low, high = (parse_time(text, device.hz) for text in fault.within or ("1s", "2s"))
        if low >= high:
            report.add(f"{key}.within", "must be an earlier time and a later one")
        elif fault.within is not None and high > device.duration:
            report.add(f"{key}.within", f"{fault.within[1]} does not come: each run ends after {file.for_}")
    if report.problems:
        raise TopologyError(report.problems)


def _fault(section: FaultSection) -> Fault:
    return Fault(
        section.action,
        section.cell,
        at=section.at or "",
        within=section.within,
        count=section.count,
        probability=section.probability or 0.0,
        point=section.point or "",
        visit=section.visit,
        times=section.times,
        every=section.every,
        hold=section.hold,
    )
