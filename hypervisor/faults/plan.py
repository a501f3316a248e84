"""From a campaign to its injections: devices x faults x cells x draws, in one order, each with an id of its own.

An id is a hash of all that decides what happens: of the device (its digest covers board, programs and wiring), flavour, seed,
and the steps. The same campaign gives the same ids on every host; a changed program gives others, so that a campaign that is
taken up again repeats what the change may have touched.

Random times are drawn from the seed by a hash, not by a generator: a fault that is added changes no other's times.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from hypervisor.abi.faults import SURE, Armed
from hypervisor.abi.time import parse_time
from hypervisor.faults.actions import ACTIONS, NOISE_BYTES, Order
from hypervisor.faults.points import is_compiled_in

ANY = "*"
"""Each cell of the topology in turn, in which the action makes sense."""
ID_LENGTH = 16
HOLD = "10ms"
"""Of a pause, if nothing is said."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A line of a campaign. Times are texts ("50ms"), since a device's clock is not known yet.

    When: `at`; or `count` times drawn evenly from `within`; or, with a `probability` for each virtual millisecond of `within`
    (by default the whole run), the first one that it hits, if any; or at the `visit`-th time that its cell comes to a `point`,
    from 1. `times`, `every`: the same again. `hold`: of a pause, and how long other faults stay.

    A point that is compiled in counts its visits from the time on that is given as well, if one is; `times` are then visits in a
    row, and `probability` is that of each of them. `cell` is "" for the host. `topologies`, `flavours`: nowhere else, if there
    are any.
    `values`: what the action is told, by name.
    """

    action: str
    cell: str
    at: str = ""
    within: tuple[str, str] | None = None
    count: int = 1
    probability: float = 0.0
    point: str = ""
    visit: int = 1
    times: int = 1
    every: str = "10ms"
    hold: str = ""
    topologies: tuple[str, ...] = ()
    flavours: tuple[str, ...] = ()
    values: tuple[tuple[str, int | str], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A campaign's faults, for devices that `expand` gets."""

    topology: str
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """A topology under one flavour with one seed: its digest, cells, clock in Hz, and the cycles that a run lasts. `kinds`: what
    runs in each cell (actions.GuestKind), if that is known; `traits`: what it has (places.py), likewise.
    """

    flavour: str
    seed: int
    digest: str
    cells: tuple[str, ...]
    hz: int
    duration: int
    kinds: tuple[str, ...] = ()
    traits: tuple[frozenset[str], ...] = ()


class Step(NamedTuple):
    """An order at a cycle. `data`: what is typed, in hexadecimal; of an INJECT the fault (abi/faults.py)."""

    at: int
    order: str
    data: str = ""


@dataclass(frozen=True, slots=True)
class Injection:
    """One fault in one run. `fault`: the campaign's line, from 0. `at`: the cycle, None if the dice say that it never comes, or
    while it is not known when the cell comes to `point` for the `visit`-th time; its steps then count from there.
    """

    id: str
    topology: str
    flavour: str
    seed: int
    fault: int
    action: str
    cell: str
    at: int | None
    steps: tuple[Step, ...]
    point: str = ""
    visit: int = 0

    def begun_at(self, time: int | None) -> Injection:
        """The same, now that it is known at which cycle the cell comes to its point; None: never."""
        steps = () if time is None else tuple(step._replace(at=time + step.at) for step in self.steps)
        return replace(self, at=time, steps=steps)


def expand(plan: Plan, devices: Iterable[Device]) -> list[Injection]:
    """Every injection, in the order of devices, faults, cells and draws; of two that are the same, the first.

    Raises:
        KeyError: there is no such action.
        ValueError: a time is none.
    """
    found: dict[str, Injection] = {}
    for device in devices:
        for number, fault in enumerate(plan.faults):
            for cell in victims(fault, plan.topology, device):
                for at in _times(fault, device, number, cell):
                    injection = _injection(plan.topology, device, number, fault, cell, at)
                    found.setdefault(injection.id, injection)
    return list(found.values())


def victims(fault: Fault, topology: str, device: Device) -> list[str]:
    """Which cells of a device a fault is for, "" for the host."""
    if (fault.topologies and topology not in fault.topologies) or (
        fault.flavours and device.flavour not in fault.flavours
    ):
        return []
    action = ACTIONS[fault.action]
    if not action.guests:
        return [""]
    kinds = dict(zip(device.cells, device.kinds, strict=False))
    named = [cell for cell in device.cells if fault.cell in (ANY, cell)]
    return [cell for cell in named if kinds.get(cell) is None or kinds[cell] in action.guests]


