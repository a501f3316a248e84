"""Rings of unmodified kernels with any content: nothing stops the back end, and nothing outside a front end's disk is touched."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from cells.split.block.back import RamStore, Share
from cells.split.ends import TIMELESS
from cells.xen import blkif, netif, shared_ring
from cells.xen.blkback import BlkBack
from cells.xen.netback import NetBack
from hypervisor.abi.memory import PAGE
from hypervisor.abi.xen import XenbusState as State
from tests.support.paper_xen import BACK, PaperDisk, PaperInterface, PaperXen

MINE = 64
"""Sectors of the front end's disk, between as many of others."""
WORDS = st.integers(0, 2**32 - 1)
NUMBERS = st.one_of(st.integers(0, 70), st.sampled_from([2**31, 2**32 - 1, 2**64 - 1]), st.integers(0, 2**64 - 1))
SEGMENT = st.tuples(st.sampled_from([8, 50, 51, 52]), st.integers(0, 9), st.integers(0, 9))
REQUEST = st.tuples(st.integers(0, 8), st.integers(0, 13), NUMBERS, NUMBERS, st.lists(SEGMENT, max_size=11))


def slot(operation: int, count: int, identity: int, sector: int, segments: list[tuple[int, int, int]]) -> bytes:
    body = b"".join(struct.pack("<IBB2x", *segment) for segment in segments)
    return (struct.pack("<BBH4xQQ", operation, count, 0, identity, sector) + body).ljust(blkif.ENTRY, b"\0")


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.one_of(REQUEST, st.binary(min_size=112, max_size=112), WORDS), max_size=40),
    keeps=st.booleans(),
    page=st.one_of(st.none(), st.binary(max_size=200)),
)
def test_any_blkif_ring(steps: list[object], keeps: bool, page: bytes | None) -> None:
    world, log = PaperXen(), list[str]()
    store = RamStore(512, 3 * MINE)
    store.content[:] = b"o" * len(store.content)
    world.start(lambda kernel, told: BlkBack(kernel, told, Share(store, MINE, MINE), TIMELESS, log.append))
    disk = PaperDisk(world, keeps=keeps)
    for reference in (50, 51):
        world.granted[reference] = bytearray(b"g" * PAGE)
    if page is not None:
        disk.page[: len(page)] = page
    disk.connect()
    for step in steps:
        if isinstance(step, int):
            disk.page[0:4] = struct.pack("<I", step)
        else:
            disk.raw(step if isinstance(step, bytes) else slot(*step))  # type: ignore[misc]
        world.serve(limit=64)
    assert world.state(BACK) in (State.CONNECTED, State.CLOSED)
    assert bytes(store.content[: MINE * 512]).strip(b"o") == bytes(store.content[2 * MINE * 512 :]).strip(b"o") == b""
    assert len(log) <= 2  # one complaint, and one farewell


@settings(max_examples=60, deadline=None)
@given(
    tx=st.lists(
        st.one_of(st.binary(min_size=12, max_size=12), st.tuples(st.integers(0, 15), st.integers(0, 2000))), max_size=60
    ),
    rx=st.binary(max_size=400),
    indices=st.tuples(st.integers(0, 300), st.integers(0, 300)),
)
def test_any_netif_rings(tx: list[bytes | tuple[int, int]], rx: bytes, indices: tuple[int, int]) -> None:
    world, log, taken = PaperXen(), list[str](), list[bytes]()
    world.nodes[f"{BACK}/mac"] = "00:16:3e:00:01:00"

    def take(frame: bytes) -> bool:
        taken.append(frame)
        return True

    back = world.start(lambda kernel, told: NetBack(kernel, told, take, TIMELESS, log.append))
    assert isinstance(back, NetBack)
    net = PaperInterface(world)
    net.connect()
    world.granted[50] = bytearray(b"g" * PAGE)
    net.rx[shared_ring.SLOTS : shared_ring.SLOTS + len(rx)] = rx
    net.rx[0:4], net.tx[0:4] = (struct.pack("<I", index) for index in indices)
    for step in tx:
        net.raw(step if isinstance(step, bytes) else netif.TX_REQUEST.pack(50, 0, step[0], 1, step[1]))
    for _ in range(3):
        world.serve(limit=300)
        back.offer(bytes(60))
        net.publish()
    assert all(14 <= len(frame) <= 1514 for frame in taken)
    assert len(log) <= 2
