"""The info page of a bare-metal image, from board, topology and what the mechanism tells the cell of its connections."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from boards import Board, DeviceSpec
from hypervisor.abi.hypercalls import HYPERCALL_BASE
from hypervisor.abi.info_page import (
    MAY_RECEIVE,
    MAY_SEND,
    Connection,
    ConnectionKind,
    FlavourNumber,
    InterruptControllerKind,
    TimerKind,
    UartKind,
    build_info_page,
    vectors_for,
)
from hypervisor.abi.memory import WINDOW_BASE, WINDOW_SIZE
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
RIGHTS = {"send": MAY_SEND, "receive": MAY_RECEIVE}


def info_page(topology: Topology, cell: CellSpec, boot: Mapping[str, Any]) -> bytes:
    """What a bare-metal image is told: of the board, and of its connections (`boot`)."""
    board = topology.board
    fields = {
        "ram_base": board.ram_base,
        "ram_size": cell.ram,
        "memory_end": board.ram_base + cell.ram,
        "hz": board.clock_hz,
        "hypercall_base": HYPERCALL_BASE,
        "core_count": 1,
        "seed": int.from_bytes(hashlib.sha256(f"{topology.seed}/{cell.name}".encode()).digest()[:8], "little"),
        "vectors": vectors_for(ram_base=board.ram_base, architecture=board.cpu.architecture),
        **_uart_fields(board),
        **_controller_fields(board),
        **_timer_fields(board),
        "flavour": FlavourNumber[topology.flavour.upper()],
        "window_base": WINDOW_BASE,
        "window_size": WINDOW_SIZE,
    }
    arguments = cell.args if isinstance(cell.args, str) else ""
    return build_info_page(args=arguments, connections=connections_of(boot), **fields)


def connections_of(boot: Mapping[str, Any]) -> list[Connection]:
    """What a cell is told of its connections, in the form of the info page."""
    channels = [_entry(told, ConnectionKind.MESSAGE) for told in boot.get("channels", ())]
    links = [_entry(told, ConnectionKind[told["kind"].upper()]) for told in boot.get("links", ())]
    return channels + links + [_entry(told, ConnectionKind.SHARED) for told in boot.get("shared", ())]


def _entry(told: Mapping[str, Any], kind: ConnectionKind) -> Connection:
    return Connection(
        name=told.get("name", ""),
        peer=told.get("peer", ""),
        kind=kind,
        back=int(told.get("role") == "back"),
        slot=told.get("slot", told.get("domid", 0)),
        bell=told.get("bell", told.get("slot", 0)),
        address=told.get("address", 0),
        size=told.get("size", 0),
        writable=int(told.get("writable", True)),
        rights=sum(RIGHTS[right] for right in told.get("rights", RIGHTS)),
    )


def _first(board: Board, role: str) -> DeviceSpec | None:
    return next((spec for spec in board.private if spec.role == role), None)


def _uart_fields(board: Board) -> dict[str, int]:
    uart = _first(board, "uart")
    return {} if uart is None else {"uart_kind": UARTS[uart.model], "uart_base": uart.base, "uart_irq": uart.irq or 0}


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
