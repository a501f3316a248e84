"""A domain's way to the store: two byte rings in a page of its own, and an event channel.

```python
ring = StoreRing(domid, store, page, on_request=lambda name, path: ...)
moved = ring.serve()           # after the domain has rung; True: ring back
```

Theory: messages have a header and up to 4096 bytes, and pass through rings of 1024, in pieces. The indices run freely; the
domain may write all of them at any moment, so the store keeps its own two to itself and believes the other two only as far as
they are possible. A ring that says the impossible is given up, with the reason in the page. Requests are taken one by one,
the next when the last answer is on its way: who does not read gets nothing done. Events wait beside, merged, so that a storm
of changes costs no memory: an event says "look", not what was there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hypervisor.abi.xen import (
    RELATIVE_PATH,
    REQ_CONS,
    REQ_PROD,
    RING_ERROR,
    RING_ERROR_INDEX,
    RING_ERROR_PROTOCOL,
    RSP_CONS,
    RSP_PROD,
    STORE_MESSAGE,
    STORE_PAYLOAD,
    STORE_RING,
    Errno,
    StoreOp,
)
from hypervisor.core.xen.errors import StoreError
from hypervisor.core.xen.store import LETTERS, Permission, Store

_U32 = 1 << 32
_BY_BITS = {bits: letter for letter, bits in LETTERS.items()}
OK = b"OK\0"
EVENTS_LIMIT = 256
"""Events that wait for one domain; above it they say less."""


class Page(Protocol):
    """The ring's page, in a domain's memory."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Store into it."""
        ...


