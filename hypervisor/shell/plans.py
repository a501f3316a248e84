"""From a topology to what is made of it: the monitor's parameters, and for each cell how to make its process.

Pure but for reading the images: descriptions go in, descriptions come out.
"""

from __future__ import annotations

import hashlib
from typing import Any

import boards
from boards import Board, DeviceSpec
from cells.machine.images import recognise
from cells.machine.placement import Placement, place_bare_metal, place_linux
from cells.order import pickle_guest
from cells.sandbox import SandboxPolicy
from hypervisor.abi.hypercalls import HYPERCALL_BASE
from hypervisor.abi.info_page import InterruptControllerKind, TimerKind, UartKind, build_info_page, vectors_for
from hypervisor.core.cell import CellParams
from hypervisor.core.frames import FrameTable
from hypervisor.core.monitor import Monitor
from hypervisor.core.policies import make_policy
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.cellhost import CellPlan
from hypervisor.shell.topology import CellSpec, Topology

UARTS = {"pl011": UartKind.PL011, "uart8250": UartKind.NS16550, "pxa_uart": UartKind.NS16550}
CONTROLLERS = {
    "gic": InterruptControllerKind.GIC,
    "bcm2835_intc": InterruptControllerKind.BCM2835,
    "orion_intc": InterruptControllerKind.ORION,
    "pl190": InterruptControllerKind.PL190,
    "pxa_icp": InterruptControllerKind.PXA,
}
TIMERS = {"sp804": TimerKind.SP804, "orion_timer": TimerKind.ORION, "pxa_ost": TimerKind.PXA}
"""Device models that bare-metal images have drivers for."""

GRAIN = 64
"""On several cores a rest of less than this part of a slice is not worth a turn. Every round cuts the slices, a block late, and
a core that runs such a rest would keep the others from running at the same time."""

CODE_BUFFER = {"image": 32 << 20, "kernel": 128 << 20}
"""Bytes for translated code: a kernel with its user space fills the smaller one many times over."""


def build_monitor(topology: Topology) -> Monitor:
    """The monitor of a topology, with nothing running yet."""
    board = topology.board
    grain = topology.slice // GRAIN if board.cores > 1 else 0
    policy = make_policy(topology.policy, slice_cycles=topology.slice, windows=topology.windows, grain=grain)
    return Monitor(
        [_params(topology, cell) for cell in topology.cells],
        policy,
        costs=FLAVOURS[topology.flavour].costs,
        frames=FrameTable(board.ram_size, board.ram_base),
        cores=board.cores,
        quantum=topology.quantum,
        latency=topology.cross_core_latency,
    )


def _params(topology: Topology, cell: CellSpec) -> CellParams:
    return CellParams(
        name=cell.name,
        ram=cell.ram,
        cores=cell.cores,
        priority=cell.priority,
        budget=cell.budget,
        period=cell.period,
        on_crash=cell.on_crash,
        max_restarts=cell.max_restarts,
        heartbeat=cell.heartbeat,
        digest=_digest(topology, cell),
    )


def _digest(topology: Topology, cell: CellSpec) -> str:
    """The programs of a cell: its image, or kernel and initrd, or the module of its guest."""
    prefix = f"cells.{cell.group}."
    found = [f"{key} {sha256}" for key, sha256 in sorted(topology.hashes.items()) if key.startswith(prefix)]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] if found else ""


def plan_cells(topology: Topology, *, link: str, sandbox: bool, measure: bool) -> list[CellPlan]:
    """How to make each cell's process, in the order of the topology."""
    return [
        _plan(topology, index, cell, link, SandboxPolicy(enabled=sandbox), measure)
        for index, cell in enumerate(topology.cells)
    ]


def _plan(topology: Topology, index: int, cell: CellSpec, link: str, sandbox: SandboxPolicy, measure: bool) -> CellPlan:
    settings: dict[str, Any] = {"preload": list(cell.preload), "measure": measure, "small": cell.kind != "kernel"}
    if cell.kind == "guest":
        settings |= _python_settings(topology, cell)
        guest = pickle_guest(cell.function) if cell.function is not None else b""
        return CellPlan(index, cell.name, settings, guest, sandbox, transport=link)
    placement = place(topology, cell)
    base = topology.board.ram_base
    settings |= {"kind": "machine", "machine": _machine_settings(topology, cell, placement)}
    segments = [(address - base, content) for address, content in placement.segments]
    return CellPlan(index, cell.name, settings, b"", sandbox, ram_size=cell.ram, segments=segments, transport=link)


