"""What unmodified kernels and their processes ask for: virtio devices, rings of Xen's formats, files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

from cells.machine.virtio.block import Block
from cells.machine.virtio.console import Console
from cells.machine.virtio.input import Input
from cells.machine.virtio.net import Net
from cells.port import RefusedError
from cells.split.block.back import BlockBack, RamStore
from cells.split.console.back import ConsoleBack
from cells.split.input.back import InputBack
from cells.split.net.back import NetBack
from cells.xen.shared_ring import BrokenRingError, SharedRing
from hypervisor.abi.faults import Armed, BadFault
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.memory import PAGE
from hypervisor.abi.served import ANSWER_LIMIT
from hypervisor.faults.actions import check_order
from tests.fuzz.target import Draw, target
from tests.fuzz.targets.images import place
from tests.fuzz.targets.rings import _Source, _Terminal
from tests.support.links import World
from tests.support.served import DirectFiles
from tests.support.virtio import BASE, SIZE, Driver

STEPS = 50
_PLACES = (BASE, BASE + 0x1000, BASE + 0x2000, BASE + SIZE - 8, 0, BASE + SIZE)
SECTORS = 64


def _driver(kind: str, store: RamStore) -> Driver:
    models: dict[str, tuple[Any, Callable[[Any], Any]]] = {
        "block": (Block, lambda connections: BlockBack(connections, store)),
        "net": (Net, lambda connections: NetBack(connections, None)),
        "console": (Console, lambda connections: ConsoleBack(connections, _Terminal())),
        "input": (Input, lambda connections: InputBack(connections, _Source())),
    }
    model, back = models[kind]
    driver = Driver(model, World(kind), back)
    driver.start()
    return driver


def _virtio(kind: str, data: bytes) -> None:
    """A driver that writes anything into its memory and its device's registers. The device breaks, or does what it may."""
    draw, store = Draw(data), RamStore(512, SECTORS)
    driver = _driver(kind, store)
    queues = len(driver.mmio.queues)
    for _ in range(STEPS):
        if not draw.left:
            break
        act = draw.byte() % 8
        if act < 3:
            at, content = draw.word() % SIZE, draw.blob(64)
            driver.memory[at : at + len(content)] = content[: SIZE - at]
        elif act == 3:
            offset, size = draw.byte() * 4 if draw.byte() < 200 else draw.word(), draw.one((1, 2, 4))
            driver.write(offset, draw.number(_PLACES) & 0xFFFF_FFFF, size)
        elif act == 4:
            driver.read(draw.byte() * 4, draw.one((1, 2, 4)))
        elif act == 5:
            index, at = draw.byte() % queues, draw.byte() % driver.size
            driver.describe(index, at, draw.number(_PLACES), draw.word(), draw.byte() & 7, draw.byte() % 20)
            driver.offer(index, at)
        else:
            driver.put(draw.byte() % queues, [draw.blob(40)], [draw.byte() * 8, 1])
            driver.kick(draw.byte() % queues)
    driver.settle()
    assert len(store.content) == 512 * SECTORS


for _kind in ("block", "net", "console", "input"):
    target(f"virtio_{_kind}", seeds=lambda: [bytes([6, 16, *range(16), 4, 0, 7, 0]) * 4, bytes(range(256))])(
        partial(_virtio, _kind)
    )


@target("ring_of_a_kernel", seeds=lambda: [bytes([1, 0, 4, 1, 0, 0, 0, 2]) * 9, bytes(range(200))])
def kernels_ring(data: bytes) -> None:
    """A ring of Xen's public headers, at its back end, with whatever its predecessor or the other end has left."""
    draw, page = Draw(data), bytearray(PAGE)
    page[:64] = draw.bytes(64).ljust(64, b"\0") if draw.byte() & 1 else bytes(64)
    with suppress(BrokenRingError):
        ring = SharedRing(memoryview(page), 112)
        for _ in range(STEPS):
            if not draw.left:
                break
            if draw.byte() & 1:
                at, content = draw.byte() * (1 if draw.byte() & 1 else 16), draw.blob(32)
                page[at : at + len(content)] = content[: PAGE - at]
            taken = ring.take()
            assert taken is None or len(taken) == 112
            assert ring.unanswered <= ring.size
            if ring.unanswered and draw.byte() & 1:
                ring.put(draw.bytes(16).ljust(16, b"\0"))
            ring.due()
            ring.arm()


@cache
def _files() -> DirectFiles:
    """A directory with all that there may be in one, beside a secret."""
    top = place() / "served"
    (top / "a").mkdir(parents=True)
    (top / "a" / "b.txt").write_bytes(b"b" * 5000)
    (top / "out").symlink_to("../secret")
    (top / "far").symlink_to("/etc/passwd")
    (top / "in").symlink_to("a/b.txt")
    (place() / "secret").write_bytes(SECRET)
    return DirectFiles({(0, 0): top})


SECRET = b"beside what is served"


@target(
    "served", seeds=lambda: [b"\0\0\0a/b.txt", b"\1\0\0a", b"\2\0\1a/b.txt", b"\3\0\0out", b"\2\0\0out/../../secret"]
)
def served(data: bytes) -> None:
    """Looks at a directory of the host: by any path, nothing beside it is told."""
    draw = Draw(data)
    first = draw.byte() if draw.byte() < 250 else draw.number()
    where = draw.number((0, 1, 4096))
    with suppress(RefusedError):
        _, answer = _files().call(Hypercall.FILES, first, where, data=draw.rest()[:1024])
        assert len(answer) <= ANSWER_LIMIT
        assert SECRET not in answer
        assert b"root:" not in answer


def _orders() -> list[bytes]:
    flip = Armed("flip_ram", at=5_000, values={"offset": 0x40, "bit": 3})
    drop = Armed("drop", point="message", visit=3, times=2, hold=7, draw=1 << 63)
    return [order.to_text() for order in (flip, drop)] + [order.to_event(3) for order in (flip, drop)]


@target("orders", seeds=_orders, longest=600)
def orders(data: bytes) -> None:
    """An order to do harm, from inputs.jsonl and from a resume: carried out as it is read, or refused."""
    with suppress(BadFault):
        order = Armed.from_text(data)
        assert Armed.from_text(order.to_text()) == order
        check_order(order, "a")
    with suppress(BadFault):
        number, order = Armed.from_event(data)
        assert Armed.from_event(order.to_event(number)) == (number, order)
