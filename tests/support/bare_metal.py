"""Runs a bare-metal image on plain Unicorn with the board's device models: small, slow, without the project's machine.

It is what the images are tested with, and a second opinion on whatever else runs them. One cycle is one instruction.
Exceptions are entered by hand (Unicorn has no vectoring), devices answer through MMIO callbacks, idle time is skipped.

    outcome = run("ticker", BOARDS["kirkwood"], args="ticks=20")
    assert outcome.status == 0
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import unicorn
from unicorn import arm_const as arm

from cells.machine.images import recognise
from cells.machine.placement import Placement, place_bare_metal
from cells.programs.arm import built_in
from devices import bcm2835_intc, gic, orion_intc, orion_timer, pl011, pl190, pxa_icp, pxa_ost, sp804, uart8250
from devices.device import NEVER, Wiring
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.info_page import (
    PAGE_SIZE,
    HypercallPage,
    InterruptControllerKind,
    TimerKind,
    UartKind,
    build_info_page,
    vectors_for,
)

uc: Any = unicorn  # its annotations are partial
HYPERCALL_BASE = 0x3F00_0000
_MODE_SVC_MASKED = 0xD3
_I = 0x80
_MODES = {1: 0x1B, 2: 0x13, 3: 0x17, 4: 0x17, 6: 0x12}
"""Vector -> mode that the exception is taken in."""


@dataclass(frozen=True)
class Board:
    """A core and its devices: name -> (base, model); `wires`: device -> (controller, input)."""

    cpu: str
    architecture: str
    ram_base: int
    hz: int
    devices: dict[str, tuple[int, Callable[..., Any]]]
    wires: dict[str, tuple[str, int]]
    info: dict[str, int]


def _pl_board(cpu: str, architecture: str, controller: Callable[..., Any], ic_kind: int, timer_irq: int) -> Board:
    """Interrupt controller, PL011 and SP804 where QEMU's "virt" has them."""
    return Board(
        cpu=cpu,
        architecture=architecture,
        ram_base=0x4000_0000,
        hz=100_000_000,
        devices={
            "intc": (0x0800_0000, controller),
            "uart": (0x0900_0000, pl011.Pl011),
            "timer": (0x0902_0000, sp804.Sp804),
        },
        wires={"timer": ("intc", timer_irq)},
        info={
            "uart_kind": UartKind.PL011,
            "uart_base": 0x0900_0000,
            "ic_kind": ic_kind,
            "ic_base": 0x0800_0000,
            "ic_base2": 0x0801_0000,
            "timer_kind": TimerKind.SP804,
            "timer_base": 0x0902_0000,
            "timer_irq": timer_irq,
            "timer_hz": 1_000_000,
        },
    )


