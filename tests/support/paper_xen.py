"""The Xen parts of a driver cell on paper, and the front end of a Linux disk: pages, grants, ports, nodes, no hypervisor.

world = PaperXen()
disk = PaperDisk(world)                              # what xen-blkfront does, no more
back = world.start(lambda kernel, told: BlkBack(kernel, told, share, TIMELESS, log.append))
disk.connect(); disk.ask(Operation.WRITE, 0, b"...")
world.serve()
disk.answers()                                       # {identity: (operation, status)}
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from typing import Any

from cells.xen import blkif, netif, shared_ring
from cells.xen.grants import GrantRefusedError, Mapped
from cells.xen.kernel_device import KernelDevice
from cells.xen.store import StoreRefusedError
from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import CopyFlag, GrantStatus
from hypervisor.abi.xen import XenbusState as State

FRONT, BACK = "/front", "/back"
TOLD = {"name": "d", "peer": "linux", "kind": "block", "role": "back", "domid": 1, "node": BACK, "other": FRONT}


class PaperXen:
    """What a hypervisor keeps: nodes, granted pages, and how often who was rung. `room`: pages that may be mapped at once."""

    def __init__(self) -> None:
        self.nodes: dict[str, str] = {}
        self.granted: dict[int, bytearray] = {}
        self.read_only: set[int] = set()
        self.room = 1 << 20
        self.mapped = 0
        self.bells = 0
        self.ports: set[int] = set()
        self.watcher: Callable[[str], None] | None = None
        self.back: KernelDevice | None = None

    def start(self, make: Callable[[Any, Any], KernelDevice]) -> KernelDevice:
        """A back end is born, its predecessor is dead: with its directory, its ports and its mappings."""
        self.ports.clear()
        self.mapped = 0
        for path in [path for path in self.nodes if path.startswith(BACK)]:
            del self.nodes[path]
        self.nodes[f"{BACK}/state"] = str(int(State.INITIALISING))
        self.back = back = make(PaperKernel(self), TOLD)
        back.begin()
        return back

    def state(self, end: str) -> State:
        """The state of an end as it stands in the store."""
        return State(int(self.nodes.get(f"{end}/state", "0")))

    def say(self, **nodes: object) -> None:
        """The front end writes into its directory; `state` is what the other one watches."""
        self.nodes |= {f"{FRONT}/{name.replace('_', '-')}": str(value) for name, value in nodes.items()}
        if "state" in nodes and self.watcher is not None:
            self.watcher(FRONT)

    def front_dies(self) -> None:
        """The front end's domain is gone, with its directory."""
        self.nodes = {path: value for path, value in self.nodes.items() if not path.startswith(FRONT)}
        if self.watcher is not None:
            self.watcher(FRONT)

    def serve(self, limit: int = 1000) -> int:
        """Let the back end serve till it has nothing to do; how often it had."""
        assert self.back is not None
        for count in range(limit):
            if not self.back.serve():
                return count
        raise AssertionError(f"still busy after {limit} requests")


