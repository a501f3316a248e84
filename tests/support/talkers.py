"""Scripted cells that speak the raw protocol of the microvisor's calls, for tests of the mechanism and of what it refuses.

bench = talk({"a": sender, "b": reader}, channel("pipe", 0, 1))
bench.until(NEVER); records(bench, "dropped")
"""

from __future__ import annotations

import json
import struct
from collections.abc import Generator, Iterable
from typing import Any

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.abi.status import from_word
from hypervisor.abi.time import NEVER
from hypervisor.core import effects as do
from hypervisor.core import events as on
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.cell import Cell, CellParams
from hypervisor.core.costs import Costs
from hypervisor.core.errors import Refused
from hypervisor.core.frames import FrameTable
from hypervisor.core.monitor import Monitor
from hypervisor.core.okl4 import Microvisor
from hypervisor.core.policies import make_policy
from hypervisor.core.wiring import ChannelParams, SharedParams, Wiring
from tests.support.memory import BytesMemory
from tests.support.scripted import Bench, Script, ScriptedVcpu

Calling = Generator[Exit, None, int]
BOTH = frozenset({"send", "receive"})


def channel(name: str, front: int, back: int, kind: str = "message", **rights: frozenset[str]) -> ChannelParams:
    """A channel; `front_rights`, `back_rights` as the topology's."""
    return ChannelParams(name, kind, front, back, **{"front_rights": BOTH, "back_rights": BOTH, **rights})


def wiring_of(wires: Iterable[ChannelParams | SharedParams]) -> Wiring:
    """As a topology would give it."""
    every = list(wires)
    return Wiring(
        tuple(wire for wire in every if isinstance(wire, ChannelParams)),
        tuple(wire for wire in every if isinstance(wire, SharedParams)),
    )


def talk(scripts: dict[str, Script], *wires: ChannelParams | SharedParams, **more: Any) -> Bench:
    """A bench of cells that are wired so; its trace is kept in `bench.chunks`."""
    more = {"costs": Costs(), "mechanism": Microvisor, "policy": "fixed_priority", **more}
    bench = Bench(scripts, wiring=wiring_of(wires), **more)
    chunks: list[bytes] = []
    bench.trace.on_chunk.append(chunks.append)
    bench.chunks = chunks  # type: ignore[attr-defined]
    return bench


def records(bench: Bench, kind: str) -> list[dict[str, Any]]:
    """The trace's records of a kind."""
    bench.trace.flush()
    lines = b"".join(bench.chunks).splitlines()  # type: ignore[attr-defined]
    return [record for record in map(json.loads, lines) if record["k"] == kind]


def call(vcpu: ScriptedVcpu, number: int, *arguments: int, data: bytes = b"") -> Calling:
    """A hypercall: its result or status."""
    answer = yield from vcpu.call(number, *arguments, data=data)
    return from_word(answer)


def send(vcpu: ScriptedVcpu, slot: int, data: bytes) -> Calling:
    """CHANNEL_SEND."""
    return (yield from call(vcpu, Hypercall.CHANNEL_SEND, slot, data=data))


def receive(vcpu: ScriptedVcpu, slot: int) -> Generator[Exit, None, bytes | int]:
    """CHANNEL_RECEIVE: the message, or the status."""
    result = yield from call(vcpu, Hypercall.CHANNEL_RECEIVE, slot)
    answers = take(vcpu, EventKind.ANSWER)
    if result < 0:
        return result
    (data,) = answers
    assert len(data) == result & 0xFFFF_FFFF
    return data


def take(vcpu: ScriptedVcpu, kind: EventKind) -> list[bytes]:
    """The payloads of the events of a kind that have come; they are removed."""
    taken = [event.payload for event in vcpu.events if event.kind == kind]
    vcpu.events = [event for event in vcpu.events if event.kind != kind]
    return taken


def rings(vcpu: ScriptedVcpu) -> list[tuple[int, int]]:
    """Notifications that have come: (slot, bits)."""
    return [struct.unpack("<IQ", payload) for payload in take(vcpu, EventKind.NOTIFY)]


def peers(vcpu: ScriptedVcpu) -> list[tuple[int, int]]:
    """Comings and goings of partners: (slot, there)."""
    return [struct.unpack("<IB", payload) for payload in take(vcpu, EventKind.PEER)]


class Direct:
    """Cells that are nothing but callers: each call is served at once, time stands still. For links, shared memory and models."""

    def __init__(
        self,
        names: list[str],
        *wires: ChannelParams | SharedParams,
        devices: Iterable[PhysicalDevice] = (),
        **params: dict[str, Any],
    ) -> None:
        cells = [CellParams(name, 1 << 14, (0,), **params.get(name, {})) for name in names]
        self.monitor = Monitor(
            cells,
            make_policy("round_robin", slice_cycles=1_000),
            costs=Costs(),
            frames=FrameTable(1 << 22, 0),
            mechanism=Microvisor,
            wiring=wiring_of(wires),
        )
        for device in devices:
            self.monitor.bus.attach(device)
        self.memory = BytesMemory.under(self.monitor)
        self.notes: list[do.TraceRecord] = []
        self._perform(self.monitor.start())

    def _perform(self, effects: list[do.Effect]) -> None:
        for effect in self.memory.carry_out(effects):
            if isinstance(effect, do.StartCell):
                self._perform(self.monitor.handle(on.CellReady(effect.cell), self.monitor.now))
            elif isinstance(effect, do.TraceRecord):
                self.notes.append(effect)

    def cell(self, name: str) -> Cell:
        return next(cell for cell in self.monitor.cells if cell.name == name)

    def call(self, name: str, number: int, *arguments: int, data: bytes = b"") -> int:
        """The result, or the status of a refusal."""
        a1, a2, a3 = (*arguments, 0, 0, 0)[:3]
        record = Exit(0, ExitKind.HYPERCALL, 0, 0, NEVER, number, a1, a2, a3, data=data)
        try:
            return self.monitor.calls[number](self.monitor, self.cell(name), record)
        except Refused as refusal:
            return refusal.status
        finally:
            self.memory.carry_out(self.monitor.withdraw_orders())
            self.monitor.check_invariants()

    def take(self, name: str, kind: EventKind) -> list[bytes]:
        """Events of a kind that wait for a cell; they are removed."""
        events = self.cell(name).vcpu.events
        taken = [event.payload for event in events if event.kind == kind]
        events[:] = [event for event in events if event.kind != kind]
        return taken

    def receive(self, name: str, slot: int) -> bytes | int:
        """CHANNEL_RECEIVE: the message, or the status."""
        result = self.call(name, Hypercall.CHANNEL_RECEIVE, slot)
        return result if result < 0 else self.take(name, EventKind.ANSWER)[0]

    def rings(self, name: str) -> list[tuple[int, ...]]:
        return [struct.unpack("<IQ", payload) for payload in self.take(name, EventKind.NOTIFY)]

    def peers(self, name: str) -> list[tuple[int, ...]]:
        return [struct.unpack("<IB", payload) for payload in self.take(name, EventKind.PEER)]

    def kill(self, name: str) -> None:
        """The cell dies; whether it comes back is its policy's business."""
        self._perform(self.monitor.handle(on.CellDied(self.cell(name).index, "killed"), self.monitor.now))
        self.monitor.check_invariants()
