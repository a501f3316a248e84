"""What loading makes of a file: a `Topology`, everything resolved, with nothing left to look up or to refuse.

Times are cycles of the board's clock, sizes are bytes, programs are files that exist. Texts as the user wrote them stay
beside what they resolved to, because a run directory repeats them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from boards import Board
from cells.machine.notes import NO_NOTES, Notes
from hypervisor.core.wiring import Wiring
from hypervisor.flavours import FLAVOURS, Flavour
from hypervisor.shell.topology.schema import VTLB_ENTRIES

Kind = Literal["guest", "image", "kernel", "personality"]


@dataclass(frozen=True)
class NetworkSpec:
    """The gateway of a net domain's network: its IPv4 address, and the first and last that it gives out (0, -1: none), as
    numbers. Its `ports` lead to ports of the host, in the same order.
    """

    address: int
    prefix: int
    first: int = 0
    last: int = -1
    ports: tuple[int, ...] = ()
    host: tuple[int, ...] = ()

    def told(self) -> dict[str, Any]:
        """What the gateway knows: all but where its ports lead, which is outside."""
        return {key: value for key, value in dataclasses.asdict(self).items() if key != "host"}


@dataclass(frozen=True)
class CountingSpec:
    """What a cell counts: groups of functions by name, each with the addresses at which its functions begin; whether
    the caches are modelled, and their misses charged."""

    functions: tuple[tuple[str, tuple[int, ...]], ...] = ()
    caches: bool = False
    charge: bool = False


@dataclass(frozen=True)
class CellSpec:
    """One cell.

    `source` is the text of the key `kind`; `path` the file behind it (a Python guest's module); `function` a guest that
    a Python caller passed (`source` is then "python"). `group` is the name in the file, of which `count` cells were
    made. `cores` holds the cores on which it may run. A larger `priority` is more urgent; `weight` and `cap` (percent of a
    core) are for the credit scheduler. 0 in `budget`, `period`, `cap`, `heartbeat`, `back_off` means none. `args` is a text for
    an image, a tuple for a Python guest. A driver domain is a guest whose `domain` says which class it serves. `pager` names
    the cell that answers its faults, "" for none; `emulated` are private devices of the board that it is to find there and not
    in itself, where the flavour can. `paravirtual`: its kernel runs without privileges, by a door that not every flavour has.
    A personality starts with `run` and `env`, in the root at `root_path`, to which `file_paths` are added as `files`; at `views`
    it may look into the directories `view_paths`; `pipes`: which of its standard streams are no terminal.
    `notes`: what the image says of itself. `tlb_lockdown`: TLB entries locked for the hypervisor; `page_tables`: whether that
    lies in the kernel's address spaces. `virtio`: whether it finds its channels as virtual
    devices, where the flavour has them; after `io_timeout` cycles without its driver domain a request of a disk fails (0:
    never). `network`: the gateway of a net domain. `counting`: what is counted while it runs.
    `flushes`: whether a guest that owns the CPU pays for what it flushes.
    """

    name: str
    kind: Kind
    source: str
    ram: int
    priority: int
    budget: int
    period: int
    on_crash: Literal["destroy", "restart", "preserve"]
    max_restarts: int
    heartbeat: int
    cores: tuple[int, ...]
    preload: tuple[str, ...]
    initrd: str | None
    append: str
    args: str | tuple[str | int | float, ...]
    devices: tuple[str, ...]
    label: str
    group: str
    back_off: int = 0
    back_off_limit: int = 0
    restart_window: int = 0
    weight: int = 256
    cap: int = 0
    domain: str = ""
    pager: str = ""
    emulated: tuple[str, ...] = ()
    paravirtual: bool = False
    tlb_lockdown: int = 0
    page_tables: str = "shared"
    flushes: str = "free"
    virtio: bool = False
    io_timeout: int = 0
    network: NetworkSpec | None = None
    counting: CountingSpec | None = None
    notes: Notes = NO_NOTES
    run: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    terminal: tuple[int, int] = (24, 80)
    pipes: tuple[str, ...] = ()
    root: str = ""
    root_path: Path | None = None
    files: tuple[str, ...] = ()
    file_paths: tuple[Path, ...] = ()
    views: tuple[str, ...] = ()
    view_paths: tuple[Path, ...] = ()
    path: Path | None = None
    initrd_path: Path | None = None
    function: Callable[..., Any] | None = None

    def identity(self) -> dict[str, Any]:
        """What decides how it behaves, beside the content of its files: everything but where these lie."""
        places = {"path", "initrd_path", "function", "initrd", "notes", "root", "root_path", "file_paths", "view_paths"}
        places |= set() if self.kind in ("guest", "personality") else {"source"}
        places |= {"flushes"} if self.flushes == "free" else set()
        places |= {key for key in ("back_off", "back_off_limit", "restart_window") if not getattr(self, key)}
        places |= {"io_timeout"} if not self.io_timeout else set()
        places |= {"network", "counting"}
        places |= {"virtio"} if self.virtio == (self.kind == "kernel") else set()
        places |= {name for name in ("views", "pipes") if not getattr(self, name)}
        found = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in places}
        found |= {} if self.counting is None else {"counting": dataclasses.asdict(self.counting)}
        return found | ({} if self.network is None else {"network": self.network.told()})


@dataclass(frozen=True)
class CableSpec:
    """A cable between two network devices of the board, or from one to another board: `to` then names that board's
    topology, or the endpoint where its monitor is found. A frame travels for `latency` cycles, `latency_ns` nanoseconds.
    """

    between: tuple[str, ...]
    latency: int
    latency_ns: int
    to: str = ""


@dataclass(frozen=True)
class DiskSpec:
    """A file that is a disk: of `size` bytes, read only unless `write`. `copy`: a run writes to a copy of its own. `made`: the
    file is not there yet. `source` is the text of the key, `path` the file.
    """

    name: str
    source: str
    path: Path
    size: int
    write: bool
    copy: bool
    made: bool = False

    def identity(self) -> tuple[str, int, bool]:
        """What a run can tell of it beside its content."""
        return self.name, self.size, self.write


@dataclass(frozen=True)
class InputSpec:
    """What comes from outside at cycle `at`: `kind` and `data` as in inputs.jsonl (hypervisor/shell/inputs.py)."""

    at: int
    kind: str
    cell: str
    data: bytes = b""


def _identity(wiring: Wiring) -> dict[str, Any]:
    """Who is connected to whom as plain data, in one order."""
    channels = [dataclasses.asdict(channel) for channel in wiring.channels]
    for channel in channels:
        for end in ("front_rights", "back_rights"):
            channel[end] = sorted(channel[end])
    shared = [(each.name, each.size, sorted(each.cells.items())) for each in wiring.shared]
    return {"channels": channels, "shared": shared, "pagers": sorted(wiring.pagers.items())}


_DECISIVE = ("flavour", "seed", "slice", "quantum", "cross_core_latency", "policy", "windows", "duration")


@dataclass(frozen=True)
class Topology:
    """A whole device, ready to be launched.

    `windows` is empty unless the policy is "partition"; `duration` is None for a run without an end, and `until` the
    text that it came from ("" for none). `wiring` knows cells by their place in `cells`. `mac_policy` is the file of labels
    and rules, None for none. `directory` is where relative paths and guest modules of the file were found
    (None for a dict). `source_text` is the exact TOML and `overrides` the changes to it (KEY=VALUE): with flavour,
    seed and until they give the same topology again. `hashes` has the SHA-256 of each program by its key
    (`cells.a.image`). `inputs` is the script, in the order of time. `vtlb`: entries of the virtual TLB where the flavour has one,
    0 for none: no translation is counted. `costs`: cycles that its mechanisms take here in the place of the flavour's own.
    """

    name: str
    description: str
    board: Board
    flavour: str
    seed: int
    slice: int
    quantum: int
    cross_core_latency: int
    policy: str
    windows: tuple[tuple[str, int], ...]
    cells: tuple[CellSpec, ...]
    wiring: Wiring
    mac_policy: Path | None
    duration: int | None
    until: str
    console: str | None
    source_text: str
    overrides: tuple[str, ...]
    hashes: dict[str, str]
    directory: Path | None
    cables: tuple[CableSpec, ...] = ()
    vtlb: int = VTLB_ENTRIES
    inputs: tuple[InputSpec, ...] = ()
    disks: tuple[DiskSpec, ...] = ()
    costs: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def architecture(self) -> Flavour:
        """Its flavour, at the costs that the file has for it."""
        return FLAVOURS[self.flavour].at_costs(self.costs)

    @cached_property
    def digest(self) -> str:
        """One SHA-256 over all that decides what happens in a run; where files lie and names for people do not."""
        content = {
            **{name: getattr(self, name) for name in _DECISIVE},
            "board": self.board.model_dump(mode="json"),
            "cells": [cell.identity() for cell in self.cells],
            "wiring": _identity(self.wiring),
            **({"cables": [dataclasses.asdict(cable) for cable in self.cables]} if self.cables else {}),
            **(
                {"inputs": [(*dataclasses.astuple(each)[:3], each.data.hex()) for each in self.inputs]}
                if self.inputs
                else {}
            ),
            **({"vtlb": self.vtlb} if self.vtlb != VTLB_ENTRIES else {}),
            **({"costs": sorted(self.costs.items())} if self.costs else {}),
            **({"disks": [disk.identity() for disk in self.disks]} if self.disks else {}),
            "hashes": sorted(self.hashes.items()),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def disks_of(self, cell: CellSpec) -> list[DiskSpec]:
        """The disks that a cell owns, as it names them."""
        return [disk for name in cell.devices for disk in self.disks if disk.name == name]

    def cell(self, name: str) -> CellSpec:
        """The cell of this name.

        Raises:
            KeyError: there is none.
        """
        for cell in self.cells:
            if cell.name == name:
                return cell
        raise KeyError(name)