class PaperKernel:
    """See `cells.xen.kernel.Kernel`; one object for all of its parts."""

    def __init__(self, world: PaperXen) -> None:
        self._world = world
        self.store = self.events = self.grants = self.calls = self.port = self.memory = self
        self._buffers: dict[int, bytearray] = {}
        self._next = itertools.count(1)

    # ---- store

    def read(self, path: str) -> str:
        if path not in self._world.nodes:
            raise StoreRefusedError("ENOENT", path)
        return self._world.nodes[path]

    def write(self, path: str, value: str | int) -> None:
        self._world.nodes[path] = str(value)

    def write_all(self, nodes: dict[str, str | int]) -> None:
        for path, value in nodes.items():
            self.write(path, value)

    def watch(self, path: str, watcher: Callable[[str], None]) -> None:
        self._world.watcher = watcher
        watcher(path)

    # ---- events

    def bind_interdomain(self, _remote: int, port: int, _handler: object) -> int:
        if port in self._world.ports or port > 1023:
            raise GrantRefusedError("bind", -22)
        self._world.ports.add(port)
        return port

    def close(self, port: int) -> None:
        self._world.ports.remove(port)

    def send(self, _port: int) -> None:
        self._world.bells += 1

    # ---- grants

    def map(self, _domid: int, references: list[int], *, writable: bool = True) -> Mapped:
        world = self._world
        if world.mapped + len(references) > world.room:
            raise GrantRefusedError("map", GrantStatus.NO_DEVICE_SPACE)
        pages = [self._page(reference, writable=writable) for reference in references]
        world.mapped += len(pages)
        return Mapped(0, tuple(references), _Side(pages))  # type: ignore[arg-type]

    def unmap(self, mapped: Mapped) -> None:
        self._world.mapped -= len(mapped.handles)

    def batch(self, _call: int, _operation: int, _layout: object, rows: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return [(*row[:-1], self._copied(*row[:-1])) for row in rows]

    def _copied(self, source: int, _s: int, s_at: int, dest: int, _d: int, d_at: int, length: int, flags: int) -> int:
        try:
            origin = self._page(source, writable=False) if flags & CopyFlag.SOURCE_REF else self._own(source)
            target = self._page(dest, writable=True) if flags & CopyFlag.DEST_REF else self._own(dest)
        except GrantRefusedError as refusal:
            return refusal.status
        target[d_at : d_at + length] = origin[s_at : s_at + length]
        return 0

    def _page(self, reference: int, *, writable: bool) -> memoryview:
        page = self._world.granted.get(reference)
        if page is None or (writable and reference in self._world.read_only):
            raise GrantRefusedError("grant", GrantStatus.BAD_GNTREF)
        return memoryview(page)

    def sleep(self, _time: str) -> None:
        """Meanwhile somebody has taken note of what is gone."""
        self._world.room += 1

    # ---- own memory

    def allocate(self, pages: int) -> int:
        address = next(self._next) << 20
        self._buffers[address] = bytearray(pages * PAGE)
        return address

    def view(self, address: int, length: int) -> memoryview:
        return memoryview(self._buffers[address])[:length]

    def free(self, address: int, _pages: int) -> None:
        del self._buffers[address]

    def _own(self, frame: int) -> memoryview:
        address = frame * PAGE
        base = address >> 20 << 20
        return memoryview(self._buffers[base])[address - base : address - base + PAGE]


class _Side:
    """Several pages side by side, as one view gives them: whole pages are cut out of it, or there is one."""

    def __new__(cls, pages: list[memoryview]) -> Any:
        return pages[0] if len(pages) == 1 else super().__new__(cls)

    def __init__(self, pages: list[memoryview]) -> None:
        self._pages = pages

    def __getitem__(self, place: slice) -> memoryview:
        assert place.start % PAGE == 0
        assert place.stop == place.start + PAGE
        return self._pages[place.start // PAGE]


class PaperDisk:
    """What xen-blkfront does: a ring, requests into it, answers out of it."""

    RING, PORT = 8, 5

    def __init__(self, world: PaperXen, *, keeps: bool = True) -> None:
        self.world, self.keeps = world, keeps
        self.page = memoryview(world.granted.setdefault(self.RING, bytearray(PAGE)))
        self.produced = self.consumed = 0
        self.heard: dict[int, tuple[int, int]] = {}
        self.buffers: dict[int, list[int]] = {}
        self._references = itertools.count(100)
        self._free: list[int] = []
        self.page[shared_ring.RSP_EVENT : shared_ring.RSP_EVENT + 4] = struct.pack("<I", 1)

    def connect(self) -> None:
        """Publish, and be connected."""
        more = {"feature_persistent": 1} if self.keeps else {}
        self.world.say(ring_ref=self.RING, event_channel=self.PORT, protocol="arm-abi", **more)
        self.world.say(state=int(State.INITIALISED))
        self.world.say(state=int(State.CONNECTED))

    def ask(self, operation: int, sector: int, data: bytes = b"", *, length: int = 0) -> int:
        """A request in whole pages; its identity."""
        pages = -(-max(len(data), length) // PAGE)
        references = [self._reference() for _ in range(pages)]
        for number, reference in enumerate(references):
            self.world.granted[reference][:] = data[number * PAGE : (number + 1) * PAGE].ljust(PAGE, b"\0")
        segments = b"".join(struct.pack("<IBB2x", reference, 0, 7) for reference in references)
        identity = self.produced
        self.raw(struct.pack("<BBH4xQQ", operation, pages, 0, identity, sector) + segments)
        self.buffers[identity] = references
        return identity

    def raw(self, slot: bytes) -> None:
        """A slot as it is, and the index behind it."""
        start = shared_ring.SLOTS + self.produced % 32 * blkif.ENTRY
        self.page[start : start + len(slot)] = slot
        self.produced += 1
        self.page[0:4] = struct.pack("<I", self.produced & 0xFFFFFFFF)

    def answers(self) -> dict[int, tuple[int, int]]:
        """What was answered so far: identity -> (operation, status)."""
        (end,) = struct.unpack_from("<I", self.page, shared_ring.RSP_PROD)
        while self.consumed != end:
            start = shared_ring.SLOTS + self.consumed % 32 * blkif.ENTRY
            identity, operation, status = blkif.RESPONSE.unpack_from(self.page, start)
            assert identity not in self.heard, "answered twice"
            self.heard[identity] = (operation, status)
            self._free += self.buffers.get(identity, ()) if self.keeps else ()
            self.consumed += 1
        return self.heard

    def data(self, identity: int) -> bytes:
        """The pages of a request."""
        return b"".join(self.world.granted[reference] for reference in self.buffers[identity])

    def _reference(self) -> int:
        if self._free:
            return self._free.pop()
        reference = next(self._references)
        self.world.granted[reference] = bytearray(PAGE)
        return reference


class PaperInterface:
    """What xen-netfront does: frames out of pages, room for frames in pages, one port."""

    TX, RX, PORT = 9, 10, 6

    def __init__(self, world: PaperXen) -> None:
        self.world = world
        self.tx = memoryview(world.granted.setdefault(self.TX, bytearray(PAGE)))
        self.rx = memoryview(world.granted.setdefault(self.RX, bytearray(PAGE)))
        self.sent = self.answered = self.offered = self.received = 0
        self._references = itertools.count(1000)
        self._room: dict[int, int] = {}
        for page in (self.tx, self.rx):
            page[shared_ring.RSP_EVENT : shared_ring.RSP_EVENT + 4] = struct.pack("<I", 1)

    def connect(self) -> None:
        """Publish, and be connected: netfront says so by itself."""
        rings = {"tx_ring_ref": self.TX, "rx_ring_ref": self.RX, "event_channel": self.PORT}
        self.world.say(**rings, request_rx_copy=1, state=int(State.CONNECTED))

    def make_room(self, count: int) -> None:
        """Put up so many pages."""
        for _ in range(count):
            reference = next(self._references)
            self.world.granted[reference] = bytearray(PAGE)
            self._room[self.offered % 256] = reference
            self._slot(
                self.rx, self.offered, netif.RX_RESPONSE.size, netif.RX_REQUEST.pack(self.offered % 256, reference)
            )
            self.offered += 1
        self.rx[0:4] = struct.pack("<I", self.offered & 0xFFFFFFFF)

    def send(self, *pieces: bytes, flags: int = 0) -> None:
        """A frame in pieces, each in a page."""
        whole = sum(map(len, pieces))
        for number, piece in enumerate(pieces):
            reference = next(self._references)
            self.world.granted[reference] = bytearray(100) + bytearray(piece.ljust(PAGE - 100, b"\xee"))
            more = netif.TxFlag.MORE_DATA if number < len(pieces) - 1 else 0
            size = len(piece) if number else whole
            self.raw(netif.TX_REQUEST.pack(reference, 100, flags | more, self.sent % 256, size))
        self.publish()

    def raw(self, slot: bytes) -> None:
        """A slot as it is; `publish` tells of it."""
        self._slot(self.tx, self.sent, netif.TX_REQUEST.size, slot)
        self.sent += 1

    def publish(self) -> None:
        """Tell of all slots."""
        self.tx[0:4] = struct.pack("<I", self.sent & 0xFFFFFFFF)

    def answers(self) -> list[tuple[int, int]]:
        """New answers to what was sent: identity and status."""
        found = []
        while self.answered != struct.unpack_from("<I", self.tx, shared_ring.RSP_PROD)[0]:
            at = shared_ring.SLOTS + self.answered % 256 * netif.TX_REQUEST.size
            found.append(netif.TX_RESPONSE.unpack_from(self.tx, at))
            self.answered += 1
        return found

    def frames(self) -> list[bytes]:
        """New frames that came."""
        found = []
        while self.received != struct.unpack_from("<I", self.rx, shared_ring.RSP_PROD)[0]:
            at = shared_ring.SLOTS + self.received % 256 * netif.RX_RESPONSE.size
            identity, offset, _flags, status = netif.RX_RESPONSE.unpack_from(self.rx, at)
            page = self.world.granted[self._room.pop(identity)]
            found.append(bytes(page[offset : offset + max(status, 0)]))
            self.received += 1
        return found

    @staticmethod
    def _slot(page: memoryview, index: int, entry: int, content: bytes) -> None:
        start = shared_ring.SLOTS + index % 256 * entry
        page[start : start + len(content)] = content
