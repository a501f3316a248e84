"""What the cell of a personality is told: its spec as plain data (cells/personalities/*/spec.py), and what it begins with.

Every personality gets the CPU and RAM of `ArmSpec`; a row of `OWN` adds the fields of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cells.flavours import module_of
from hypervisor.abi.pv import TableFormat
from hypervisor.core.redirection import prices
from hypervisor.shell.counting import counting_settings
from hypervisor.shell.topology import CellSpec, Topology, applets, roots

CODE_BUFFER = 64 << 20
"""Bytes for translated code."""
BEATS = 2
"""How often a kernel whose programs know of no heartbeat says in the time of one that it is alive."""


def table_format(topology: Topology) -> TableFormat:
    """What page tables the board's CPU has."""
    return TableFormat.MODERN if topology.board.cpu.architecture.startswith("v7") else TableFormat.LEGACY


def personality_settings(topology: Topology, cell: CellSpec, boot: Mapping[str, Any]) -> dict[str, Any]:
    """The cell's settings (cells/runtime.py), and where its memory is. `boot`: what it is told of its connections."""
    kernel = f"cells.personalities.{MODULES[cell.source]}"
    return {
        "kind": "personality",
        "personality": kernel,
        "spec": _arm(topology, cell, boot) | OWN[cell.source](topology, cell),
        "directory": str(topology.directory) if topology.directory else "",
        "memory": {"base": topology.board.ram_base, "size": cell.ram},
        "preload": [*cell.preload, kernel, module_of(boot)],
    }


def personality_segments(cell: CellSpec) -> list[tuple[int, bytes]]:
    """What lies in its RAM at the start: (offset, content)."""
    content = CONTENT.get(cell.source, _nothing)(cell)
    return [(0, content)] if content else []


def _arm(topology: Topology, cell: CellSpec, boot: Mapping[str, Any]) -> dict[str, Any]:
    """`ArmSpec` as plain data."""
    board, flavour = topology.board, topology.architecture
    return {
        "name": cell.name,
        "hz": board.clock_hz,
        "ram_base": board.ram_base,
        "ram_size": cell.ram,
        "unicorn_model": board.cpu.unicorn_model,
        "architecture": board.cpu.architecture,
        "layout": int(table_format(topology)),
        "cycles": board.cpu.cycles,
        "code_buffer": CODE_BUFFER,
        "seed": topology.seed,
        "counting": counting_settings(topology, cell),
        "redirection": prices(flavour.redirection, flavour.costs),
        "boot": boot,
    }


def _linux(topology: Topology, cell: CellSpec) -> dict[str, Any]:
    return {
        "root_size": len(roots.archive(cell)),
        "program": cell.run,
        "views": cell.views,
        "environment": cell.env,
        "terminal": cell.terminal,
        "pipes": cell.pipes,
        "heartbeat": cell.heartbeat // BEATS,
    }


def _rtos(_topology: Topology, cell: CellSpec) -> dict[str, Any]:
    sizes = [path.stat().st_size for path in cell.file_paths]
    return {"run": cell.run, "args": cell.args, "images": tuple(zip(cell.files, sizes, strict=True))}


def _brew(_topology: Topology, cell: CellSpec) -> dict[str, Any]:
    sizes = [path.stat().st_size for path in cell.file_paths]
    return {
        "heartbeat": cell.heartbeat // BEATS,
        "modules": tuple(zip(cell.files, sizes, strict=True)),
        "python": applets.in_python(cell.modules),
        "run": tuple(applets.name_of(text) for text in cell.run),
    }


def _images(cell: CellSpec) -> bytes:
    """Images of a real-time cell, modules of BREW's, one after another."""
    return b"".join(path.read_bytes() for path in cell.file_paths)


def _nothing(_cell: CellSpec) -> bytes:
    return b""


MODULES = {"linux": "linux.kernel", "brew": "brew.kernel", "rtos": "rtos.guest"}
"""Personality -> the module whose `build(spec, ram, shared)` makes its guest."""
OWN: Mapping[str, Callable[[Topology, CellSpec], dict[str, Any]]] = {"linux": _linux, "brew": _brew, "rtos": _rtos}
"""Personality -> the fields of its own."""
CONTENT: Mapping[str, Callable[[CellSpec], bytes]] = {
    "linux": roots.archive,
    "brew": _images,
    "rtos": _images,
}
"""Personality -> what lies at the beginning of its RAM, if anything does."""
