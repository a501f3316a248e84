"""The rules inside a board: each looks at a whole board and yields what is wrong with it.

One function per rule, listed in `RULES`; tests/unit/boards breaks each of them once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from boards.errors import Complaint, did_you_mean
from boards.units import time_in_cycles

if TYPE_CHECKING:
    from boards.schema import Board, DeviceSpec

HYPERCALL_BASE = 0x3F00_0000
"""The hypercall page: at this address on every board, for every cell that runs ARM code."""
HYPERCALL_SIZE = 0x1000
GRANULE = 0x100
"""Devices begin and end at multiples of this."""
PAGE = 0x1000
ADDRESS_SPACE = 1 << 32


def cores_fit(board: Board) -> Iterator[Complaint]:
    """No more cores than the board may have."""
    if board.cores > board.max_cores:
        yield Complaint("cores", f"{board.cores} cores, but {board.name} has at most {board.max_cores}")


def times_make_sense(board: Board) -> Iterator[Complaint]:
    """Slice, quantum and latency are times; news from another core never arrives inside the quantum it was sent in."""
    cycles: dict[str, int] = {}
    for key in ("slice", "quantum", "cross_core_latency"):
        try:
            cycles[key] = time_in_cycles(getattr(board, key), board.clock_hz)
        except ValueError as error:
            yield Complaint(key, str(error))
            continue
        if not cycles[key]:
            yield Complaint(key, "less than one cycle")
    if "quantum" in cycles and cycles.get("cross_core_latency", cycles["quantum"]) < cycles["quantum"]:
        yield Complaint("cross_core_latency", f"must not be shorter than the quantum, {board.quantum}")


def ram_is_whole(board: Board) -> Iterator[Complaint]:
    """RAM is made of pages and ends within the 32-bit address space."""
    if board.ram_base % PAGE or board.ram_size % PAGE:
        yield Complaint("ram_size", "RAM must begin and end on a page of 4 KiB")
    if board.ram_base + board.ram_size > ADDRESS_SPACE:
        yield Complaint("ram_size", "RAM reaches beyond the 32-bit address space")


def devices_are_whole(board: Board) -> Iterator[Complaint]:
    """Devices are made of granules and end within the 32-bit address space."""
    for key, spec in _specs(board):
        if spec.base % GRANULE or spec.size % GRANULE:
            yield Complaint(f"{key}.base", f"base and size must be multiples of {GRANULE:#x}")
        if spec.base + spec.size > ADDRESS_SPACE:
            yield Complaint(f"{key}.size", "reaches beyond the 32-bit address space")


def nothing_overlaps(board: Board) -> Iterator[Complaint]:
    """Devices, RAM and the hypercall page are apart; so are unmodelled regions, RAM and the hypercall page."""
    fixed = [
        ("ram_base", "RAM", board.ram_base, board.ram_size),
        ("hypercall", "the hypercall page", HYPERCALL_BASE, HYPERCALL_SIZE),
    ]
    devices = [(f"{key}.base", spec.name, spec.base, spec.size) for key, spec in _specs(board)]
    regions = [
        (f"regions_not_modelled.{place}.base", region.name, region.base, region.size)
        for place, region in enumerate(board.regions_not_modelled)
    ]
    if board.virtual is not None:
        fixed.append(("virtual.base", "room for virtual devices", board.virtual.base, PAGE * board.virtual.most))
    for group in (devices, regions):
        pairs = [
            (a, b) for a, b in combinations(group + fixed, 2) if group is devices or not (a in fixed and b in fixed)
        ]
        for (key, name, base, size), (_, other, other_base, other_size) in pairs:
            if base < other_base + other_size and other_base < base + size:
                yield Complaint(key, f"{name} at {base:#010x}+{size:#x} overlaps {other} at {other_base:#010x}")


def private_and_physical_pages_are_apart(board: Board) -> Iterator[Complaint]:
    """A page belongs to the cell or to the monitor: traps are decided by page."""
    owned = {page: spec.name for spec in board.private for page in _pages(spec)}
    for place, spec in enumerate(board.physical):
        shared = [owned[page] for page in _pages(spec) if page in owned]
        if shared:
            yield Complaint(f"physical.{place}.base", f"{spec.name} lies in one page with the private {shared[0]}")


def names_are_unique(board: Board) -> Iterator[Complaint]:
    """Every device has a name of its own."""
    seen: set[str] = set()
    for key, spec in _specs(board):
        if spec.name in seen:
            yield Complaint(f"{key}.name", f'two devices are called "{spec.name}"')
        seen.add(spec.name)


def interrupts_lead_somewhere(board: Board) -> Iterator[Complaint]:
    """An `irq` has a controller, which exists, is one, and leads to the one root."""
    controllers = {spec.name: spec for spec in board.private if spec.role == "interrupt_controller"}
    roots = [name for name, spec in controllers.items() if spec.irq is None]
    if len(roots) > 1:
        yield Complaint("private", f"two controllers without an irq ({', '.join(roots)}): which one drives the CPU?")
    for key, spec in _specs(board):
        if spec.parent is not None and spec.parent not in controllers:
            hint = did_you_mean(spec.parent, controllers)
            yield Complaint(f"{key}.parent", f'"{spec.parent}" is no private interrupt controller{hint}')
        elif spec.irq is not None and spec.parent is None and not roots:
            yield Complaint(f"{key}.irq", "there is no interrupt controller that it could lead to")
        elif spec.irq is None and (spec.parent is not None or spec.more_irqs):
            yield Complaint(f"{key}.irq", "missing: a parent or further inputs are named, but no irq")
        elif spec.name in controllers and _circles(spec, controllers):
            yield Complaint(f"{key}.parent", "its interrupt comes back to itself")


def inputs_are_not_shared(board: Board) -> Iterator[Complaint]:
    """Each input of a controller takes one line."""
    root = board.controller.name if board.controller else ""
    taken: dict[tuple[str, int], str] = {}
    for key, spec in _specs(board):
        numbers = () if spec.irq is None else (spec.irq, *spec.more_irqs)
        for number in numbers:
            place = (spec.parent or root, number)
            if place in taken:
                yield Complaint(f"{key}.irq", f"input {number} of {place[0]} is already taken by {taken[place]}")
            taken[place] = spec.name


def virtual_devices_have_room(board: Board) -> Iterator[Complaint]:
    """Pages and inputs that are kept for virtual devices are nobody else's."""
    room = board.virtual
    if room is None:
        return
    if room.base % PAGE:
        yield Complaint("virtual.base", "must begin on a page of 4 KiB")
    for _, spec in _specs(board):
        numbers = () if spec.irq is None or spec.parent is not None else (spec.irq, *spec.more_irqs)
        for number in numbers:
            if room.irq <= number < room.irq + room.most:
                yield Complaint("virtual.irq", f"input {number} is already taken by {spec.name}")


