"""Domains without processes: raw structures in their memory, calls straight into the dispatch table.

lab = XenLab("client", "driver", channels=[...])
client = lab["client"]
port = client.call(Call.EVENT_CHANNEL, EvtchnOp.ALLOC_UNBOUND, ALLOC_UNBOUND, DOMID_SELF, 1, 0)[2]
client.status(...)        # the value of a call, negative errno included
client.poke(client.page(3), b"...")
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any

from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.abi.status import from_word, to_word
from hypervisor.abi.xen import (
    ADD_TO_PHYSMAP,
    DOMID_SELF,
    GRANT_ENTRY,
    GRANTS_PER_FRAME,
    HVM_PARAM,
    MAP_GRANT,
    PORT,
    REQ_CONS,
    REQ_PROD,
    RSP_CONS,
    RSP_PROD,
    STORE_MESSAGE,
    STORE_RING,
    UNMAP_GRANT,
    Call,
    EvtchnOp,
    GrantOp,
    HvmOp,
    MapFlag,
    MapSpace,
    MemoryOp,
    Param,
    StoreOp,
)
from hypervisor.core import events as on
from hypervisor.core.cell import Cell, CellParams
from hypervisor.core.costs import Costs
from hypervisor.core.effects import TraceRecord
from hypervisor.core.frames import FrameTable
from hypervisor.core.lives import fail
from hypervisor.core.monitor import Monitor
from hypervisor.core.policies import make_policy
from hypervisor.core.wiring import ChannelParams, SharedParams, Wiring
from hypervisor.core.xen import XenHypervisor
from tests.support.memory import BytesMemory

BASE = 0x4000_0000
PAGES = 64
"""Pages of each cell."""
ARGUMENTS, SHARED_INFO, GRANT_FRAME, STORE_PAGE, FREE = 0, 1, 2, 3, 8
"""Pages by use, numbers within the cell's memory; from FREE on they are a test's."""


class XenLab:
    """A board of domains which are all up."""

    def __init__(
        self,
        *names: str,
        channels: Iterable[ChannelParams] = (),
        shared: Iterable[SharedParams] = (),
        policy: str = "",
        paravirtual: dict[int, int] | None = None,
        params: dict[str, dict[str, Any]] | None = None,
        wiring: dict[str, Any] | None = None,
    ) -> None:
        more = params or {}
        cells = [
            CellParams(name, PAGES * PAGE, (0,), **{"on_crash": "restart", "max_restarts": 99, **more.get(name, {})})
            for name in names
        ]
        self.monitor = Monitor(
            cells,
            make_policy("round_robin", slice_cycles=1000),
            costs=Costs(),
            frames=FrameTable(8 << 20, BASE),
            mechanism=XenHypervisor,
            wiring=Wiring(tuple(channels), tuple(shared), policy=policy, paravirtual=paravirtual or {}, **wiring or {}),
        )
        mechanism = self.monitor.mechanism
        assert isinstance(mechanism, XenHypervisor)
        self.xen = mechanism
        self.memory = BytesMemory.under(self.monitor)
        self.traced: list[TraceRecord] = []
        self.settle(self.monitor.start())
        self.guests = {cell.name: RawGuest(self, cell) for cell in self.monitor.cells}
        for cell in self.monitor.cells:
            self.ready(cell.name)

    def __getitem__(self, name: str) -> RawGuest:
        return self.guests[name]

    def ready(self, name: str) -> None:
        self.settle(self.monitor.handle(on.CellReady(self.guests[name].cell.index), self.monitor.now))

    def restart(self, name: str) -> RawGuest:
        """It dies, and is up again."""
        self.die(name)
        self.ready(name)
        return self[name]

    def die(self, name: str) -> None:
        fail(self.monitor, self.guests[name].cell, "killed")
        self.settle()
        self.monitor.check_invariants()

    def settle(self, effects: Iterable[Any] = ()) -> None:
        """Carry out what was ordered."""
        pending = [*effects, *self.monitor._effects]
        self.monitor._effects = []
        for effect in self.memory.carry_out(pending):
            if isinstance(effect, TraceRecord):
                self.traced.append(effect)

    def kinds(self, kind: str) -> list[TraceRecord]:
        """Records of the trace of one kind."""
        self.settle()
        return [record for record in self.traced if record.kind == kind]


class RawGuest:
    """A domain that speaks the raw protocol."""

    def __init__(self, lab: XenLab, cell: Cell) -> None:
        self.lab, self.cell = lab, cell
        self.consumed = 0

    @property
    def domid(self) -> int:
        return self.lab.xen.domains.of(self.cell).domid

    @staticmethod
    def page(number: int) -> int:
        return BASE + number * PAGE

    @staticmethod
    def frame(number: int) -> int:
        return BASE // PAGE + number

    # ---- memory

    def poke(self, address: int, data: bytes) -> None:
        self.lab.settle()
        self.lab.memory.store(self.cell, address, data)

    def peek(self, address: int, length: int) -> bytes:
        self.lab.settle()
        return self.lab.memory.load(self.cell, address, length)

    # ---- calls

    def status(self, call: int, operation: int, second: int = 0, third: int = 0, data: bytes = b"") -> int:
        """The value of a call as the guest sees it."""
        record = Exit(0, ExitKind.HYPERCALL, 0, 0, 0, call, operation, to_word(second), to_word(third), data=data)
        value = self.lab.monitor.calls[call](self.lab.monitor, self.cell, record)
        self.lab.settle()
        return from_word(to_word(value))

    def attempt(self, call: int, operation: int, layout: Struct, *values: int) -> int:
        """A call with a structure at the page for arguments; its value."""
        self.poke(self.page(ARGUMENTS), layout.pack(*values))
        return self.status(call, operation, self.page(ARGUMENTS))

    def call(self, call: int, operation: int, layout: Struct, *values: int) -> tuple[Any, ...]:
        """The same, which must succeed; the structure as it is left."""
        value = self.attempt(call, operation, layout, *values)
        assert value >= 0, value
        return layout.unpack(self.peek(self.page(ARGUMENTS), layout.size))

    def notices(self) -> list[int]:
        """Ports that the vCPU was told of since the last look."""
        events = self.cell.vcpu.events
        told = [int.from_bytes(event.payload[:4], "little") for event in events if event.kind == EventKind.NOTIFY]
        events.clear()
        return told

    # ---- event channels

    def set_up_events(self) -> None:
        place = (DOMID_SELF, 0, MapSpace.SHARED_INFO, 0, self.frame(SHARED_INFO))
        self.call(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, *place)

    def word(self, offset: int) -> int:
        return int.from_bytes(self.peek(self.page(SHARED_INFO) + offset, 8), "little")

    def set_word(self, offset: int, value: int) -> None:
        self.poke(self.page(SHARED_INFO) + offset, value.to_bytes(8, "little"))

    def send(self, port: int) -> int:
        return self.attempt(Call.EVENT_CHANNEL, EvtchnOp.SEND, PORT, port)

    # ---- grants

    def set_up_grants(self) -> None:
        place = (DOMID_SELF, 0, MapSpace.GRANT_TABLE, 0, self.frame(GRANT_FRAME))
        self.call(Call.MEMORY, MemoryOp.ADD_TO_PHYSMAP, ADD_TO_PHYSMAP, *place)

    def grant(self, reference: int, flags: int, domid: int, frame: int) -> None:
        assert reference < GRANTS_PER_FRAME
        self.poke(self.page(GRANT_FRAME) + 8 * reference, GRANT_ENTRY.pack(flags, domid, frame))

    def grant_flags(self, reference: int) -> int:
        flags: int = GRANT_ENTRY.unpack(self.peek(self.page(GRANT_FRAME) + 8 * reference, 8))[0]
        return flags

    def map(self, domid: int, reference: int, host: int = 0, flags: int = MapFlag.HOST_MAP) -> tuple[int, int, int]:
        """Status, handle, address."""
        return self.map_all([(host, flags, reference, domid)])[0]

    def map_all(self, wishes: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int]]:
        at = self.page(ARGUMENTS)
        for number, wish in enumerate(wishes):
            self.poke(at + number * MAP_GRANT.size, MAP_GRANT.pack(*wish, 0, 0, 0))
        assert self.status(Call.GRANT_TABLE, GrantOp.MAP, at, len(wishes)) == 0
        raw = self.peek(at, len(wishes) * MAP_GRANT.size)
        return [fields[4:] for fields in MAP_GRANT.iter_unpack(raw)]

    def unmap(self, handle: int, host: int) -> int:
        """Its status."""
        at = self.page(ARGUMENTS)
        self.poke(at, UNMAP_GRANT.pack(host, 0, handle, 0))
        assert self.status(Call.GRANT_TABLE, GrantOp.UNMAP, at, 1) == 0
        status: int = UNMAP_GRANT.unpack(self.peek(at, UNMAP_GRANT.size))[3]
        return status

    # ---- the store

    def set_up_store(self) -> None:
        self.consumed = 0
        self.poke(self.page(STORE_PAGE), bytes(PAGE))
        self.call(Call.HVM, HvmOp.SET_PARAM, HVM_PARAM, DOMID_SELF, Param.STORE_PFN, self.frame(STORE_PAGE))

    def index(self, offset: int) -> int:
        return int.from_bytes(self.peek(self.page(STORE_PAGE) + offset, 4), "little")

    def set_index(self, offset: int, value: int) -> None:
        self.poke(self.page(STORE_PAGE) + offset, value.to_bytes(4, "little"))

    def put(self, data: bytes) -> None:
        """Bytes into the ring of requests."""
        produced = self.index(REQ_PROD)
        assert len(data) <= STORE_RING - (produced - self.index(REQ_CONS))
        for at, byte in enumerate(data):
            self.poke(self.page(STORE_PAGE) + (produced + at) % STORE_RING, bytes([byte]))
        self.set_index(REQ_PROD, produced + len(data))

    def messages(self) -> list[tuple[int, int, bytes]]:
        """Whole messages out of the ring of answers: type, transaction, body."""
        found = []
        waiting = bytearray()
        while True:
            consumed, produced = self.index(RSP_CONS), self.index(RSP_PROD)
            for at in range(consumed, produced):
                waiting += self.peek(self.page(STORE_PAGE) + STORE_RING + at % STORE_RING, 1)
            self.set_index(RSP_CONS, produced)
            self.kick()
            if self.index(RSP_PROD) == produced:
                break
        while len(waiting) >= STORE_MESSAGE.size:
            kind, _, transaction, length = STORE_MESSAGE.unpack_from(waiting)
            end = STORE_MESSAGE.size + length
            found.append((kind, transaction, bytes(waiting[STORE_MESSAGE.size : end])))
            del waiting[:end]
        assert not waiting
        return found

    def kick(self) -> None:
        port = self.lab.xen.domains.of(self.cell).params[Param.STORE_EVTCHN]
        assert self.send(port) == 0

    def ask(self, kind: StoreOp, body: bytes, transaction: int = 0) -> tuple[int, bytes]:
        """A request; type and body of the answer. Events that came with it are in `events`."""
        message = STORE_MESSAGE.pack(kind, 7, transaction, len(body)) + body
        while message:
            piece, message = message[:STORE_RING], message[STORE_RING:]
            self.put(piece)
            self.kick()
        got = self.messages()
        self.events = [body for kind, _, body in got if kind == StoreOp.WATCH_EVENT]
        answers = [(kind, body) for kind, _, body in got if kind != StoreOp.WATCH_EVENT]
        assert len(answers) == 1, got
        return answers[0]
