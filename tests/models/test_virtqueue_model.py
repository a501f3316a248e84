"""Virtqueues against drivers of every kind: an honest one gets its sectors, a garbage one gets an error and nothing else."""

from __future__ import annotations

import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cells.machine.virtio.block import IN, IOERR, OK, OUT, Block
from cells.machine.virtio.queue import Queue
from cells.machine.virtio.ram import DriverError, GuestRam
from cells.split.block.back import BlockBack, RamStore
from tests.support.links import World
from tests.support.virtio import BASE, Driver

SECTORS = 32
RAM = 0x1000
WORDS = st.one_of(
    st.integers(0, 0xFF),
    st.integers(BASE - 16, BASE + RAM + 16),
    st.sampled_from([0xFFFF, 0xFFFF_FFFF, 0x8000, (1 << 64) - 1]),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    size=st.sampled_from([1, 2, 8, 16]),
    garbage=st.lists(st.tuples(st.integers(0, RAM // 2 - 1), st.integers(0, 0xFFFF)), max_size=60),
    descriptors=st.lists(
        st.tuples(st.integers(0, 15), WORDS, WORDS, st.integers(0, 7), st.integers(0, 20)), max_size=12
    ),
    count=st.integers(0, 20),
)
def test_whatever_stands_in_memory_a_queue_gives_whole_chains_or_an_error(size, garbage, descriptors, count):
    memory = bytearray(RAM)
    for place, word in garbage:
        struct.pack_into("<H", memory, 2 * place, word)
    for at, address, length, flags, following in descriptors:
        struct.pack_into("<QIHH", memory, 16 * at, address, length & 0xFFFF_FFFF, flags, following)
    struct.pack_into("<H", memory, 0x402, count)
    queue = Queue(GuestRam(memoryview(memory), BASE), 16)
    queue.size, queue.areas = size, [BASE, BASE + 0x400, BASE + 0x800]
    queue.start()
    chains = []
    before = bytes(memory)
    try:
        while (chain := queue.take()) is not None:
            chains.append(chain)
            assert len(chains) <= size, "more chains than descriptors"
            assert len(chain.read(0, RAM)) == min(chain.readable, RAM)
    except DriverError:
        pass
    assert memory == before, "what is only looked at does not change"
    assert sum(chain.descriptors for chain in chains) <= size
    for chain in chains:
        queue.give_back(chain, 0)
    changed = [at for at in range(RAM) if memory[at] != before[at]]
    assert all(0x800 <= at < 0x806 + 8 * size for at in changed), "the used ring is the device's, nothing else"


STEPS = st.lists(
    st.tuples(
        st.sampled_from([IN, OUT]),
        st.integers(0, SECTORS + 2),
        st.integers(1, 20),
        st.booleans(),
        st.sampled_from(["", "", "", "back end dies", "reset"]),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_a_disk_holds_what_was_written_whatever_happens_to_its_back_end(steps):
    store, expected = RamStore(512, SECTORS), {}
    driver = Driver(Block, World("block"), lambda connections: BlockBack(connections, store))
    driver.start()
    for number, (kind, sector, count, split, mishap) in enumerate(steps, start=1):
        header = struct.pack("<IIQ", kind, 0, sector)
        data = b"".join(struct.pack("<QQ", number, at).ljust(512, b"d") for at in range(count))
        pieces = [data[: len(data) // 2], data[len(data) // 2 :]] if split else [data]
        buffers = ([header, *pieces], [1]) if kind == OUT else ([header], [*map(len, pieces), 1])
        head = driver.put(0, *buffers)
        if mishap == "back end dies":
            driver.write(0x50, 0)
            driver.world.kill_back()
            driver.settle()
            driver.world.start_back()
        driver.kick(0)
        assert [back for back, _ in driver.done(0)] == [head]
        got = driver.got(head)
        fits = sector + count <= SECTORS
        assert got[-1] == (OK if fits else IOERR)
        if fits and kind == OUT:
            expected.update({sector + at: data[512 * at : 512 * at + 512] for at in range(count)})
        elif fits:
            for at in range(count):
                assert got[512 * at : 512 * at + 512] == expected.get(sector + at, bytes(512))
        if mishap == "reset":
            driver.start()
