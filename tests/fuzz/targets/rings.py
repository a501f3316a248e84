"""Rings in memory that two share, rewritten by the other end at any moment; and what the drivers make of such requests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cells.split.block import protocol as block
from cells.split.block.back import BlockBack, RamStore
from cells.split.console import protocol as console
from cells.split.console.back import ConsoleBack
from cells.split.display import protocol as display
from cells.split.display.back import DisplayBack
from cells.split.input import protocol as inputs
from cells.split.input.back import InputBack
from cells.split.net import protocol as net
from cells.split.net.back import NetBack
from cells.split.ring import BODY_SIZE, BackRing, BrokenRingError, FrontRing, Layout
from cells.xen.ring import DATA, Receiver, Sender
from cells.xen.ring import BrokenRingError as BrokenMessageRingError
from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import REQ_PROD, STORE_MESSAGE, StoreOp
from tests.fuzz.target import Draw, target
from tests.support.links import FakeLink, World
from tests.support.xen import FREE, STORE_PAGE, XenLab

LAYOUT = Layout(offset=0, slots=4, buffers=1024, buffer_size=16)
MOST = 80


def _link(memory: bytearray, role: str) -> Any:
    return FakeLink("link", "block", role, "peer", memoryview(memory), connected=True, generation=1)


def _scribble(draw: Draw, memory: bytearray, most: int = 64) -> None:
    """The other end writes: mostly into the header, where counts and sessions are."""
    at = draw.byte() if draw.byte() < 200 else draw.word()
    at %= len(memory)
    data = draw.blob(most)
    memory[at : at + len(data)] = data[: len(memory) - at]


def _handshake(memory: bytearray, back: BackRing) -> None:
    """What an honest front end would write."""
    back.progress()
    nonce = int.from_bytes(memory[32:36], "little")
    memory[0:16] = b"".join(word.to_bytes(4, "little") for word in (7, nonce, 3, 0))
    back.progress()


@target("ring_back", seeds=lambda: [bytes([1, 2, 0, 12, 4, 1, 0, 0, 0, 0]) * 8, bytes(range(200))])
def back_ring(data: bytes) -> None:
    """A driver domain's end: what it takes is within bounds, and a broken ring hurts its own client only."""
    draw, memory = Draw(data), bytearray(2048)
    ring = BackRing(_link(memory, "back"), LAYOUT)
    if draw.byte() & 1:
        _handshake(memory, ring)
    for _ in range(MOST):
        if not draw.left:
            break
        act = draw.byte() % 4
        if act < 2:
            _scribble(draw, memory)
        request = ring.take()
        if request is not None:
            assert len(request.data) <= LAYOUT.buffer_size
            assert len(request.body) == BODY_SIZE
        assert len(ring.waiting) <= LAYOUT.slots
        if act == 3:
            ring.answer(0, b"", b"x" * LAYOUT.buffer_size)


@target("ring_front", seeds=lambda: [bytes([1, 32, 8, 1, 0, 0, 0, 1, 0, 0, 0]) * 8, bytes(range(200))])
def front_ring(data: bytes) -> None:
    """A client's end: a response belongs to a request that was made, once, or the ring is broken."""
    draw, memory = Draw(data), bytearray(2048)
    ring = FrontRing(_link(memory, "front"), LAYOUT)
    asked: list[int] = []
    with suppress(BrokenRingError):
        for _ in range(MOST):
            if not draw.left:
                break
            act = draw.byte() % 4
            if act == 0 and len(asked) < 32:
                asked.append(ring.submit(1, b"body", b"data"))
            elif act < 3:
                _scribble(draw, memory)
            response = ring.take()
            if response is not None:
                assert response.request.id == asked.pop(0)
                assert len(response.data) <= LAYOUT.buffer_size
    assert ring.outstanding <= len(asked)


class _Terminal:
    """Takes all, and somebody types at it a few times."""

    def __init__(self) -> None:
        self._typed = 5

    def write(self, data: bytes) -> None:
        """Nobody looks."""

    def read(self) -> bytes:
        self._typed -= 1
        return b"\x01x" if self._typed > 0 else b""


class _Panel:
    """A screen."""

    def __init__(self) -> None:
        self.pixels = memoryview(bytearray(display.STRIDE * display.HEIGHT))


class _Source:
    """Nothing has happened."""

    def events(self) -> list[inputs.Event]:
        return []