class StoreRing:
    """One domain's connection. `broken`: why it was given up, "" while it works."""

    def __init__(self, domid: int, store: Store, page: Page, on_request: Callable[[str, str], None]) -> None:
        self._domid, self._store, self._page, self._on_request = domid, store, page, on_request
        self._home = f"/local/domain/{domid}"
        self._taken = self._word(REQ_CONS)
        self._given = self._word(RSP_PROD)
        self._incoming = bytearray()
        self._outgoing = bytearray()
        self._events: dict[tuple[str, str], None] = {}
        self._relative: set[tuple[str, str]] = set()
        self.broken = ""

    # ---- the rings

    def serve(self, *, requests: bool = True) -> bool:
        """Take requests and give answers and events as far as there is room; whether anything has moved.

        `requests`: False to do no more than hand over what waits for the domain; it is not the one that is being served.
        """
        moved = False
        while not self.broken and self._step(requests):
            moved = True
        return moved

    def _step(self, requests: bool) -> bool:
        """One piece of work; False when there is nothing to do, or no room for it."""
        if self._outgoing:
            return self._give()
        if requests and self._request():
            return True
        if self._events:
            path, token = next(iter(self._events))
            del self._events[path, token]
            self._send(StoreOp.WATCH_EVENT, 0, 0, f"{path}\0{token}\0".encode())
            return True
        return requests and self._take()

    def _request(self) -> bool:
        """Serve a request that has come in whole."""
        if len(self._incoming) >= STORE_MESSAGE.size:
            kind, request, transaction, length = STORE_MESSAGE.unpack_from(self._incoming)
            if length > STORE_PAYLOAD:
                self._break(RING_ERROR_PROTOCOL, f"a message of {length} bytes")
                return True
            if len(self._incoming) >= STORE_MESSAGE.size + length:
                body = bytes(self._incoming[STORE_MESSAGE.size : STORE_MESSAGE.size + length])
                del self._incoming[: STORE_MESSAGE.size + length]
                self._answer(kind, request, transaction, body)
                return True
        return False

    def _take(self) -> bool:
        """Requests move out of the ring."""
        waiting = (self._word(REQ_PROD) - self._taken) % _U32
        if waiting > STORE_RING:
            self._break(RING_ERROR_INDEX, f"{waiting} bytes of requests in a ring of {STORE_RING}")
            return True
        if not waiting:
            return False
        start = self._taken % STORE_RING
        first = self._page.read(start, min(waiting, STORE_RING - start))
        self._incoming += first + self._page.read(0, waiting - len(first))
        self._taken = (self._taken + waiting) % _U32
        self._set_word(REQ_CONS, self._taken)
        return True

    def _give(self) -> bool:
        """Answers move into the ring, as many bytes as there is room for."""
        unread = (self._given - self._word(RSP_CONS)) % _U32
        if unread > STORE_RING:
            self._break(RING_ERROR_INDEX, f"{unread} bytes of answers in a ring of {STORE_RING}")
            return True
        start = self._given % STORE_RING
        piece = bytes(self._outgoing[: min(STORE_RING - unread, STORE_RING - start)])
        if not piece:
            return False
        del self._outgoing[: len(piece)]
        self._page.write(STORE_RING + start, piece)
        self._given = (self._given + len(piece)) % _U32
        self._set_word(RSP_PROD, self._given)
        return True

    def _break(self, code: int, why: str) -> None:
        self.broken = why
        self._set_word(RING_ERROR, code)
        self._outgoing.clear()
        self._events.clear()

    def _word(self, offset: int) -> int:
        return int.from_bytes(self._page.read(offset, 4), "little")

    def _set_word(self, offset: int, value: int) -> None:
        self._page.write(offset, value.to_bytes(4, "little"))

    # ---- events

    def event(self, watched: str, path: str, token: str) -> None:
        """A watch of `watched` has fired. An event that waits already with the same words says it as well."""
        if self.broken:
            return
        if len(self._events) >= EVENTS_LIMIT:
            path = watched  # "look at all of it": there are no more of these than watches
        if (watched, token) in self._relative:
            path = path[len(self._home) + 1 :]
        self._events[path, token] = None

    # ---- requests

    def _answer(self, kind: int, request: int, transaction: int, body: bytes) -> None:
        call = REQUESTS.get(kind)
        name = StoreOp(kind).name.lower() if kind in list(StoreOp) else str(kind)
        self._on_request(name, body.partition(b"\0")[0][:64].decode("latin-1") if body else "")
        try:
            if call is None:
                raise StoreError(Errno.ENOSYS, f"request {kind}")
            self._send(kind, request, transaction, call(self, transaction, body))
        except StoreError as error:
            self._send(StoreOp.ERROR, request, transaction, error.errno.name.encode() + b"\0")
            return
        if kind == StoreOp.WATCH:  # the first event follows the answer
            path, token = self._words(body, 2)
            self._events[path, token] = None

    def _send(self, kind: int, request: int, transaction: int, body: bytes) -> None:
        if len(body) > STORE_PAYLOAD:
            kind, body = StoreOp.ERROR, b"E2BIG\0"
        self._outgoing += STORE_MESSAGE.pack(kind, request, transaction, len(body)) + body

    @staticmethod
    def _words(body: bytes, count: int) -> list[str]:
        """Strings, each with a zero behind it."""
        words = body.split(b"\0")
        if len(words) != count + 1 or words[-1]:
            raise StoreError(Errno.EINVAL, f"not {count} strings")
        try:
            return [word.decode("ascii") for word in words[:-1]]
        except UnicodeDecodeError:
            raise StoreError(Errno.EINVAL, "not ASCII") from None

    def _absolute(self, path: str) -> str:
        if path.startswith(("/", "@")):
            return path
        if len(path) > RELATIVE_PATH:
            raise StoreError(Errno.EINVAL, "a relative path too long")
        return f"{self._home}/{path}" if path else self._home

    def _path(self, body: bytes) -> str:
        return self._absolute(self._words(body, 1)[0])

    def _directory(self, transaction: int, body: bytes) -> bytes:
        names = self._store.directory(self._domid, self._path(body), transaction)
        return b"".join(name.encode() + b"\0" for name in names)

    def _read(self, transaction: int, body: bytes) -> bytes:
        return self._store.read(self._domid, self._path(body), transaction)

    def _write(self, transaction: int, body: bytes) -> bytes:
        path, zero, value = body.partition(b"\0")
        self._store.write(self._domid, self._path(path + zero), value, transaction)
        return OK

    def _mkdir(self, transaction: int, body: bytes) -> bytes:
        self._store.mkdir(self._domid, self._path(body), transaction)
        return OK

    def _rm(self, transaction: int, body: bytes) -> bytes:
        self._store.remove(self._domid, self._path(body), transaction)
        return OK

    def _get_perms(self, transaction: int, body: bytes) -> bytes:
        found = self._store.permissions(self._domid, self._path(body), transaction)
        return b"".join(f"{_BY_BITS[p.bits]}{p.domid}\0".encode() for p in found)

    def _set_perms(self, transaction: int, body: bytes) -> bytes:
        path, *permissions = self._words(body, max(body.count(b"\0"), 1))
        parsed = tuple(parse_permission(text) for text in permissions)
        self._store.set_permissions(self._domid, self._absolute(path), parsed, transaction)
        return OK

    def _watch(self, _transaction: int, body: bytes) -> bytes:
        path, token = self._words(body, 2)
        absolute = self._absolute(path)
        self._store.watch(self._domid, absolute, token)
        if absolute != path:
            self._relative.add((absolute, token))
        return OK

    def _unwatch(self, _transaction: int, body: bytes) -> bytes:
        path, token = self._words(body, 2)
        absolute = self._absolute(path)
        self._store.unwatch(self._domid, absolute, token)
        self._relative.discard((absolute, token))
        return OK

    def _reset_watches(self, _transaction: int, _body: bytes) -> bytes:
        self._store.reset_watches(self._domid)
        self._relative.clear()
        self._events.clear()
        return OK

    def _begin(self, transaction: int, _body: bytes) -> bytes:
        if transaction:
            raise StoreError(Errno.EBUSY, "in a transaction already")
        return f"{self._store.begin(self._domid)}\0".encode()

    def _end(self, transaction: int, body: bytes) -> bytes:
        verdict = self._words(body, 1)[0]
        if verdict not in ("T", "F"):
            raise StoreError(Errno.EINVAL, "neither T nor F")
        self._store.end(self._domid, transaction, commit=verdict == "T")
        return OK

    def _domain_path(self, _transaction: int, body: bytes) -> bytes:
        return f"/local/domain/{self._number(body)}\0".encode()

    def _is_introduced(self, _transaction: int, body: bytes) -> bytes:
        return b"T\0" if self._store.exists(f"/local/domain/{self._number(body)}") else b"F\0"

    def _number(self, body: bytes) -> int:
        word = self._words(body, 1)[0]
        if not word.isdigit() or len(word) > 5:
            raise StoreError(Errno.EINVAL, "not a domid")
        return int(word)


