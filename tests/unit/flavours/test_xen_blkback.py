"""The back end of a kernel's disk, against a front end that does what xen-blkfront does: data, flushes, states, deaths."""

from __future__ import annotations

import random

import pytest

from cells.split.block.back import RamStore, Share
from cells.split.ends import TIMELESS
from cells.xen.blkback import BlkBack
from cells.xen.blkif import ENTRY, Answer, Operation
from cells.xen.guest_pages import MOST_KEPT
from cells.xen.kernel_device import KernelDevice
from hypervisor.abi.xen import XenbusState as State
from tests.support.links import KilledError, Lines
from tests.support.paper_xen import BACK, PaperDisk, PaperXen

SECTORS = 512
PAGES = random.Random(8).randbytes(3 * 4096)


class Lab:
    """A world with one disk. `first` sectors of the store belong to somebody else."""

    def __init__(self, *, keeps: bool = True, read_only: bool = False, first: int = 0) -> None:
        self.world, self.log = PaperXen(), list[str]()
        self.store = RamStore(512, first + SECTORS)
        self.store.read_only = read_only
        self.share = Share(self.store, first, SECTORS)
        self.restart()
        self.disk = PaperDisk(self.world, keeps=keeps)

    def restart(self) -> KernelDevice:
        return self.world.start(lambda kernel, told: BlkBack(kernel, told, self.share, TIMELESS, self.log.append))

    def do(self, operation: int, sector: int, data: bytes = b"", *, length: int = 0) -> int:
        """A request and its answer; the status."""
        identity = self.disk.ask(operation, sector, data, length=length)
        self.world.serve()
        answered, status = self.disk.answers()[identity]
        assert answered == operation
        return status


def connected(**more: bool | int) -> Lab:
    lab = Lab(**more)  # type: ignore[arg-type]
    lab.disk.connect()
    assert lab.world.state(BACK) == State.CONNECTED
    return lab


def test_it_offers_what_it_can_and_tells_of_the_disk_when_it_is_connected() -> None:
    lab = Lab()
    assert lab.world.state(BACK) == State.INIT_WAIT
    nodes = lab.world.nodes
    assert (nodes[f"{BACK}/feature-persistent"], nodes[f"{BACK}/feature-flush-cache"]) == ("1", "1")
    assert (nodes[f"{BACK}/feature-barrier"], nodes[f"{BACK}/feature-discard"]) == ("0", "0")
    lab.disk.connect()
    assert lab.world.state(BACK) == State.CONNECTED
    assert [nodes[f"{BACK}/{name}"] for name in ("sectors", "sector-size", "info")] == [str(SECTORS), "512", "0"]


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "copied"])
def test_what_was_written_is_read_again(keeps: bool) -> None:
    lab = connected(keeps=keeps, first=64)
    assert lab.do(Operation.WRITE, 8, PAGES) == Answer.OKAY
    assert lab.do(Operation.FLUSH, 0xFFFFFFFFFFFFFFFF) == Answer.OKAY  # as Linux asks for a pure one
    assert bytes(lab.store.content[(64 + 8) * 512 :][: len(PAGES)]) == PAGES
    identity = lab.disk.ask(Operation.READ, 8, length=len(PAGES))
    lab.world.serve()
    assert lab.disk.answers()[identity] == (Operation.READ, Answer.OKAY)
    assert lab.disk.data(identity) == PAGES


def test_parts_of_pages_go_where_they_belong() -> None:
    lab = connected()
    lab.world.granted[50] = bytearray(b"a" * 512 + b"b" * 512 + b"c" * 3072)
    segments = bytes.fromhex("32000000 01 01 0000 32000000 00 00 0000")
    lab.disk.raw(
        bytes((Operation.WRITE, 2)) + bytes(6) + (77).to_bytes(8, "little") + (3).to_bytes(8, "little") + segments
    )
    lab.world.serve()
    assert lab.disk.answers()[77] == (Operation.WRITE, Answer.OKAY)
    assert lab.store.content[3 * 512 : 5 * 512] == b"b" * 512 + b"a" * 512


def test_pages_stay_mapped_and_a_front_end_that_names_ever_new_ones_makes_the_oldest_go() -> None:
    lab = connected()
    for _ in range(20):
        assert lab.do(Operation.WRITE, 0, PAGES) == Answer.OKAY
    assert lab.world.mapped == 1 + 3  # its ring, and the pages that it uses again and again
    lab.disk._free.clear()
    for _ in range(MOST_KEPT):
        lab.do(Operation.WRITE, 0, PAGES)
        lab.disk._free.clear()
    assert lab.world.mapped <= 1 + MOST_KEPT