def physical_interrupts_have_lines(board: Board) -> Iterator[Complaint]:
    """A physical device that interrupts has a `line`, of its own; a private one has none."""
    seen: dict[int, str] = {}
    for place, spec in enumerate(board.physical):
        if (spec.irq is None) != (spec.line is None):
            yield Complaint(f"physical.{place}.line", f"{spec.name} needs both irq and line, or neither")
        elif spec.line is not None and spec.line in seen:
            yield Complaint(f"physical.{place}.line", f"line {spec.line} is already taken by {seen[spec.line]}")
        elif spec.line is not None:
            seen[spec.line] = spec.name
    for place, spec in enumerate(board.private):
        if spec.line is not None:
            yield Complaint(f"private.{place}.line", f"{spec.name} is private: the monitor never sees its interrupt")


def _specs(board: Board) -> Iterator[tuple[str, DeviceSpec]]:
    for place, spec in enumerate(board.private):
        yield f"private.{place}", spec
    for place, spec in enumerate(board.physical):
        yield f"physical.{place}", spec


def _pages(spec: DeviceSpec) -> range:
    return range(spec.base // PAGE, -(-(spec.base + spec.size) // PAGE))


def _circles(spec: DeviceSpec, controllers: dict[str, DeviceSpec]) -> bool:
    """Whether going up from a controller never reaches the root."""
    at, steps = spec, 0
    while at.irq is not None and at.parent in controllers and steps <= len(controllers):
        at, steps = controllers[at.parent], steps + 1
    return steps > len(controllers)


RULES: tuple[Callable[[Board], Iterator[Complaint]], ...] = (
    cores_fit,
    times_make_sense,
    ram_is_whole,
    devices_are_whole,
    nothing_overlaps,
    private_and_physical_pages_are_apart,
    names_are_unique,
    interrupts_lead_somewhere,
    inputs_are_not_shared,
    virtual_devices_have_room,
    physical_interrupts_have_lines,
)
