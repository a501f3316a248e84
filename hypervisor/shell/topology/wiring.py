"""From the sections `[[channels]]` and `[[shared]]` and the key `pager` to the `Wiring` that a flavour's mechanism is given.

Cells are named as in the file: the name of a table with `count` stands for all of its copies, and one entry between such
tables makes a channel for every pair. Of a class with drivers one end is the back end: the `domain` of that class, else the
one that `rights` lets receive, else the second named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypervisor.abi.time import parse_size
from hypervisor.core.wiring import ChannelParams, SharedParams, Wiring
from hypervisor.shell.topology.forms import PAGE
from hypervisor.shell.topology.problems import Report, nearest
from hypervisor.shell.topology.schema import CHANNEL_RIGHTS, MESSAGE, SHARED_RIGHTS, Channel, File, Shared
from hypervisor.shell.topology.spec import CellSpec

TRANSPORT = "zmq"
"""On what messages ride unless the file says otherwise."""


def resolve_wiring(file: File, cells: Sequence[CellSpec], report: Report, *, policy: str = "") -> Wiring:
    """Who is connected to whom, and by which policy; with problems in the report it serves for further checks only."""
    names = _Names(cells, report)
    channels: list[ChannelParams] = []
    for number, channel in enumerate(file.channels):
        at = f"channels[{number}]"
        for params in _channels(at, channel, names):
            if any(other.name == params.name for other in channels):
                report.add(at, f'makes a second channel "{params.name}" (give one of them a name of its own)')
            channels.append(params)
    shared = tuple(_shared(f"shared[{number}]", entry, names) for number, entry in enumerate(file.shared))
    _check_names_of_memory(shared, report)
    return Wiring(tuple(channels), shared, _pagers(cells, names), policy=policy)


@dataclass(frozen=True)
class _Names:
    """The cells by what the file calls them."""

    cells: Sequence[CellSpec]
    report: Report

    def find(self, key: str, name: str) -> list[int]:
        """A cell, or all copies of a table with `count`; a problem with `key` if there is none."""
        found = [index for index, cell in enumerate(self.cells) if name in (cell.name, cell.group)]
        if not found and not self.report.spoiled(f"cells.{name}"):
            known = [cell.name for cell in self.cells]
            self.report.add(key, f'no cell is called "{name}"; {nearest(name, known)}')
        return found


def _channels(at: str, channel: Channel, names: _Names) -> Iterator[ChannelParams]:
    """The channels that one entry stands for."""
    first, second = channel.between
    groups = [names.find(f"{at}.between", name) for name in (first, second)]
    if set(groups[0]) & set(groups[1]):
        names.report.add(f"{at}.between", f'leads from "{first}" to itself (name two different cells)')
        return
    _check_keys(at, channel, names.report)
    several = len(groups[0]) * len(groups[1]) > 1
    for one in groups[0]:
        for other in groups[1]:
            yield _channel(at, channel, names, one, other, several)


def _channel(at: str, channel: Channel, names: _Names, one: int, other: int, several: bool) -> ChannelParams:
    """One channel between two cells."""
    first, second = channel.between
    if _turned(at, channel, names, one, other):
        one, other, first, second = other, one, second, first
    plain = channel.class_ == MESSAGE
    pair = f"{names.cells[one].name}-{names.cells[other].name}"
    name = pair if plain else f"{pair}-{channel.class_}"
    if channel.name is not None:
        name = f"{channel.name}-{pair}" if several else channel.name
    rights = {end: CHANNEL_RIGHTS[channel.rights.get(end, "both") if plain else "both"] for end in (first, second)}
    transport = channel.transport or TRANSPORT
    return ChannelParams(name, channel.class_, one, other, transport, rights[first], rights[second])


def _turned(at: str, channel: Channel, names: _Names, one: int, other: int) -> bool:
    """Whether the first named is the back end."""
    if channel.class_ == MESSAGE:
        return False
    ends = (names.cells[one], names.cells[other])
    serving = [cell.domain == channel.class_ for cell in ends]
    if all(serving):
        names.report.add(f"{at}.between", f"names two domains of class {channel.class_} (one end asks, one serves)")
    if any(serving):
        return serving[0]
    turned = channel.rights.get(channel.between[0]) == "receive"
    back = ends[0] if turned else ends[1]
    if back.domain:
        why = f'"{back.name}" is a domain of class {back.domain} and cannot serve {channel.class_}'
        names.report.add(f"{at}.between", f"{why} (name a domain of that class)")
    return turned


def _check_keys(at: str, channel: Channel, report: Report) -> None:
    """Keys that fit together: whose rights, and whether anything can pass."""
    for name in channel.rights:
        if name not in channel.between:
            why = f'"{name}" is at neither end; {nearest(name, channel.between)}'
            report.add(f"{at}.rights", why)
    first, second = (channel.rights.get(end, "both") for end in channel.between)
    if channel.class_ != MESSAGE:
        if channel.transport is not None:
            why = f"belongs to class {MESSAGE}; a {channel.class_} channel is shared memory (remove the key)"
            report.add(f"{at}.transport", why)
        if channel.rights and {first, second} != {"send", "receive"}:
            why = f'a {channel.class_} channel has one end that asks ("send") and one that serves ("receive")'
            report.add(f"{at}.rights", f"{why} (say so of both, or remove the key)")
    elif first == second and first != "both":
        report.add(f"{at}.rights", f"nothing can pass, as both ends may only {first} (let the other one be different)")


def _shared(at: str, entry: Shared, names: _Names) -> SharedParams:
    """Memory with its owners; whole pages of it."""
    users = {
        index: SHARED_RIGHTS[rights]
        for name, rights in entry.cells.items()
        for index in names.find(f"{at}.cells", name)
    }
    if not names.report.spoiled(at) and not (names.report.spoiled("cells") or users):
        names.report.add(f"{at}.cells", "names nobody who could use it (name at least one cell)")
    elif users and not any(users.values()):
        names.report.add(f"{at}.cells", 'can be written by nobody (give at least one cell "rw")')
    size = parse_size(entry.size)
    return SharedParams(entry.name, -(-size // PAGE) * PAGE, users)


def _check_names_of_memory(shared: Sequence[SharedParams], report: Report) -> None:
    names = [entry.name for entry in shared]
    for number, name in enumerate(names):
        if name in names[:number]:
            report.add(f"shared[{number}].name", f'"{name}" is taken by another shared memory (choose another name)')


def _pagers(cells: Sequence[CellSpec], names: _Names) -> dict[int, int]:
    """Cell -> its pager. Pagers may have pagers, but nobody may wait for himself in the end."""
    pagers: dict[int, int] = {}
    for index, cell in enumerate(cells):
        key = f"cells.{cell.group}.pager"
        found = names.find(key, cell.pager) if cell.pager else []
        if len(found) > 1:
            names.report.add(key, f'"{cell.pager}" is {len(found)} cells (name one of them, as {cell.pager}0)')
        if len(found) == 1:
            pagers[index] = found[0]
    for index in pagers:
        if _waits_for_itself(index, pagers):
            group = cells[index].group
            names.report.add(
                f"cells.{group}.pager", f'"{cells[index].name}" would page itself in the end (break the ring)'
            )
    return pagers


def _waits_for_itself(index: int, pagers: dict[int, int]) -> bool:
    at = index
    for _ in pagers:
        at = pagers.get(at, -1)
        if at == index:
            return True
    return False