def test_where_there_is_no_room_for_mappings_it_copies() -> None:
    lab = connected()
    lab.world.room = lab.world.mapped
    assert lab.do(Operation.WRITE, 0, PAGES) == Answer.OKAY
    assert bytes(lab.store.content[: len(PAGES)]) == PAGES
    identity = lab.disk.ask(Operation.READ, 0, length=len(PAGES))
    lab.world.serve()
    assert lab.disk.data(identity) == PAGES
    assert lab.world.mapped == lab.world.room


def test_a_bell_comes_when_the_front_end_wants_one_and_not_for_each_answer() -> None:
    lab = connected()
    lab.world.bells = 0
    for sector in range(8):
        lab.disk.ask(Operation.READ, sector * 8, length=4096)
    lab.world.serve()
    assert len(lab.disk.answers()) == 8
    assert lab.world.bells == 1


def test_a_disk_for_reading_only_says_so_and_takes_nothing() -> None:
    lab = connected(read_only=True)
    assert lab.world.nodes[f"{BACK}/info"] == "4"
    assert lab.do(Operation.WRITE, 0, PAGES) == Answer.ERROR
    assert lab.do(Operation.READ, 0, length=4096) == Answer.OKAY
    assert not any(lab.store.content)


@pytest.mark.parametrize(
    ("operation", "sector", "length", "status"),
    [
        (Operation.READ, SECTORS - 7, 4096, Answer.ERROR),
        (Operation.READ, SECTORS - 8, 4096, Answer.OKAY),
        (Operation.WRITE, 0xFFFFFFFFFFFFFFFF, 4096, Answer.ERROR),
        (Operation.READ, 1 << 63, 4096, Answer.ERROR),
        (Operation.READ, 0, 0, Answer.ERROR),
        (Operation.WRITE, 0, 0, Answer.ERROR),
        (Operation.FLUSH, 0, 4096, Answer.OKAY),
        (2, 0, 4096, Answer.NOT_SUPPORTED),
        (5, 0, 0, Answer.NOT_SUPPORTED),
        (6, 0, 4096, Answer.NOT_SUPPORTED),
        (255, 0, 4096, Answer.NOT_SUPPORTED),
    ],
)
def test_what_cannot_be_done_is_answered_and_the_next_request_is_served(
    operation: int, sector: int, length: int, status: Answer
) -> None:
    lab = connected()
    assert lab.do(operation, sector, length=length) == status
    assert lab.do(Operation.READ, 0, length=4096) == Answer.OKAY


@pytest.mark.parametrize("crime", ["twelve segments", "ends before it begins", "beyond a page", "no such grant"])
@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "copied"])
def test_segments_that_make_no_sense_are_an_error_of_that_request(crime: str, keeps: bool) -> None:
    lab = connected(keeps=keeps)
    lab.world.granted[50] = bytearray(4096)
    count, reference, first, last = {
        "twelve segments": (12, 50, 0, 7),
        "ends before it begins": (1, 50, 3, 2),
        "beyond a page": (1, 50, 0, 8),
        "no such grant": (1, 51, 0, 7),
    }[crime]
    segment = reference.to_bytes(4, "little") + bytes((first, last, 0, 0))
    lab.disk.raw((bytes((Operation.WRITE, count)) + bytes(22) + segment * min(count, 11)).ljust(ENTRY, b"\0"))
    lab.world.serve()
    assert lab.disk.answers()[0] == (Operation.WRITE, Answer.ERROR)
    assert len(lab.log) == 1
    assert lab.do(Operation.READ, 0, length=4096) == Answer.OKAY


@pytest.mark.parametrize("produced", [33, 1 << 31, 0xFFFFFFFF])
def test_a_ring_with_more_requests_than_slots_is_served_no_more_until_its_front_end_begins_anew(produced: int) -> None:
    lab = connected()
    lab.disk.page[0:4] = produced.to_bytes(4, "little")
    lab.world.serve()
    assert lab.world.state(BACK) == State.CLOSED
    assert lab.log == [f"linux broke its ring: {produced} requests in a ring of 32"]
    assert lab.world.mapped == 0
    assert not lab.world.ports
    lab.world.say(state=int(State.INITIALISING))
    assert lab.world.state(BACK) == State.INIT_WAIT
    lab.disk.page[:] = bytes(4096)
    lab.disk.connect()
    assert lab.do(Operation.READ, 0, length=4096) == Answer.OKAY


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ({"ring_ref": "x"}, "ring-ref is 'x', not a number"),
        ({"ring_ref": ""}, "ring-ref is '', not a number"),
        ({"ring_ref": "9" * 200}, "ring-ref is '99999999999999999999', not a number"),
        ({"ring_ref": 99}, "grant: status -3"),
        ({"event_channel": 5000}, "bind: status -22"),
        ({"protocol": "x86_64-abi"}, "its rings are of another machine, 'x86_64-abi'"),
    ],
)
def test_a_front_end_that_publishes_nonsense_is_told_by_the_state_and_may_begin_anew(
    nodes: dict[str, str], why: str
) -> None:
    lab = Lab()
    lab.world.say(**{"ring_ref": PaperDisk.RING, "event_channel": PaperDisk.PORT, "protocol": "arm-abi"} | nodes)
    lab.world.say(state=int(State.INITIALISED))
    assert lab.world.state(BACK) == State.CLOSED
    assert lab.log == [f"linux cannot be connected: {why}"]
    assert (lab.world.mapped, lab.world.ports) == (0, set())
    lab.world.say(state=int(State.INITIALISING))
    lab.disk.connect()
    assert lab.world.state(BACK) == State.CONNECTED


