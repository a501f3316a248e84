"""The store from within: requests and watches over the ring in this cell's memory.

```python
store = Store(xen, events)
store.write("device/block/0/state", "3")                # paths are relative to the domain's home, or absolute
store.watch("/local/domain/2/backend/block/1/0/state", lambda path: ...)
store.write_all({"device/block/0/ring-ref": 8, "device/block/0/state": 3})    # a transaction, repeated while it conflicts
```

Theory: the hypervisor answers while the cell rings, so that a request needs no sleep. Events of watches come in between; they are
kept, and handed on by `dispatch`, never in the middle of somebody's request.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from cells.xen.events import Events
from cells.xen.hypercalls import Hypercalls
from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import (
    DOMID_SELF,
    HVM_PARAM,
    REQ_CONS,
    REQ_PROD,
    RSP_CONS,
    RSP_PROD,
    STORE_MESSAGE,
    STORE_RING,
    Call,
    HvmOp,
    Param,
    StoreOp,
)

Watcher = Callable[[str], None]
_INDEX = Struct("<I")
_U32 = 1 << 32


class StoreRefusedError(Exception):
    """The store said no; `name` is the errno's."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{what}: {name}")
        self.name = name


class Store:
    """A cell's connection to the store."""

    def __init__(self, xen: Hypercalls, events: Events) -> None:
        self._xen, self._events = xen, events
        address = xen.port.memory.allocate(1)
        self._page = xen.port.memory.view(address, PAGE)
        self._page[:] = bytes(PAGE)
        xen.call(Call.HVM, HvmOp.SET_PARAM, HVM_PARAM, DOMID_SELF, Param.STORE_PFN, address // PAGE)
        self._port: int = xen.call(Call.HVM, HvmOp.GET_PARAM, HVM_PARAM, DOMID_SELF, Param.STORE_EVTCHN, 0)[2]
        events.handle(self._port, self._pull)
        self._incoming = bytearray()
        self._replies: list[tuple[int, bytes]] = []
        self._fired: list[tuple[str, str]] = []
        self._watchers: dict[str, Watcher] = {}

    # ---- requests

    def read(self, path: str, transaction: int = 0) -> str:
        """The value of a node.

        Raises:
            StoreRefusedError: as all requests.
        """
        return self._ask(StoreOp.READ, path.encode() + b"\0", transaction).decode("ascii", "replace")

    def write(self, path: str, value: str | int, transaction: int = 0) -> None:
        """Set the value of a node, which is made if need be."""
        self._ask(StoreOp.WRITE, f"{path}\0{value}".encode(), transaction)

    def remove(self, path: str, transaction: int = 0) -> None:
        """Take a node away with all below it."""
        self._ask(StoreOp.RM, path.encode() + b"\0", transaction)

    def directory(self, path: str, transaction: int = 0) -> list[str]:
        """Names of a node's children."""
        return self._ask(StoreOp.DIRECTORY, path.encode() + b"\0", transaction).decode().split("\0")[:-1]

    def write_all(self, nodes: dict[str, str | int]) -> None:
        """Write several nodes at once: others see all of them or none."""
        while True:
            transaction = int(self._ask(StoreOp.TRANSACTION_START, b"\0").rstrip(b"\0"))
            for path, value in nodes.items():
                self.write(path, value, transaction)
            try:
                self._ask(StoreOp.TRANSACTION_END, b"T\0", transaction)
            except StoreRefusedError as refusal:
                if refusal.name != "EAGAIN":
                    raise
            else:
                return

    def watch(self, path: str, watcher: Watcher) -> None:
        """Call `watcher` with the path at each change there or below, and once at first; from within `dispatch`."""
        token = f"w{len(self._watchers)}"
        self._watchers[token] = watcher
        self._ask(StoreOp.WATCH, f"{path}\0{token}\0".encode())

    def dispatch(self) -> bool:
        """Hand on what watches have told; whether there was anything."""
        told = bool(self._fired)
        while self._fired:
            path, token = self._fired.pop(0)
            self._watchers[token](path)
        return told

    # ---- the ring

    def _ask(self, kind: int, body: bytes, transaction: int = 0) -> bytes:
        left = STORE_MESSAGE.pack(kind, 0, transaction, len(body)) + body
        while left or not self._replies:
            sent = self._push(left)
            left = left[sent:]
            self._events.send(self._port)
            if not self._pull_some() and not sent:
                raise ConnectionError("the store does not answer")
        answered, reply = self._replies.pop(0)
        if answered == StoreOp.ERROR:
            raise StoreRefusedError(reply.rstrip(b"\0").decode(), body[:64].decode("ascii", "replace"))
        return reply

    def _push(self, message: bytes) -> int:
        """Bytes of it that went into the ring."""
        produced, consumed = self._index(REQ_PROD), self._index(REQ_CONS)
        piece = message[: STORE_RING - (produced - consumed) % _U32]
        start = produced % STORE_RING
        first = piece[: STORE_RING - start]
        self._page[start : start + len(first)] = first
        self._page[: len(piece) - len(first)] = piece[len(first) :]
        _INDEX.pack_into(self._page, REQ_PROD, (produced + len(piece)) % _U32)
        return len(piece)

    def _pull(self) -> None:
        """All that waits; a full ring had more behind it."""
        while self._pull_some() >= STORE_RING:
            self._events.send(self._port)

    def _pull_some(self) -> int:
        """Bytes that came out of the ring; whole messages are sorted into replies and events."""
        consumed, produced = self._index(RSP_CONS), self._index(RSP_PROD)
        waiting = (produced - consumed) % _U32
        start = consumed % STORE_RING
        first = self._page[STORE_RING + start : STORE_RING + min(start + waiting, STORE_RING)]
        self._incoming += bytes(first) + bytes(self._page[STORE_RING : STORE_RING + waiting - len(first)])
        _INDEX.pack_into(self._page, RSP_CONS, produced)
        while len(self._incoming) >= STORE_MESSAGE.size:
            kind, _, _, length = STORE_MESSAGE.unpack_from(self._incoming)
            end = STORE_MESSAGE.size + length
            if len(self._incoming) < end:
                break
            self._sort(kind, bytes(self._incoming[STORE_MESSAGE.size : end]))
            del self._incoming[:end]
        return waiting

    def _sort(self, kind: int, body: bytes) -> None:
        if kind == StoreOp.WATCH_EVENT:
            path, token, _ = body.decode().split("\0")
            self._fired.append((path, token))
        else:
            self._replies.append((kind, body))

    def _index(self, offset: int) -> int:
        index: int = _INDEX.unpack_from(self._page, offset)[0]
        return index