BOARDS = {
    "virt": _pl_board("CORTEX_A9", "v7a", gic.Gic, InterruptControllerKind.GIC, 34),
    "bcm2835": _pl_board("1176", "v6k", bcm2835_intc.Bcm2835Intc, InterruptControllerKind.BCM2835, 0),
    "kirkwood": Board(
        cpu="926",
        architecture="v5te",
        ram_base=0,
        hz=200_000_000,
        devices={
            "uart": (0xF101_2000, uart8250.Uart8250),
            "bridge": (0xF102_0100, orion_intc.OrionBridge),
            "intc": (0xF102_0200, orion_intc.OrionIntc),
            "timer": (0xF102_0300, orion_timer.OrionTimer),
        },
        wires={"bridge": ("intc", 1), "timer": ("bridge", 1)},
        info={
            "uart_kind": UartKind.NS16550,
            "uart_base": 0xF101_2000,
            "ic_kind": InterruptControllerKind.ORION,
            "ic_base": 0xF102_0200,
            "timer_kind": TimerKind.ORION,
            "timer_base": 0xF102_0300,
            "timer_irq": 1,
            "timer_hz": 1_000_000,
            "cascade_base": 0xF102_0100,
            "cascade_irq": 1,
        },
    ),
    "versatile": Board(
        cpu="926",
        architecture="v5te",
        ram_base=0,
        hz=200_000_000,
        devices={
            "intc": (0x1014_0000, pl190.Pl190),
            "uart": (0x101F_1000, pl011.Pl011),
            "timer": (0x101E_2000, sp804.Sp804),
        },
        wires={"timer": ("intc", 4)},
        info={
            "uart_kind": UartKind.PL011,
            "uart_base": 0x101F_1000,
            "ic_kind": InterruptControllerKind.PL190,
            "ic_base": 0x1014_0000,
            "timer_kind": TimerKind.SP804,
            "timer_base": 0x101E_2000,
            "timer_irq": 4,
            "timer_hz": 1_000_000,
        },
    ),
    "pxa255": Board(
        cpu="PXA255",
        architecture="v5te",
        ram_base=0xA000_0000,
        hz=200_000_000,
        devices={
            "intc": (0x40D0_0000, pxa_icp.PxaIcp),
            "uart": (0x4010_0000, uart8250.PxaUart),
            "timer": (0x40A0_0000, pxa_ost.PxaOst),
        },
        wires={"timer": ("intc", 26)},
        info={
            "uart_kind": UartKind.NS16550,
            "uart_base": 0x4010_0000,
            "ic_kind": InterruptControllerKind.PXA,
            "ic_base": 0x40D0_0000,
            "timer_kind": TimerKind.PXA,
            "timer_base": 0x40A0_0000,
            "timer_irq": 26,
            "timer_hz": 3_686_400,
        },
    ),
}
"""The device sets of the project's boards, at the same addresses."""
BOARDS["kirkwood_fast"] = replace(BOARDS["kirkwood"], info=BOARDS["kirkwood"].info | {"timer_hz": 166_666_667})
"""With the timer at the chip's own clock: a tick is shorter than the way to the handler."""


@dataclass
class Outcome:
    """What a run left behind. `status`: None if the guest did not end. `fault`: what it could not go on from."""

    console: str = ""
    status: int | None = None
    fault: str = ""
    reports: list[tuple[int, int]] = field(default_factory=list)
    heartbeats: list[int] = field(default_factory=list)
    misuse: list[str] = field(default_factory=list)
    cycles: int = 0
    waits: int = 0


