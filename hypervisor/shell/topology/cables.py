"""The section `[[cables]]`: which network devices of the board are joined, and how long a frame travels.

```toml
[[cables]]
between = ["nic0", "nic1"]
latency = "10us"

[[cables]]
between = ["nic0"]
latency = "100us"
to = "two_boards_b"              # another topology, run beside this one; or tcp://HOST:PORT, tcp://*:PORT
```
"""

from __future__ import annotations

from collections.abc import Sequence

from boards import Board
from hypervisor.abi.time import parse_time
from hypervisor.shell.topology import sources
from hypervisor.shell.topology.problems import Report, nearest
from hypervisor.shell.topology.schema import Cable, File
from hypervisor.shell.topology.spec import CableSpec, CellSpec

NS = 1_000_000_000
MODEL = "nic"
"""The device model that takes a cable."""


def resolve_cables(file: File, board: Board | None, cells: Sequence[CellSpec], report: Report) -> tuple[CableSpec, ...]:
    """The cables, in the file's order; with problems in the report they serve for further checks only."""
    if board is None:
        return ()
    cables: list[CableSpec] = []
    plugged: set[str] = set()
    for number, entry in enumerate(file.cables):
        key = f"cables[{number}]"
        latency = parse_time(entry.latency, board.clock_hz)
        if latency < 1:
            report.add(f"{key}.latency", f'"{entry.latency}" is less than one cycle: nothing travels in no time')
        _check_ends(key, entry, report)
        for name in entry.between:
            _check(f"{key}.between", name, board, cells, plugged, report)
            plugged.add(name)
        cables.append(CableSpec(entry.between, latency, parse_time(entry.latency, NS), entry.to or ""))
    return tuple(cables)


def _check_ends(key: str, entry: Cable, report: Report) -> None:
    """A cable has two ends: devices of this board, or one and another board."""
    to = entry.to
    if (len(entry.between) == 2) == (to is not None):
        report.add(f"{key}.to", "a cable has two ends (name two devices, or one device and `to`)")
    elif to is not None and "://" not in to and "/" not in to and not to.endswith(".toml"):
        known = sources.built_in(sources.topologies(), ".toml")
        if to not in known:
            report.add(f"{key}.to", f'there is no topology "{to}"; {nearest(to, known)}')


def _check(key: str, name: str, board: Board, cells: Sequence[CellSpec], plugged: set[str], report: Report) -> None:
    """The device is there, takes a cable, has none yet, and somebody drives it."""
    sockets = [spec.name for spec in board.physical if spec.model == MODEL]
    if name not in sockets:
        report.add(key, f'the board has no network device "{name}"; {nearest(name, sockets)}')
    elif name in plugged:
        report.add(key, f'"{name}" has a cable already (a device takes one)')
    elif not any(name in cell.devices for cell in cells):
        report.add(key, f'nobody drives "{name}" (give it to a cell: devices = ["{name}"])')
