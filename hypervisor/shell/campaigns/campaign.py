"""A campaign that is ready to run: its file and its topologies read, its injections known."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hypervisor.abi.time import parse_time
from hypervisor.faults import ACTIONS, ANY, Device, Fault, GuestKind, Injection, Plan, Rules, expand
from hypervisor.faults.pairwise import Pair
from hypervisor.faults.plan import victims
from hypervisor.shell.campaigns.chosen import choose
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.campaigns.schema import CampaignFile, FaultSection, TopologySection, read
from hypervisor.shell.topology import CellSpec, Topology, TopologyError, load
from hypervisor.shell.topology.problems import Problem, Report, nearest

Where = tuple[str, str, int]
"""A topology's name in the campaign, flavour, seed."""


@dataclass(frozen=True)
class Campaign:
    """All of it. `devices` by topology, flavour and seed, `rules` by topology and flavour; `sections` and `places`: what the
    file says of each topology, and its built-in name or path. `faults`: those of the file, then those that were chosen to cover
    the pairs `wanted`.
    """

    name: str
    file: CampaignFile
    sections: Mapping[str, TopologySection]
    places: Mapping[str, str]
    devices: Mapping[Where, Device]
    rules: Mapping[tuple[str, str], Rules]
    injections: tuple[Injection, ...]
    faults: tuple[Fault, ...] = ()
    wanted: frozenset[Pair] = frozenset()

    def replay(self, result: Result, out: Path) -> str:
        """The command that does an injection's run again; "" if there was none. `out`: the campaign's directory."""
        if not result.run:
            return ""
        place = self.places[result.topology]
        files = ["--files", str(Path(place).parent)] if place.endswith(".toml") else []
        return shlex.join(["cellvisor", "replay", str(out / result.run), *files])

    def sample(self, size: int) -> Campaign:
        """The same with so many of its injections, spread evenly over all."""
        size = min(size, len(self.injections))
        kept = tuple(self.injections[number * len(self.injections) // size] for number in range(size))
        return replace(self, injections=kept)

    @property
    def topologies(self) -> tuple[str, ...]:
        """By name, in the file's order."""
        return tuple(self.sections)

    @property
    def flavours(self) -> tuple[str, ...]:
        """In the file's order."""
        return tuple(dict.fromkeys(flavour for _, flavour, _ in self.devices))

    @property
    def title(self) -> str:
        """What is injected into."""
        return ", ".join(section.topology for section in self.sections.values())

    def device(self, result: Result) -> Device:
        """Into what an injection was."""
        return self.devices[result.topology, result.flavour, result.seed]


def load_campaign(name: str, seeds: int | None = None, flavours: tuple[str, ...] = ()) -> Campaign:
    """A campaign by built-in name or path; with `seeds`, for 1, 2, ... to that in the place of the file's; with `flavours`, only
    under these.

    Raises:
        TopologyError: it, or its topology, is not right; every problem is listed.
    """
    stem, path, file = read(name)
    sections = {section.label: section for section in file.devices()}
    places = {label: _place(section.topology, path) for label, section in sections.items()}
    devices: dict[Where, Device] = {}
    rules = {}
    for label, section in sections.items():
        for found in _topologies(places[label], section, seeds, flavours):
            devices[label, found.flavour, found.seed] = _device(found)
            rules[label, found.flavour] = _rules(found, section)
    if not devices:
        raise TopologyError([Problem(name, "flavours", f"none of it is under {' or '.join(flavours)}")])
    _check(name, file, sections, devices)
    chosen, wanted = choose(file.pairwise, devices) if file.pairwise else ((), frozenset[Pair]())
    faults = (*map(_fault, file.fault), *chosen)
    injections: list[Injection] = []
    for label in sections:
        mine = [device for where, device in devices.items() if where[0] == label]
        injections += expand(Plan(label, faults), mine)
    return Campaign(stem, file, sections, places, devices, rules, tuple(injections), faults, wanted)


def _place(name: str, campaign: Path) -> str:
    """A path is meant from where the campaign lies; a name is a built-in one."""
    beside = campaign.parent / name
    return str(beside.resolve()) if name.endswith(".toml") and beside.exists() else name


def _topologies(
    place: str, section: TopologySection, seeds: int | None, flavours: tuple[str, ...]
) -> Iterator[Topology]:
    """One for each flavour and seed."""
    wanted: list[str | None] = [each for each in section.flavours if not flavours or each in flavours]
    for flavour in wanted if section.flavours else [None]:
        for seed in section.seeds if seeds is None else range(1, seeds + 1):
            yield load(place, flavour=flavour, seed=seed, duration=section.for_, overrides=section.set)


def _device(topology: Topology) -> Device:
    cells = tuple(cell.name for cell in topology.cells)
    kinds = tuple(kind_of(cell) for cell in topology.cells)
    hz, duration = topology.board.clock_hz, topology.duration or 0
    traits = tuple(_traits(topology, index) for index in range(len(cells)))
    return Device(topology.flavour, topology.seed, topology.digest, cells, hz, duration, kinds, traits)


def _traits(topology: Topology, index: int) -> frozenset[str]:
    """What a cell has that faults can strike (faults/places.py)."""
    cell = topology.cells[index]
    classes = {each.kind for each in topology.wiring.channels if index in (each.front, each.back)}
    found = {"message"} & classes | ({"split"} if classes - {"message"} else set())
    found |= {"device"} if cell.devices else set()
    found |= {"block"} if cell.domain == "block" else set()
    return frozenset(found | ({"domain 0"} if cell.name == "dom0" else set()))


def kind_of(cell: CellSpec) -> GuestKind:
    """What runs in a cell, as far as faults go."""
    if cell.kind in ("image", "kernel"):
        return GuestKind.PV if cell.paravirtual else GuestKind.MACHINE
    return GuestKind.PERSONALITY if cell.kind == "personality" else GuestKind.PYTHON


def _rules(topology: Topology, section: TopologySection) -> Rules:
    """Who has to do with whom: by channels, shared memory, pagers, and those that all need, as the campaign says."""
    names = [cell.name for cell in topology.cells]
    wiring = topology.wiring
    pairs = [(channel.front, channel.back) for channel in wiring.channels] + list(wiring.pagers.items())
    pairs += [(a, b) for shared in wiring.shared for a in shared.cells for b in shared.cells if a != b]
    pairs += [(at, names.index(name)) for name in section.common if name in names for at in range(len(names))]
    talks: dict[str, set[str]] = {name: set() for name in names}
    for a, b in pairs:
        if a == b:
            continue
        talks[names[a]].add(names[b])
        talks[names[b]].add(names[a])
    return Rules(
        talks={name: frozenset(others) for name, others in talks.items()},
        relays=frozenset(
            cell.name for at, cell in enumerate(topology.cells) if cell.domain or at in wiring.pagers.values()
        ),
        untouchable=frozenset(section.untouchable),
        may_say=section.may_say,
        may_die=section.may_die,
        volatile=section.volatile,
        figures=section.figures,
        no_worse=section.no_worse,
    )


def _check(
    name: str, file: CampaignFile, sections: Mapping[str, TopologySection], devices: Mapping[Where, Device]
) -> None:
    """Cells that there are not, and times that do not come.

    Raises:
        TopologyError: there are such.
    """
    report = Report(name)
    known = {label: [device for where, device in devices.items() if where[0] == label] for label in sections}
    for number, fault in enumerate(file.fault):
        _check_fault(f"fault[{number}]", fault, {label: known[label] for label in fault.topologies or known}, report)
    for number, claim in enumerate(file.claim):
        cells = [cell for label in claim.topologies or known for cell in known[label][0].cells]
        for key, names in (("cell", (claim.cell,)), ("spared", claim.spared)):
            for cell in names:
                if cell not in cells:
                    report.add(f"claim[{number}].{key}", f'no cell is called "{cell}"; {nearest(cell, cells)}')
    for number, (label, section) in enumerate(sections.items()):
        key = f"topologies[{number}].untouchable" if file.topologies else "untouchable"
        for cell in (*section.untouchable, *section.common):
            if cell not in known[label][0].cells:
                report.add(
                    key if cell in section.untouchable else key.replace("untouchable", "common"),
                    f'no cell is called "{cell}"; {nearest(cell, known[label][0].cells)}',
                )
    if report.problems:
        raise TopologyError(report.problems)


def _check_fault(key: str, fault: FaultSection, devices: Mapping[str, list[Device]], report: Report) -> None:
    """A line has a cell somewhere, and nothing strikes after the end."""
    cells = [cell for same in devices.values() for cell in same[0].cells]
    if fault.cell not in (ANY, "", *cells):
        report.add(f"{key}.cell", f'no cell is called "{fault.cell}"; {nearest(fault.cell, cells)}')
        return
    struck = [each for label, same in devices.items() for each in same if victims(_fault(fault), label, each)]
    if not struck:
        kinds = " or ".join(sorted(ACTIONS[fault.action].guests))
        report.add(f"{key}.action", f"{fault.action} is for a guest of the kind {kinds}; there is none")
    for device in struck:
        _check_times(key, fault, device, report)


def _check_times(key: str, fault: FaultSection, device: Device, report: Report) -> None:
    end = f"each run ends after {device.duration / device.hz:g} s"
    if fault.at is not None and parse_time(fault.at, device.hz) >= device.duration:
        report.add(f"{key}.at", f"{fault.at} does not come: {end}")
    low, high = (parse_time(text, device.hz) for text in fault.within or ("1cycles", "2cycles"))
    if low >= high:
        report.add(f"{key}.within", "must be an earlier time and a later one")
    elif fault.within is not None and high > device.duration:
        report.add(f"{key}.within", f"{fault.within[1]} does not come: {end}")


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
        hold=section.hold or "",
        topologies=section.topologies,
        flavours=section.flavours,
        values=tuple(section.values.items()),
    )