class BareMachine:
    """One core, its RAM and devices. `stolen`: (cycle, cycles) when the core belongs to somebody else."""

    def __init__(
        self, board: Board, placement: Placement, ram_size: int, stolen: tuple[tuple[int, int], ...] = ()
    ) -> None:
        self.outcome = Outcome()
        self._board = board
        self._stolen = list(stolen)
        self._limit = 0
        self._irq = False
        self._arguments = [0, 0, 0]
        self._result = 0
        self._uc = uc.Uc(uc.UC_ARCH_ARM, uc.UC_MODE_ARM)
        self._uc.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{board.cpu}"))
        self._uc.ctl_exits_enabled(True)
        self._uc.mem_map(board.ram_base, ram_size)
        self._devices: dict[str, Any] = {}
        for name, (_, model) in self._in_order():
            self._devices[name] = self._make(name, model)
        self._map_devices()
        self._uc.hook_add(uc.UC_HOOK_BLOCK, self._on_block)
        self._uc.hook_add(uc.UC_HOOK_INTR, lambda _uc, number, _data: self._on_exception(number))
        self._uc.hook_add(uc.UC_HOOK_INSN_INVALID, self._on_undefined)
        self._start(placement)

    def run(self, cycles: int) -> Outcome:
        """Run until the guest ends or `cycles` have passed."""
        outcome = self.outcome
        while outcome.status is None and not outcome.fault and outcome.cycles < cycles:
            self._steal()
            deadline = min(self._advance(), cycles)
            self._take_interrupt()
            self._limit = max(min([deadline, *(at for at, _ in self._stolen[:1])]), outcome.cycles + 1)
            self._emulate()
            if outcome.cycles < self._limit and not self._irq and outcome.status is None and not outcome.fault:
                outcome.waits += 1  # it stopped by itself: it waits for an interrupt
                outcome.cycles = max(outcome.cycles, self._advance()) if not self._irq else outcome.cycles
        return outcome

    def word(self, address: int) -> int:
        """A word of RAM."""
        return int.from_bytes(self._uc.mem_read(address, 4), "little")

    def scribble(self, address: int, value: int) -> None:
        """Change a word of RAM behind the guest's back."""
        self._uc.mem_write(address, value.to_bytes(4, "little"))

    # ---- devices

    def _in_order(self) -> list[tuple[str, tuple[int, Callable[..., Any]]]]:
        """Controllers before what is wired to them."""
        order = {"intc": 0, "bridge": 1}
        return sorted(self._board.devices.items(), key=lambda item: order.get(item[0], 2))

    def _make(self, name: str, model: Callable[..., Any]) -> Any:
        wiring = Wiring(
            clock=lambda: self.outcome.cycles,
            hz=self._board.hz,
            irq=self._line(name),
            kick=self._kick,
            transmit=self._transmit,
            misuse=lambda text: self.outcome.misuse.append(f"{name}: {text}"),
        )
        frequency = {"frequency": self._board.info["timer_hz"]} if name == "timer" else {}
        return model(wiring, **frequency)

    def _line(self, name: str) -> Callable[[bool], None]:
        if name in self._board.wires:
            controller, number = self._board.wires[name]
            line: Callable[[bool], None] = self._devices[controller].line(number)
            return line
        return self._set_irq if name == "intc" else lambda _level: None

    def _set_irq(self, level: bool) -> None:
        self._irq = level

    def _kick(self) -> None:
        self._limit = 0

    def _transmit(self, data: bytes) -> None:
        self.outcome.console += data.decode("ascii")

    def _advance(self) -> int:
        """Bring devices up to now; when the next one acts by itself."""
        deadline = NEVER
        for device in self._devices.values():
            device.advance()
            deadline = min(deadline, device.deadline())
        return deadline

    def _map_devices(self) -> None:
        """One MMIO window per 64 KiB that holds devices, and the hypercall page."""
        by_window: dict[int, list[tuple[int, Any]]] = {}
        for name, (base, _) in self._board.devices.items():
            by_window.setdefault(base & ~0xFFFF, []).append((base, self._devices[name]))
        for window, inside in by_window.items():
            size = 0x12000 if window == 0x0800_0000 else 0x10000  # a GIC has its CPU interface beyond 64 KiB
            self._map_window(window, size, sorted(inside, key=lambda item: item[0]))
        self._uc.mmio_map(HYPERCALL_BASE, 0x1000, self._hypercall_read, None, self._hypercall_write, None)

    def _map_window(self, window: int, size: int, inside: list[tuple[int, Any]]) -> None:
        def find(offset: int) -> tuple[int, Any]:
            return next((base, device) for base, device in reversed(inside) if base <= window + offset)

        def read(_uc: Any, offset: int, length: int, _data: Any) -> int:
            base, device = find(offset)
            return int(device.registers.read(window + offset - base, length))

        def write(_uc: Any, offset: int, length: int, value: int, _data: Any) -> None:
            base, device = find(offset)
            device.registers.write(window + offset - base, length, value)

        self._uc.mmio_map(window, size, read, None, write, None)

    # ---- hypercalls

    def _hypercall_read(self, _uc: Any, offset: int, _size: int, _data: Any) -> int:
        return self._result >> 32 if offset == HypercallPage.RESULT_HIGH else self._result & 0xFFFF_FFFF

    def _hypercall_write(self, _uc: Any, offset: int, _size: int, value: int, _data: Any) -> None:
        if offset != HypercallPage.NUMBER:
            self._arguments[(offset - HypercallPage.ARG1) // 4] = value
            return
        self._result = 0
        if value == Hypercall.REPORT:
            self.outcome.reports.append((self._arguments[0], self._arguments[1]))
        elif value == Hypercall.HEARTBEAT:
            self.outcome.heartbeats.append(self.outcome.cycles)
        elif value == Hypercall.TIME:
            self._result = self.outcome.cycles
        elif value == Hypercall.SHUTDOWN:
            self.outcome.status = self._arguments[0]
            self._limit = 0

    # ---- the core

    def _start(self, placement: Placement) -> None:
        for address, data in placement.segments:
            self._uc.mem_write(address, data)
        registers = (arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2)
        for register, value in zip(registers, placement.registers, strict=True):
            self._uc.reg_write(register, value)
        self._uc.reg_write(arm.UC_ARM_REG_CPSR, _MODE_SVC_MASKED)
        self._uc.reg_write(arm.UC_ARM_REG_PC, placement.entry)

    def _emulate(self) -> None:
        try:
            self._uc.emu_start(self._uc.reg_read(arm.UC_ARM_REG_PC), 0)
        except uc.UcError as error:
            self.outcome.fault = f"{error} at {self._uc.reg_read(arm.UC_ARM_REG_PC):#x}"

    def _on_block(self, engine: Any, _address: int, size: int, _data: Any) -> None:
        outcome = self.outcome
        if outcome.cycles >= self._limit or (self._irq and not engine.reg_read(arm.UC_ARM_REG_CPSR) & _I):
            engine.emu_stop()
        else:
            outcome.cycles += size >> 2

    def _steal(self) -> None:
        """Let the time pass that belongs to somebody else."""
        while self._stolen and self._stolen[0][0] <= self.outcome.cycles:
            self.outcome.cycles += self._stolen.pop(0)[1]

    def _take_interrupt(self) -> None:
        if self._irq and not self._uc.reg_read(arm.UC_ARM_REG_CPSR) & _I:
            self._enter(6, self._uc.reg_read(arm.UC_ARM_REG_PC) + 4)

    def _on_exception(self, number: int) -> None:
        """Unicorn's numbers are QEMU's: 2 SVC, 3 prefetch abort, 4 data abort."""
        pc = self._uc.reg_read(arm.UC_ARM_REG_PC)
        self._enter(number, pc + {2: 0, 3: 4, 4: 8}[number])

    def _on_undefined(self, _uc: Any, _data: Any) -> bool:
        self._enter(1, self._uc.reg_read(arm.UC_ARM_REG_PC) + 4)
        return True

    def _enter(self, vector: int, link: int) -> None:
        """Enter an exception: mode, saved CPSR, LR, and the vector."""
        cpsr = self._uc.reg_read(arm.UC_ARM_REG_CPSR)
        self._uc.reg_write(arm.UC_ARM_REG_CPSR, cpsr & ~0x3F | _MODES[vector] | _I)
        self._uc.reg_write(arm.UC_ARM_REG_SPSR, cpsr)
        self._uc.reg_write(arm.UC_ARM_REG_LR, link)
        self._uc.reg_write(arm.UC_ARM_REG_PC, self._vector_base() + 4 * vector)

    def _vector_base(self) -> int:
        if self._board.architecture == "v5te":
            control: int = self._uc.reg_read(arm.UC_ARM_REG_CP_REG, (15, 0, 0, 1, 0, 0, 0))
            return 0xFFFF_0000 if control & 1 << 13 else 0
        base: int = self._uc.reg_read(arm.UC_ARM_REG_CP_REG, (15, 0, 0, 12, 0, 0, 0))
        return base


def machine(
    image: str,
    board: Board,
    *,
    args: str = "",
    ram_size: int = 1 << 20,
    seed: int = 1,
    stolen: tuple[tuple[int, int], ...] = (),
) -> BareMachine:
    """A machine with a built-in image loaded."""
    vectors = vectors_for(ram_base=board.ram_base, architecture=board.architecture)
    page = build_info_page(
        ram_base=board.ram_base,
        ram_size=ram_size,
        hz=board.hz,
        hypercall_base=HYPERCALL_BASE,
        seed=seed,
        vectors=vectors,
        args=args,
        **board.info,
    )
    assert len(page) == PAGE_SIZE
    placement = place_bare_metal(
        recognise(image, built_in(image)), ram_base=board.ram_base, ram_size=ram_size, info_page=page
    )
    return BareMachine(board, placement, ram_size, stolen)


def run(image: str, board: Board, *, cycles: int = 100_000_000, **options: Any) -> Outcome:
    """Run a built-in image to its end, or for `cycles`."""
    return machine(image, board, **options).run(cycles)
