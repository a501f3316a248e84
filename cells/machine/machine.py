"""A full-system guest: the ARM engine, the cell's private devices, and the loop that keeps them in virtual time.

Theory: a vCPU counts its own cycles; `offset` maps them to global virtual time, and changes whenever other cells ran in
between. Private devices (interrupt controller, timer, UART) are pure functions of that time. The engine runs up to the
earliest of: the end of what the monitor allowed, the next deadline of a device, the next event. Devices of the monitor are
reached by an exit from inside the access.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cells.device_memory import NO_DEVICE_MEMORY
from cells.engines.arm import ArmEngine, Stop
from cells.engines.counting import Tally
from cells.engines.faults import Patient, suffer
from cells.fault import GuestFault
from cells.lockstep import Lockstep
from cells.machine.hypercall_page import Happened, HypercallPage
from cells.machine.state import Keeper
from cells.machine.virtio.devices import VirtualDevices
from cells.machine.virtio.ram import GuestRam
from cells.memory import CellMemory
from devices.bus import PAGE, assemble
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.memory import WINDOW_BASE, WINDOW_SIZE
from hypervisor.abi.records import OUTPUT_LIMIT, Event, EventKind, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import CARRIERS, Translations

_HAPPENED: Mapping[int, str] = {EventKind.NOTIFY: "<IQ", EventKind.PEER: "<IB"}
INPUTS = 0b11
"""Bits of `vcpu.lines` that end a wait-for-interrupt: IRQ and FIQ."""


@dataclass(frozen=True)
class MachineSpec:
    """What a machine is made of: plain data from the board and the topology.

    `private`: devices in the cell, as `Part`. `unmodelled`: (name, base, size) of ranges that
    read as zero. `physical`: (base, size) of devices that the monitor owns and this cell may
    reach. `registers`: r0..r2 at `entry`. `hypercall_base`: where the hypercall page lies.
    `paravirtual`: its kernel runs without privileges (pv.py), and finds no devices.
    """

    hz: int
    ram_base: int
    ram_size: int
    unicorn_model: str
    cycles: Mapping[str, int]
    code_buffer: int
    private: Sequence[Mapping[str, Any]]
    unmodelled: Sequence[tuple[str, int, int]]
    physical: Sequence[tuple[int, int]]
    hypercall_base: int
    entry: int
    registers: tuple[int, int, int]
    paravirtual: bool = False
    door: str = ""
    """How its HVCs are answered (xen.py), "" for a guest fault."""
    virtual: Mapping[str, Any] | None = None
    """Virtual devices behind which its channels are (virtio/devices.py); None: it has none."""
    vtlb: Mapping[str, int] | None = None
    """The TLB, the virtual one and what that costs (`ArmEngine.count_translations`); None: translations are not counted."""
    counting: Mapping[str, Any] | None = None
    """What is counted for marks (`Tally`); None: marks are system calls like others."""


def _translations(vcpu: Any) -> Translations:
    """What the engine has counted."""
    upkeep = (vcpu.vtlb_switches, vcpu.vtlb_flushes, vcpu.cache_drops, vcpu.cache_flushes)
    return Translations(vcpu.vtlb_hits, vcpu.vtlb_misses, vcpu.vtlb_upkeep, *upkeep, vcpu.memory_cycles)


class Machine:
    """One vCPU with its RAM and private devices. `shared`: what it shares with others, if it is connected."""

    def __init__(self, spec: MachineSpec, ram: Any, shared: CellMemory | None = None) -> None:
        self._hz = spec.hz
        self._output = bytearray()
        self._waiting = False
        self._world: Lockstep | None = None
        self.devices = NO_DEVICE_MEMORY
        """What it can read of its physical devices without an exit."""
        self.keeper: Keeper | None = None
        """Who is to have its state at a mark (state.py)."""
        self.restored: list[Event] = []
        """What was on its way when the state was taken from which it goes on."""
        self.engine = ArmEngine(spec.unicorn_model, spec.cycles, code_buffer=spec.code_buffer)
        charged = (
            spec.counting is not None and spec.counting["caches"] is not None and spec.counting["caches"]["fill_cycles"]
        )
        self._tells = spec.vtlb is not None or bool(charged)
        if spec.vtlb is not None:
            self.engine.count_translations(spec.vtlb)
        self._vcpu = self.engine.vcpu
        self.engine.map_ram(spec.ram_base, ram, spec.ram_size)
        if shared is not None:
            self.engine.map_window(WINDOW_BASE, shared.window, WINDOW_SIZE)
            shared.on_change = self.engine.change_window
        self._tally = Tally(self.engine, spec.counting) if spec.counting is not None else None
        self.bus = assemble(
            [Part(**entry) for entry in spec.private],
            clock=self.now,
            hz=spec.hz,
            irq=self.engine.set_irq,
            fiq=self.engine.set_fiq,
            kick=self.engine.kick,
            transmit=self._transmit,
        )
        self._controller, self._uart = _find(self.bus, "line"), _find(self.bus, "receive")
        self._virtual = self._make_virtual(spec, ram, shared)
        for name, base, size in spec.unmodelled:
            self.bus.name_region(name, base, size)
        for base, size in without(self.bus.windows(), spec.physical):
            self._map_private(base, size)
        for base, size in spec.physical:
            self._map_physical(base, size)
        self.hypercalls = HypercallPage(self._hypercall, self._wait_for_event)
        self.engine.map_device(spec.hypercall_base, PAGE, self.hypercalls.read, self.hypercalls.write)
        self._patient = Patient(self.engine, ram, spec.ram_base)
        self.engine.reset(spec.entry, *spec.registers)
        self.engine.warm_up()

    # ---- construction

    def _make_virtual(self, spec: MachineSpec, ram: Any, shared: CellMemory | None) -> VirtualDevices | None:
        if spec.virtual is None or shared is None:
            return None
        memory = GuestRam(memoryview(ram), spec.ram_base, self.engine.dma_written)
        virtual = VirtualDevices(spec.virtual, memory, shared, self._vcpu, self._exit)
        virtual.place(self.bus, self.now, self._controller.line)
        return virtual

    def _map_private(self, base: int, size: int) -> None:
        read, write = self.bus.read, self.bus.write
        self.engine.map_device(
            base,
            size,
            lambda offset, length: read(base + offset, length),
            lambda offset, length, v: write(base + offset, length, v),
        )

    def _map_physical(self, base: int, size: int) -> None:
        def read(offset: int, length: int) -> int:
            found = self.devices.read(base + offset, length)
            if found is not None:
                return int.from_bytes(found, "little")
            answer = self._exit(ExitKind.READ, (base + offset, length, 0, 0))
            self.devices.heed(base + offset, answer)
            return answer & 0xFFFFFFFF

        def write(offset: int, length: int, value: int) -> None:
            self.devices.heed(base + offset, self._exit(ExitKind.WRITE, (base + offset, length, value, 0)))

        self.engine.map_device(base, size, read, write)

    # ---- time

    def now(self) -> int:
        """Global virtual time of this vCPU, in cycles."""
        time: int = self._vcpu.cycles + self._vcpu.offset
        return time

    def _exit(
        self, kind: int, arguments: tuple[int, int, int, int] = (0, 0, 0, 0), deadline: int = NEVER, data: bytes = b""
    ) -> int:
        """Stop for the monitor; go on at the time that it gives."""
        world, vcpu = self._world, self._vcpu
        assert world is not None
        output = bytes(self._output[:OUTPUT_LIMIT])
        del self._output[:OUTPUT_LIMIT]
        if self._tells and kind in CARRIERS:
            data = _translations(vcpu).pack()
        cycles = vcpu.cycles
        value = world.exit(
            kind, cycles + vcpu.offset, cycles, deadline, arguments, (vcpu.insns, self.engine.interrupts), output, data
        )
        vcpu.offset = world.start - cycles
        vcpu.limit = 0  # in the middle of a block: look again at its end
        return value

    def _hypercall(self, number: int, arguments: tuple[int, int, int], data: bytes) -> tuple[int, bytes]:
        assert self._world is not None
        if number == Hypercall.SHUTDOWN and self._tells:
            self._exit(ExitKind.OUTPUT)  # the last word on them
        value = self._exit(ExitKind.HYPERCALL, (number, *arguments), data=data)
        return value, self._world.answer

    def _wait_for_event(self) -> None:
        """The image asked to sleep until something happens to the cell; an interrupt of a private device ends that, too."""
        world = self._world
        assert world is not None
        self._catch_up(world)
        if self.hypercalls.events or self._vcpu.lines & INPUTS:
            return
        now, deadline = self.now(), min(world.next_event(), self.bus.deadline())
        if deadline <= world.horizon:
            self._vcpu.offset += max(deadline - now, 0)
            self._vcpu.limit = 0
        else:
            self._exit(ExitKind.WAIT, deadline=deadline)
        self._catch_up(world)

    def _catch_up(self, world: Lockstep) -> None:
        """Let happen what is due."""
        now = self.now()
        for event in world.due(now):
            self._take(event.kind, event.payload)
        if self._virtual is not None and self._virtual.rung:
            self._virtual.progress()
        if now >= self.bus.deadline():
            self.bus.advance()

    def _transmit(self, _uart: str, data: bytes) -> None:
        self._output += data
        if len(self._output) >= OUTPUT_LIMIT:
            self._vcpu.limit = 0

    # ---- the loop

    def run(self, world: Lockstep) -> None:
        """Run for ever; the monitor ends the process.

        Raises:
            GuestFault: the guest cannot go on.
        """
        self._world = world
        self._vcpu.offset = world.start - self._vcpu.cycles
        if self.restored:
            world.put_back(self.restored)
        if self._virtual is not None:
            self._virtual.begin(world)
        while True:
            self._step(world)

    def _step(self, world: Lockstep) -> None:
        self._catch_up(world)
        if world.faults:
            suffer(self._patient, world.faults)
        now = self.now()
        deadline = min(world.next_event(), self.bus.deadline())
        if self._waiting and not self._wait(world, now, deadline):
            return
        if now >= world.end:
            self._exit(ExitKind.BUDGET)
        elif len(self._output) >= OUTPUT_LIMIT:
            self._exit(ExitKind.OUTPUT)
        else:
            self._execute(min(world.end, deadline))

    def _wait(self, world: Lockstep, now: int, deadline: int) -> bool:
        """Sleep through a wait-for-interrupt; True when it is over."""
        if self._vcpu.lines & INPUTS:
            self._waiting = False
        elif deadline <= world.horizon:
            self._vcpu.offset += max(deadline - now, 0)
        else:
            self._exit(ExitKind.WAIT, deadline=deadline)
        return not self._waiting

    def _execute(self, until: int) -> None:
        vcpu = self._vcpu
        vcpu.limit = max(until - vcpu.offset, vcpu.cycles + 1)
        stop = self.engine.run()
        if stop is Stop.WFI:
            self._waiting = True
        elif stop is Stop.MARK:
            self._mark()
        elif stop is not Stop.LIMIT:
            self._stopped(stop)

    def _mark(self) -> None:
        """A program of the guest has marked a place."""
        assert self._tally is not None
        if self.keeper is not None and self._world is not None and self.keeper.mark == self.engine.mark[0]:
            self.keeper.keep(self, self._world)
        self._exit(ExitKind.MARK, (*self.engine.mark, 0, 0), data=self._tally.packed())

    def _stopped(self, stop: Stop) -> None:
        """The engine cannot go on by itself.

        Raises:
            GuestFault: nobody else can.
        """
        code, pc, address, text = self.engine.fault()
        raise GuestFault(code, pc, address, text)

    def _take(self, kind: int, payload: bytes) -> None:
        """Something happened from outside."""
        if kind == EventKind.CONSOLE and self._uart is not None:
            self._uart.receive(payload)
        elif kind == EventKind.LINE and self._controller is not None:
            number, level = struct.unpack("<IB", payload)
            self._controller.line(number)(bool(level))
        elif kind == EventKind.DMA:
            self.engine.dma_written(*struct.unpack("<QQ", payload))
        elif kind in _HAPPENED:
            happened = Happened(kind, *struct.unpack(_HAPPENED[kind], payload))
            if self._virtual is None or not self._virtual.take(happened):
                self.hypercalls.events.append(happened)


@dataclass(frozen=True)
class Part:
    """One private device, as boards describe it."""

    name: str
    model: str
    base: int
    size: int
    irq: int | None = None
    more_irqs: tuple[int, ...] = ()
    parent: str | None = None
    params: Mapping[str, int | str] = field(default_factory=dict)


def without(windows: Sequence[tuple[int, int]], holes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Page ranges (base, size) less others: a device of the monitor may lie amid what the board does not model.

    >>> without([(0x0000, 0x4000)], [(0x1000, 0x1000)])
    [(0, 4096), (8192, 8192)]
    """
    left = list(windows)
    for hole, length in holes:
        left = [part for window in left for part in _around(*window, hole, length)]
    return left


def _around(base: int, size: int, hole: int, length: int) -> list[tuple[int, int]]:
    """What is left of one range before and behind a hole."""
    before = (base, min(size, max(hole - base, 0)))
    behind = max(hole + length, base)
    return [part for part in (before, (behind, base + size - behind)) if part[1] > 0]


def _find(bus: Any, ability: str) -> Any:
    """The first device that can do something, None if there is none: the first controller placed is the root."""
    return next((device for device in bus.devices.values() if hasattr(device, ability)), None)
