"""Memory on demand: a client that walks through pages that it has not got, and the pager that gives them.

Theory: under l4 the first touch of a page of the client's window is a message to its pager, whose reply is the page; so the
client can use more than it was started with, and needs its pager for that. Elsewhere a cell has its memory from the beginning,
and this client takes the same number of pages from it. Either way it writes, reads back and reports the same checksum.

```toml
[cells.client]
guest = "cells.programs.paging:client"
args = [64]                              # pages
pager = "pager"

[cells.pager]
guest = "cells.programs.paging:pager"
```
"""

from __future__ import annotations

from collections.abc import Iterator
from zlib import crc32

from cells.flavours.ipc import Heard, Kernel
from cells.port import Port, RefusedError
from hypervisor.abi.l4 import Item, ItemKind, Label, Message
from hypervisor.abi.memory import PAGE, READ, WRITE
from hypervisor.abi.status import Status

NO_PAGE = Message(Label.USER)
TOUCH = 3 * PAGE // 4
"""Cycles to write a page and read it, a load or store of a word each. Assumed."""


def client(port: Port, pages: int = 64) -> int:
    """Write every page, then read all of them."""
    memory = list(_on_demand(port, pages) if port.boot.get("pager") else _own(port, pages))
    start = port.now
    for number, page in enumerate(memory):
        page[:] = _pattern(number)
        port.work(TOUCH)
    checksum = 0
    for number, page in enumerate(memory):
        if bytes(page) != _pattern(number):
            port.print(f"page {number} is not as it was written")
            return 1
        checksum = crc32(page, checksum)
    port.report("touching", port.now - start)
    port.report("checksum", checksum)
    port.print(f"{pages} pages, checksum {checksum:08x}")
    return 0


def _pattern(number: int) -> bytes:
    return number.to_bytes(4, "little") * (PAGE // 4)


def _on_demand(port: Port, pages: int) -> Iterator[memoryview]:
    """Pages of the window, each from the pager when it is wanted."""
    kernel, (base, _) = Kernel(port), port.boot["window"]
    for number in range(pages):
        began = port.now
        yield kernel.page(base + number * PAGE, write=True)
        port.report("page_fault", port.now - began)


def _own(port: Port, pages: int) -> Iterator[memoryview]:
    address = port.memory.allocate(pages)
    return (port.memory.view(address + number * PAGE, PAGE) for number in range(pages))


class Pager:
    """Gives each fault an empty page: of its own memory, or of its own pager's. Pages of dead clients are used again."""

    def __init__(self, port: Port, reserve: int) -> None:
        self._port = port
        self._kernel = Kernel(port)
        self._source = _upstream(port, self._kernel) if port.boot.get("pager") else _downwards(port, reserve)
        self._given: dict[int, list[int]] = {slot: [] for slot in port.boot["clients"].values()}
        self._free: list[int] = []
        port.on_peer = self._on_peer

    def run(self) -> None:
        """Serve for ever."""
        heard = self._kernel.listen()
        while True:
            known = heard is not None and heard[0] in self._given
            heard = self._answer(*heard) if heard is not None and known else self._kernel.listen()

    def _answer(self, client: int, message: Message) -> Heard | None:
        address = self._page() if message.label == Label.PAGE_FAULT else None
        if address is None:
            return self._kernel.reply_and_listen(NO_PAGE)
        page = Item(ItemKind.MAP, address, 1, READ | WRITE)
        try:
            heard = self._kernel.reply_and_listen(Message(Label.USER, items=(page,)))
        except RefusedError as refusal:  # more pieces than the kernel keeps apart, or the client is gone
            self._free.append(address)
            return self._kernel.reply_and_listen(NO_PAGE) if refusal.status == Status.NO_ROOM else None
        self._given[client].append(address)
        return heard

    def _page(self) -> int | None:
        address = self._free.pop() if self._free else next(self._source, None)
        if address is not None:
            self._port.memory.view(address, PAGE)[:] = bytes(PAGE)
        return address

    def _on_peer(self, slot: int, there: int) -> None:
        if not there and slot in self._given:
            self._free += self._given[slot]
            self._given[slot] = []


def pager(port: Port, reserve: int = 0) -> None:
    """Answer page faults for ever, if anybody is to ask. `reserve`: pages of its own memory that stay."""
    if port.boot.get("clients"):
        Pager(port, reserve).run()


def _downwards(port: Port, reserve: int) -> Iterator[int]:
    """Pages of its own, from the highest down."""
    while True:
        try:
            address = port.memory.allocate(1)
        except MemoryError:
            return
        if address < port.memory.base + reserve * PAGE:
            return
        yield address


def _upstream(port: Port, kernel: Kernel) -> Iterator[int]:
    """Pages that this one's own pager gives."""
    base, pages = port.boot["window"]
    for number in range(pages):
        kernel.page(base + number * PAGE, write=True)
        yield base + number * PAGE
