"""Entries of rings that injected faults damage, lose, double, delay and swap: what front and back ends make of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cells.split.block.back import BlockBack, RamStore
from cells.split.block.front import BlockDevice
from cells.split.console.back import ConsoleBack
from cells.split.console.front import Console
from cells.split.display.back import DisplayBack
from cells.split.display.front import Display
from cells.split.ends import RETRY, SplitError
from cells.split.net.back import NetBack
from cells.split.net.front import BROADCAST, NetDevice
from hypervisor.abi.faults import Armed, Hit, Watched
from hypervisor.abi.time import NEVER
from tests.support.links import World

ENTRY = ("corrupt_entry", "lie_entry", "drop_entry", "duplicate_entry", "delay_entry", "reorder_entry")
LOUD = tuple(action for action in ENTRY if action != "corrupt_entry")
"""What the other end cannot overlook."""
CONTENT = bytes(range(256)) * 2


class Faults:
    """What a cell's faults are to its rings. `fired`: what has struck."""

    def __init__(self, *faults: Armed) -> None:
        self._watched = Watched()
        self.fired: list[Hit] = []
        for fault in faults:
            self._watched.arm(fault)

    def visit(self, point: str) -> Hit | None:
        hit = self._watched.visit(point)
        if hit is not None:
            self.fired.append(hit)
        return hit


class Clock:
    """A clock of one end, with faults of its own. Time passes while the world waits."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.now, self.faults = 0, faults

    def work(self, cycles: int) -> None:
        self.now += cycles

    def sleep_until(self, time: int) -> None:
        self.now = max(self.now, time)


def a_disk(front: Faults | None = None, back: Faults | None = None) -> tuple[BlockDevice, Clock, World]:
    world, clock = World("block"), Clock(front)
    world.start_back(lambda connections: BlockBack(connections, RamStore(512, 64), Clock(back)))
    connections = world.start_front()
    patient = connections._idle  # type: ignore[attr-defined]

    def idle(until: int) -> None:
        """The back end has its turn; if it does not ring, the time that was waited for comes."""
        world.serve()
        if world.fronts["front"].rung:
            return
        if until >= NEVER:
            patient(until)
        clock.now = max(clock.now, min(until, NEVER - 1))

    connections._idle = idle  # type: ignore[attr-defined]
    return BlockDevice(connections, "back", clock), clock, world


def strike(action: str, visit: int, **values: int) -> Faults:
    return Faults(Armed(action, point="ring.put", visit=visit, draw=visit, values=values))


@pytest.mark.parametrize("visit", [1, 2, 3])
@pytest.mark.parametrize("action", LOUD)
@pytest.mark.parametrize("who", ["front", "back"])
def test_a_disk_survives_what_befalls_an_entry_of_its_ring(who, action, visit):
    faults = strike(action, visit)
    disk, _, _ = a_disk(**{who: faults})
    disk.write(3, CONTENT)
    assert disk.read(3, 1) == CONTENT
    assert [hit.fault.action for hit in faults.fired] == [action]


@pytest.mark.parametrize("bit", range(0, 256, 5))
def test_no_flipped_bit_of_a_slot_breaks_either_end(bit):
    """The request for a read, and then the response to it: bits of each of the 32 bytes."""
    for who in ("front", "back"):
        faults = strike("corrupt_entry", 3, bit=bit)
        disk, _, _ = a_disk(**{who: faults})
        disk.write(3, CONTENT)
        try:
            found = disk.read(3, 1)
        except SplitError:
            found = CONTENT  # it was told
        assert len(found) == len(CONTENT)
        assert disk.read(3, 1) == CONTENT
        assert len(faults.fired) == 1


def test_a_bell_that_is_lost_is_rung_again_after_a_while():
    disk, clock, world = a_disk()
    assert disk.sectors == 64
    notify = world.fronts["front"].notify
    lost: list[int] = []
    world.fronts["front"].notify = lambda: lost.append(1) if not lost else notify()  # type: ignore[method-assign]
    before = clock.now
    serve, world.serve = world.serve, lambda: serve() if world.backs["front"].rung else None  # type: ignore[method-assign]
    disk.write(3, CONTENT)
    assert lost == [1]
    assert RETRY <= clock.now - before < 2 * RETRY
    assert disk.read(3, 1) == CONTENT


def test_an_entry_that_waits_for_the_next_is_missed_after_a_while():
    faults = strike("reorder_entry", 2)
    disk, clock, _ = a_disk(front=faults)
    disk.write(3, CONTENT)
    assert disk.read(3, 1) == CONTENT
    assert clock.now >= RETRY


def others() -> list[tuple[str, Callable[[World, Faults], Any]]]:
    class Panel:
        pixels = memoryview(bytearray(320 * 240 * 2))

    class Keys:
        def __init__(self) -> None:
            self.shown = b""

        def read(self) -> bytes:
            return b""

        def write(self, data: bytes) -> None:
            self.shown += data

    def display(world: World, faults: Faults) -> None:
        world.start_back(lambda connections: DisplayBack(connections, Panel(), Clock(faults)))
        screen = Display(world.start_front(), "back", world.clock)
        screen.fill(0, 0, 4, 4, 0xFFFF)
        screen.flush(0, 0, 4, 4)
        assert Panel.pixels[:8] == b"\xff" * 8

    def console(world: World, faults: Faults) -> None:
        keys = Keys()
        world.start_back(lambda connections: ConsoleBack(connections, keys, Clock(faults)))
        terminal = Console(world.start_front(), "back", world.clock)
        terminal.print("hello")
        terminal.flush()
        assert b"hello" in keys.shown

    def net(world: World, faults: Faults) -> None:
        world.start_back(lambda connections: NetBack(connections, None, Clock(faults)))
        device = NetDevice(world.start_front(), "back", world.clock)
        assert len(device.mac) == 6
        device.send(BROADCAST + device.mac + b"\x88\xb5hello")
        device.flush()

    return [("display", display), ("console", console), ("net", net)]


@pytest.mark.parametrize("action", ["lie_entry", "drop_entry", "duplicate_entry", "delay_entry"])
@pytest.mark.parametrize(("kind", "use"), others())
def test_the_other_classes_survive_what_befalls_an_answer(kind, use, action):
    faults = strike(action, 1)
    use(World(kind), faults)
    assert len(faults.fired) == 1