BACKS: dict[str, tuple[Callable[[Any], Any], tuple[Layout, ...]]] = {
    "block": (lambda c: BlockBack(c, RamStore(512, 64)), (block.LAYOUT,)),
    "console": (lambda c: ConsoleBack(c, _Terminal()), (console.OUT, console.IN)),
    "display": (lambda c: DisplayBack(c, _Panel()), (display.LAYOUT,)),
    "input": (lambda c: InputBack(c, _Source()), (inputs.LAYOUT,)),
    "net": (lambda c: NetBack(c, None), (net.SEND, net.RECEIVE)),
}
ROUNDS = 30


def _drive(kind: str, data: bytes) -> None:
    """Two clients of one back end: one that writes anything, and one whose memory may not change for it."""
    draw = Draw(data)
    make, layouts = BACKS[kind]
    world = World(kind, ("good", "bad"))
    world.start_front("good")
    world.start_front("bad")
    world.start_back(make)
    memory = world.memories["bad"]
    world.round()
    for layout in layouts:
        at = layout.offset
        front = (7, int.from_bytes(memory[at + 32 : at + 36], "little"), 3, 0)
        memory[at : at + 16] = b"".join(word.to_bytes(4, "little") for word in front)
    world.round()
    produced, identity = [0] * len(layouts), 1
    before = bytes(world.memories["good"])
    for _ in range(ROUNDS):
        if not draw.left:
            break
        if draw.byte() < 200:
            number = draw.byte() % len(layouts)
            layout = layouts[number]
            at = layout.slot(produced[number])
            length = draw.number((0, 4, layout.buffer_size)) & 0xFFFF_FFFF
            slot = (identity & (1 << 64) - 1).to_bytes(8, "little") + bytes([draw.byte() % 12, 0, 0, 0])
            memory[at : at + 32] = slot + length.to_bytes(4, "little") + draw.bytes(16).ljust(16, b"\0")
            content = draw.blob()
            memory[layout.buffer(produced[number]) :][: len(content)] = content
            produced[number] += 1
            identity += 1
            memory[layout.offset + 12 : layout.offset + 16] = produced[number].to_bytes(4, "little")
        else:
            _scribble(draw, memory)
        world.round()
    assert bytes(world.memories["good"]) == before


for _kind in BACKS:

    @target(f"back_{_kind}", seeds=lambda: [bytes(range(256)) * 2, bytes([0, 0, 1, 2]) * 100])
    def _driver(data: bytes, kind: str = _kind) -> None:
        _drive(kind, data)


@target("ring_messages", seeds=lambda: [bytes([0, 0, 8, 5, 0, 0, 0, 1, 0, 0, 0, 65])])
def message_ring(data: bytes) -> None:
    """xen's ring of bytes, at both ends."""
    draw, page = Draw(data), bytearray(PAGE)
    with suppress(BrokenMessageRingError):
        receiver, sender = Receiver(memoryview(page), 1024), Sender(memoryview(page))
        for _ in range(MOST):
            if not draw.left:
                break
            act = draw.byte() % 3
            if act == 0:
                _scribble(draw, page)
            elif act == 1:
                sender.put(draw.blob(255))
            taken = receiver.take()
            assert taken is None or len(taken) <= min(1024, PAGE - DATA)


def _message(kind: StoreOp, body: bytes) -> bytes:
    return STORE_MESSAGE.pack(kind, 1, 0, len(body)) + body


def _store_seeds() -> list[bytes]:
    paths = (b"data/a\0v", b"/local/domain/1/name\0", b"data\0", b"data/a\0token\0", b"/\0n0\0r1\0", b"1\0T\0")
    return [_message(kind, body) for kind in StoreOp for body in paths]


@target("store", seeds=_store_seeds)
def store_ring(data: bytes) -> None:
    """A domain's page of the store: any bytes as requests, any indices. The other domain's page stays as it is."""
    lab = XenLab("a", "b")
    for guest in lab.guests.values():
        guest.set_up_events()
        guest.set_up_store()
    one, other = lab["a"], lab["b"]
    before = other.peek(other.page(STORE_PAGE), PAGE - FREE)
    draw = Draw(data)
    for _ in range(20):
        if not draw.left:
            break
        if draw.left and data[:1] > b"\xf0":
            _poke(one, draw)
        else:
            piece = draw.bytes(900)
            with suppress(AssertionError):
                one.put(piece)
        one.kick()
        one.set_index(REQ_PROD + 12, one.index(REQ_PROD + 12))
        lab.monitor.check_invariants()
    assert other.peek(other.page(STORE_PAGE), PAGE - FREE) == before


def _poke(guest: Any, draw: Draw) -> None:
    at, content = draw.word() % (PAGE - 64), draw.blob(64)
    guest.poke(guest.page(STORE_PAGE) + at, content)