def parse_permission(text: str) -> Permission:
    """From its letter and domid.

    Raises:
        StoreError: EINVAL.
    """
    if text[:1] not in LETTERS or not text[1:].isdigit() or len(text) > 6:
        raise StoreError(Errno.EINVAL, "not a permission")
    return Permission(int(text[1:]), LETTERS[text[0]])


REQUESTS: dict[int, Callable[[StoreRing, int, bytes], bytes]] = {
    StoreOp.DIRECTORY: StoreRing._directory,
    StoreOp.READ: StoreRing._read,
    StoreOp.GET_PERMS: StoreRing._get_perms,
    StoreOp.WATCH: StoreRing._watch,
    StoreOp.UNWATCH: StoreRing._unwatch,
    StoreOp.TRANSACTION_START: StoreRing._begin,
    StoreOp.TRANSACTION_END: StoreRing._end,
    StoreOp.GET_DOMAIN_PATH: StoreRing._domain_path,
    StoreOp.WRITE: StoreRing._write,
    StoreOp.MKDIR: StoreRing._mkdir,
    StoreOp.RM: StoreRing._rm,
    StoreOp.SET_PERMS: StoreRing._set_perms,
    StoreOp.IS_DOMAIN_INTRODUCED: StoreRing._is_introduced,
    StoreOp.RESET_WATCHES: StoreRing._reset_watches,
}
"""What a domain may ask. Whatever else there is belongs to the toolstack, which is the hypervisor here: ENOSYS."""