def test_the_states_follow_a_front_end_that_goes_and_comes_again() -> None:
    lab = connected()
    lab.world.say(state=int(State.CLOSING))
    assert lab.world.state(BACK) == State.CLOSING
    lab.world.say(state=int(State.CLOSED))
    assert lab.world.state(BACK) == State.CLOSED
    assert lab.world.mapped == 0
    lab.world.say(state=int(State.INITIALISING))
    assert lab.world.state(BACK) == State.INIT_WAIT


def test_a_back_end_killed_at_any_line_loses_no_request_and_answers_none_twice() -> None:
    """The front end stays connected all the time, as a driver of Linux does: the next back end goes on in its ring."""
    line = 0
    while not _lived_through(line := line + 7):
        assert line < 20_000
    assert line > 500


def _lived_through(line: int) -> bool:
    lab, died = connected(keeps=bool(line % 2)), False
    wanted = {}
    for number in range(6):
        content = bytes([number + 1]) * 4096
        wanted[lab.disk.ask(Operation.WRITE, number * 8, content)] = (Operation.WRITE, Answer.OKAY)
    read = lab.disk.ask(Operation.READ, 8, length=4096)
    wanted[read] = (Operation.READ, Answer.OKAY)
    try:
        with Lines(line, "cells/xen"):
            lab.world.serve()
    except KilledError:
        died = True
        lab.restart()
        assert lab.world.state(BACK) == State.CONNECTED
        lab.world.serve()
    assert lab.disk.answers() == wanted
    assert lab.disk.data(read) == b"\2" * 4096
    assert all(lab.store.content[number * 4096] == number + 1 for number in range(6))
    return not died


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "copied"])
def test_a_back_end_killed_at_any_line_of_the_handshake_is_followed_by_one_that_connects(keeps: bool) -> None:
    line = 0
    while not _connects(line := line + 3, keeps):
        assert line < 5000
    assert line > 50


def _connects(line: int, keeps: bool) -> bool:
    lab, died = Lab(keeps=keeps), False
    try:
        with Lines(line, "cells/xen"):
            lab.disk.connect()
    except KilledError:
        died = True
        lab.restart()
        lab.disk.connect()  # a front end that was connected says the same again
    assert lab.world.state(BACK) == State.CONNECTED
    assert lab.do(Operation.WRITE, 0, PAGES) == Answer.OKAY
    assert lab.do(Operation.READ, 0, length=4096) == Answer.OKAY
    return not died


def test_a_back_end_killed_at_any_line_of_the_farewell_is_followed_by_one_for_whoever_comes() -> None:
    line = 0
    while not _parts(line := line + 2):
        assert line < 1000
    assert line > 20


def _parts(line: int) -> bool:
    lab, died = connected(), False
    lab.do(Operation.WRITE, 0, PAGES)
    try:
        with Lines(line, "cells/xen"):
            lab.world.say(state=int(State.CLOSING))
            lab.world.say(state=int(State.CLOSED))
    except KilledError:
        died = True
        lab.restart()
        lab.world.say(state=int(State.CLOSED))
    lab.world.say(state=int(State.INITIALISING))
    assert lab.world.state(BACK) == State.INIT_WAIT
    assert (lab.world.mapped, lab.world.ports) == (0, set())
    lab.disk = PaperDisk(lab.world)
    lab.disk.page[:] = bytes(4096)
    lab.disk.connect()
    assert lab.do(Operation.READ, 0, length=4096) == Answer.OKAY
    return not died


def test_a_front_end_that_dies_with_requests_and_mappings_leaves_nothing_behind() -> None:
    lab = connected()
    lab.do(Operation.WRITE, 0, PAGES)
    lab.disk.ask(Operation.WRITE, 8, PAGES)
    lab.world.front_dies()
    assert not lab.world.serve()
    assert lab.world.state(BACK) == State.INIT_WAIT
    assert (lab.world.mapped, lab.world.ports) == (0, set())
    assert not any(lab.store.content[len(PAGES) :]), "the request was forgotten"
    lab.disk = PaperDisk(lab.world)
    lab.disk.page[:] = bytes(4096)
    lab.disk.connect()
    assert lab.do(Operation.READ, 0, length=4096) == Answer.OKAY