def _python_settings(topology: Topology, cell: CellSpec) -> dict[str, Any]:
    return {
        "kind": "python",
        "program": cell.source,
        "directory": str(topology.directory) if topology.directory else "",
        "args": list(cell.args),
        "hz": topology.board.clock_hz,
        "seed": topology.seed,
    }


def _machine_settings(topology: Topology, cell: CellSpec, placement: Placement) -> dict[str, Any]:
    """`MachineSpec` as plain data."""
    board = topology.board
    owned = [board.device(name) for name in cell.devices]
    return {
        "hz": board.clock_hz,
        "ram_base": board.ram_base,
        "ram_size": cell.ram,
        "unicorn_model": board.cpu.unicorn_model,
        "cycles": board.cpu.cycles,
        "code_buffer": CODE_BUFFER[cell.kind],
        "private": [_part(spec) for spec in board.private],
        "unmodelled": [(region.name, region.base, region.size) for region in board.regions_not_modelled],
        "physical": [(spec.base, spec.size) for spec in owned],
        "hypercall_base": HYPERCALL_BASE,
        "entry": placement.entry,
        "registers": placement.registers,
    }


def _part(spec: DeviceSpec) -> dict[str, Any]:
    return spec.model_dump(include={"name", "model", "base", "size", "irq", "more_irqs", "parent", "params"})


def place(topology: Topology, cell: CellSpec) -> Placement:
    """What lies where in the cell's RAM at its start.

    Raises:
        ImageError: it does not fit.
    """
    assert cell.path is not None
    image = recognise(cell.path.name, cell.path.read_bytes())
    board = topology.board
    if cell.kind == "image":
        page = _info_page(topology, cell)
        return place_bare_metal(image, ram_base=board.ram_base, ram_size=cell.ram, info_page=page)
    linux = board.linux
    assert linux is not None
    initrd = cell.initrd_path.read_bytes() if cell.initrd_path else b""
    start = board.ram_base + linux.initrd_offset
    tree = boards.device_tree(
        board,
        ram_size=cell.ram,
        bootargs=_command_line(board, cell),
        initrd=(start, start + len(initrd)) if initrd else None,
    )
    return place_linux(
        image,
        ram_base=board.ram_base,
        ram_size=cell.ram,
        dtb=tree,
        initrd=initrd,
        load_offset=linux.load_offset,
        dtb_offset=linux.dtb_offset,
        initrd_offset=linux.initrd_offset,
    )


def _command_line(board: Board, cell: CellSpec) -> str:
    """The board's defaults, how to tell the monitor of the end, and what the topology adds."""
    assert board.linux is not None
    words = [board.linux.cmdline, f"cellvisor.hypercalls={HYPERCALL_BASE:#x}", cell.append]
    return " ".join(word for word in words if word)


def _info_page(topology: Topology, cell: CellSpec) -> bytes:
    """What a bare-metal image is told of the board."""
    board = topology.board
    fields = {
        "ram_base": board.ram_base,
        "ram_size": cell.ram,
        "hz": board.clock_hz,
        "hypercall_base": HYPERCALL_BASE,
        "core_count": 1,
        "seed": int.from_bytes(hashlib.sha256(f"{topology.seed}/{cell.name}".encode()).digest()[:8], "little"),
        "vectors": vectors_for(ram_base=board.ram_base, architecture=board.cpu.architecture),
        **_uart_fields(board),
        **_controller_fields(board),
        **_timer_fields(board),
    }
    return build_info_page(args=cell.args if isinstance(cell.args, str) else "", **fields)


def _first(board: Board, role: str) -> DeviceSpec | None:
    return next((spec for spec in board.private if spec.role == role), None)


def _uart_fields(board: Board) -> dict[str, int]:
    uart = _first(board, "uart")
    return {} if uart is None else {"uart_kind": UARTS[uart.model], "uart_base": uart.base}


def _controller_fields(board: Board) -> dict[str, int]:
    root = board.controller
    if root is None:
        return {}
    second = root.base + int(root.params["cpu_interface"]) if "cpu_interface" in root.params else 0
    return {"ic_kind": CONTROLLERS[root.model], "ic_base": root.base, "ic_base2": second}


def _timer_fields(board: Board) -> dict[str, int]:
    timer = _first(board, "timer")
    if timer is None:
        return {}
    fields = {
        "timer_kind": TIMERS[timer.model],
        "timer_base": timer.base,
        "timer_irq": timer.irq or 0,
        "timer_hz": int(timer.params["frequency"]),
    }
    if timer.parent is not None:
        cascade = board.device(timer.parent)
        fields |= {"cascade_base": cascade.base, "cascade_irq": cascade.irq or 0}
    return fields