def point_of(fault: Fault) -> str:
    """Where it strikes: where it says, else where its action does."""
    return fault.point or ACTIONS[fault.action].point


def _times(fault: Fault, device: Device, number: int, cell: str) -> Iterator[int | None]:
    """When it strikes: a cycle for each draw."""
    if fault.at:
        yield parse_time(fault.at, device.hz)
        return
    if fault.point and not is_compiled_in(fault.point):
        yield None
        return
    if is_compiled_in(point_of(fault)) and not fault.within:
        yield 0
        return
    low, high = (parse_time(text, device.hz) for text in fault.within) if fault.within else (0, device.duration)
    for draw in range(fault.count):
        chance = _chance(device.seed, number, fault.action, cell, draw)
        yield (
            _first_hit(chance, fault.probability, low, high, device.hz)
            if fault.probability and not is_compiled_in(point_of(fault))
            else _even(chance, low, high)
        )


def _even(chance: int, low: int, high: int) -> int:
    """A cycle of [low, high), each as likely as any other."""
    return low + (chance * max(high - low, 1) >> 64)


def _first_hit(chance: int, probability: float, low: int, high: int, hz: int) -> int | None:
    """The first millisecond that is hit, where each is with `probability`: a geometric distribution, inverted."""
    milliseconds = 0 if probability >= 1 else int(math.log1p(-(chance >> 11) / 2**53) / math.log1p(-probability))
    at = low + milliseconds * hz // 1000
    return at if at < high else None


def _chance(*of: object) -> int:
    """64 bits that depend on nothing else."""
    return int.from_bytes(hashlib.sha256(json.dumps(of).encode()).digest()[:8])


def _injection(topology: str, device: Device, number: int, fault: Fault, cell: str, at: int | None) -> Injection:
    waits = bool(fault.point) and not is_compiled_in(fault.point)
    place: tuple[str, int] = (fault.point, fault.visit) if fault.point else ("", 0)
    steps = tuple(_steps(fault, device, at or 0, (number, cell))) if at is not None or waits else ()
    content = [topology, device.digest, device.flavour, device.seed, device.duration, fault.action, cell, at, steps]
    key = hashlib.sha256(json.dumps([*content, *(place if fault.point else ())]).encode()).hexdigest()[:ID_LENGTH]
    return Injection(key, topology, device.flavour, device.seed, number, fault.action, cell, at, steps, *place)


def _steps(fault: Fault, device: Device, at: int, whom: tuple[int, str]) -> Iterator[Step]:
    """The orders of all repetitions, in the order of time."""
    action = ACTIONS[fault.action]
    every, hold = parse_time(fault.every, device.hz), parse_time(fault.hold or HOLD, device.hz)
    repeated = 1 if is_compiled_in(point_of(fault)) else fault.times
    found = [
        Step(at + again * every + later * hold, order, _data(order, fault, device, (again, at, *whom)))
        for again in range(repeated)
        for later, order in enumerate(action.orders)
    ]
    yield from sorted(found, key=lambda step: step.at)


def _data(order: Order, fault: Fault, device: Device, chance: tuple[int, int, int, str]) -> str:
    """What is typed: bytes from the seed; or the fault. `chance`: what the dice depend on, beside the seed."""
    if order is Order.TYPE:
        return hashlib.shake_256(f"{device.seed} {chance[0]}".encode()).hexdigest(NOISE_BYTES)
    return _armed(fault, device, chance).to_text().decode() if order is Order.INJECT else ""


def _armed(fault: Fault, device: Device, chance: tuple[int, int, int, str]) -> Armed:
    """What the injector is told. It is told at the fault's time, so that no time stands in it."""
    action, point = ACTIONS[fault.action], point_of(fault)
    forms = {key.name: key.form for key in action.keys}
    told = {
        name: parse_time(str(value), device.hz) if forms.get(name) == "time" else value for name, value in fault.values
    }
    hold = parse_time(fault.hold, device.hz) if fault.hold else 0
    draw = _chance(device.seed, "draw", fault.action, *chance)
    if not is_compiled_in(point):
        return Armed(fault.action, hold=hold, draw=draw, values=told)
    share = max(int(fault.probability * SURE), 1) if fault.probability else SURE
    return Armed(fault.action, 0, point, fault.visit, fault.times, share, hold, draw, told)
