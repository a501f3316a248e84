"""Links and shared memory of the microvisor: mapped from boot on, in every life, with the rights of the topology."""

from __future__ import annotations

import pytest

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.status import Status
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.errors import Refused
from hypervisor.core.wiring import LINK_PAGES, SharedParams
from tests.support.memory import AccessError
from tests.support.talkers import Direct, channel

DISK = channel("disk", 0, 1, "block")
FREE = WINDOW_BASE + (1 << 20)
"""A place in the window where nothing is."""


def test_both_ends_of_a_link_see_the_same_bytes():
    world = Direct(["front", "back"], DISK)
    front, back = world.cell("front"), world.cell("back")
    world.memory.store(front, WINDOW_BASE + 5 * PAGE, b"request")
    assert world.memory.load(back, WINDOW_BASE + 5 * PAGE, 7) == b"request"
    last = WINDOW_BASE + LINK_PAGES["block"] * PAGE
    with pytest.raises(AccessError):
        world.memory.load(front, last, 1)


def test_a_cell_is_told_where_its_links_and_shared_pages_are():
    picture = SharedParams("picture", 2 * PAGE, {0: False, 1: True})
    world = Direct(["front", "back"], DISK, channel("log", 0, 1), picture)
    mechanism = world.monitor.mechanism
    assert mechanism.boot_info(world.cell("front")) == {
        "channels": [{"name": "log", "peer": "back", "slot": 3, "limit": 1024}],
        "links": [
            {
                "name": "disk",
                "peer": "back",
                "slot": 1,
                "kind": "block",
                "role": "front",
                "address": WINDOW_BASE,
                "size": 17 * PAGE,
            }
        ],
        "shared": [
            {"name": "picture", "slot": 4, "address": WINDOW_BASE + 17 * PAGE, "size": 2 * PAGE, "writable": False}
        ],
    }
    assert mechanism.boot_info(world.cell("back"))["links"][0]["role"] == "back"


def test_a_cell_without_connections_is_told_nothing():
    world = Direct(["front", "back", "hermit"], DISK)
    assert world.monitor.mechanism.boot_info(world.cell("hermit")) == {}


def test_shared_memory_is_read_only_for_whom_the_topology_says_so():
    world = Direct(["reader", "writer"], SharedParams("board", PAGE, {0: False, 1: True}))
    reader, writer = world.cell("reader"), world.cell("writer")
    world.memory.store(writer, WINDOW_BASE, b"news")
    assert world.memory.load(reader, WINDOW_BASE, 4) == b"news"
    with pytest.raises(AccessError):
        world.memory.store(reader, WINDOW_BASE, b"lies")
    assert world.call("reader", Hypercall.MEMORY_MAP, 1, FREE, 1) == Status.RIGHTS


def test_a_notification_reaches_the_other_end_under_its_own_slot_and_bits_are_merged():
    world = Direct(["front", "back"], channel("log", 0, 1), DISK)
    assert world.call("front", Hypercall.NOTIFY, 2, 1 << 63) == Status.OK
    assert world.call("front", Hypercall.NOTIFY, 2, 5) == Status.OK
    assert world.rings("back") == [(2, 1 << 63 | 5)]
    assert world.call("front", Hypercall.NOTIFY, 2, 0) == Status.BAD_ARGUMENT


def test_pages_of_a_capability_appear_at_a_second_place_and_go_again():
    world = Direct(["front", "back"], DISK)
    front = world.cell("front")
    assert world.call("front", Hypercall.MEMORY_MAP, 2, FREE, 0) == Status.OK
    world.memory.store(front, WINDOW_BASE, b"twice")
    assert world.memory.load(front, FREE, 5) == b"twice"
    with pytest.raises(AccessError):
        world.memory.store(front, FREE, b"x")
    assert world.call("front", Hypercall.MEMORY_UNMAP, FREE, 17) == Status.OK
    with pytest.raises(AccessError):
        world.memory.load(front, FREE, 1)


def test_what_boot_has_mapped_stays():
    world = Direct(["front", "back"], DISK)
    for address, pages in ((WINDOW_BASE, 17), (WINDOW_BASE + 16 * PAGE, 3), (0, 1 << 40)):
        assert world.call("front", Hypercall.MEMORY_UNMAP, address, pages) == Status.DENIED
    assert world.call("front", Hypercall.MEMORY_UNMAP, FREE, 1) == Status.NOT_YOURS
    assert world.memory.load(world.cell("front"), WINDOW_BASE, 1) == b"\0"


def test_a_link_survives_the_death_of_either_end():
    world = Direct(["front", "back"], DISK, back={"on_crash": "restart"}, front={"on_crash": "restart"})
    front, back = world.cell("front"), world.cell("back")
    world.memory.store(front, WINDOW_BASE, b"kept")
    world.peers("front")
    world.kill("back")
    assert world.peers("front") == [(1, 0), (1, 1)]
    assert world.peers("back") == [(1, 1)]
    assert world.memory.load(back, WINDOW_BASE, 4) == b"kept"
    world.kill("front")
    assert world.memory.load(front, WINDOW_BASE, 4) == b"kept"
    world.memory.store(back, WINDOW_BASE, b"both")
    assert world.memory.load(front, WINDOW_BASE, 4) == b"both"


def test_a_partner_that_has_ended_is_not_rung():
    world = Direct(["front", "back"], DISK)
    world.kill("back")
    assert world.peers("front") == [(1, 1), (1, 0)]
    assert world.call("front", Hypercall.NOTIFY, 1, 1) == Status.PEER_GONE


def test_a_second_place_that_a_cell_mapped_is_gone_in_its_next_life():
    world = Direct(["front", "back"], DISK, front={"on_crash": "restart"})
    world.call("front", Hypercall.MEMORY_MAP, 2, FREE, 1)
    world.kill("front")
    with pytest.raises(AccessError):
        world.memory.load(world.cell("front"), FREE, 1)


def test_a_cell_on_another_host_can_have_no_link():
    with pytest.raises(Refused, match="DENIED: back runs on another host: it can share no memory"):
        Direct(["front", "back"], DISK, back={"pages": False})


def test_the_pages_of_links_and_shared_memory_are_accounted_to_themselves():
    world = Direct(["front", "back"], DISK, SharedParams("board", 100, {0: False, 1: True}))
    frames = world.monitor.frames
    assert frames.account("channel disk").now == 17 * PAGE
    assert frames.account("shared board").now == PAGE


class Nothing:
    """A device that never acts."""

    def deadline(self):
        return 1 << 62

    def advance(self):
        pass


def test_a_cell_that_owns_a_device_holds_it_and_its_interrupt():
    flash = PhysicalDevice("flash", 0x1000, 0x100, Nothing(), owner=1, line=3)
    spare = PhysicalDevice("spare", 0x2000, 0x100, Nothing())
    world = Direct(["client", "driver"], channel("log", 0, 1), devices=[flash, spare])
    assert [tuple(edge) for edge in world.monitor.mechanism.reach() if edge.cell == "driver"] == [
        ("driver", "client", "channel log", "send+receive"),
        ("driver", "flash", "device", "read+write+control"),
        ("driver", "flash", "irq", "receive+control"),
    ]
    assert world.call("driver", Hypercall.CAP_IDENTIFY, 3) == 5 << 32 | 40
