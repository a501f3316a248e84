"""Crimes at a ring, committed by writing raw bytes into the shared page: what the other end makes of them."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from cells.split.block.back import BlockBack, RamStore
from cells.split.block.front import BlockDevice
from cells.split.console.back import ConsoleBack
from cells.split.console.front import Console
from cells.split.display.back import DisplayBack
from cells.split.net.back import NetBack
from cells.split.ring import PATIENCE, BrokenRingError
from hypervisor.abi.time import NEVER
from tests.support.links import World

SESSION, ECHO, LIFE, REQUESTS, NONCE, ATTACHED, RESPONSES, VERDICT = 0, 4, 8, 12, 32, 36, 40, 44
SLOTS = 64
BUFFERS = 4096
READ, WRITE = 2, 3
BAD_REQUEST, OUT_OF_RANGE = -1, -2
Lie = Callable[[bytearray, int], object]
"""Writes into the memory of a client; of which slot its next response will be."""


def word(memory: bytearray, at: int, value: int | None = None) -> int:
    if value is not None:
        struct.pack_into("<I", memory, at, value)
    return int(struct.unpack_from("<I", memory, at)[0])


class Attacker:
    """A front end in native code, so to say: it does the handshake, then writes what it likes. `memory`: the shared pages."""

    def __init__(self, world: World, name: str = "evil", ring: int = 0) -> None:
        world.start_front(name)
        self.world, self.memory, self.ring = world, world.memories[name], ring
        self.requests = 0
        world.serve()
        self.attach()

    def attach(self) -> None:
        word(self.memory, self.ring + ECHO, word(self.memory, self.ring + NONCE))
        word(self.memory, self.ring + LIFE, 1)
        word(self.memory, self.ring + REQUESTS, 0)
        word(self.memory, self.ring + SESSION, word(self.memory, self.ring + SESSION) + 1)
        self.requests = 0
        self.world.serve()
        assert word(self.memory, self.ring + ATTACHED) == word(self.memory, self.ring + SESSION)

    def put(self, id_: int, operation: int, length: int = 0, body: bytes = b"") -> None:
        slot = self.ring + SLOTS + self.requests % 16 * 32
        struct.pack_into("<QHhI16s", self.memory, slot, id_, operation, 0, length, body)
        self.requests += 1
        word(self.memory, self.ring + REQUESTS, self.requests)

    def answer(self, number: int) -> tuple[int, int]:
        """Identity and status of a response."""
        id_, _, status = struct.unpack_from("<QHh", self.memory, self.ring + SLOTS + number * 32)
        return id_, status

    @property
    def responses(self) -> int:
        return word(self.memory, self.ring + RESPONSES)

    @property
    def verdict(self) -> int:
        return word(self.memory, self.ring + VERDICT)


def extent(sector: int, count: int) -> bytes:
    return struct.pack("<QII", sector, count, 0)


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def world(log: list[str]) -> World:
    """A disk of 64 sectors for "good" and one for "evil"."""
    world = World("block", ("good", "evil"))
    world.store = RamStore(512, 128)
    world.start_back(lambda connections: BlockBack(connections, world.store, world.clock, log.append))
    return world


def serves_the_other(world: World) -> None:
    disk = BlockDevice(world.start_front("good"), "back")
    disk.write(3, b"\x5a" * 512)
    assert disk.read(3, 1) == b"\x5a" * 512


# Crimes of a front end.


@pytest.mark.parametrize("count", [17, 1 << 16, 1 << 31, (1 << 32) - 1])
def test_a_count_of_more_requests_than_slots_ends_the_talk_and_nothing_else(world, log, count):
    evil = Attacker(world)
    evil.put(1, READ, 0, extent(0, 1))
    word(evil.memory, REQUESTS, count)
    world.serve()
    assert (evil.responses, evil.verdict) == (0, 1)
    assert log == ["evil broke its ring: more requests than slots"]
    serves_the_other(world)


def test_a_count_that_goes_back_ends_the_talk(world):
    evil = Attacker(world)
    evil.put(1, READ, 0, extent(0, 1))
    world.serve()
    word(evil.memory, REQUESTS, 0)
    world.serve()
    assert (evil.responses, evil.verdict) == (1, 1)
    serves_the_other(world)


@pytest.mark.parametrize("ids", [[0], [5, 5], [5, 4], [5, 7], [5, 6, 1 << 63]])
def test_an_identity_that_does_not_follow_ends_the_talk(world, log, ids):
    evil = Attacker(world)
    for id_ in ids:
        evil.put(id_, READ, 0, extent(0, 1))
    world.serve()
    assert (evil.responses, evil.verdict) == (len(ids) - 1, 2)
    assert len(log) == 1
    serves_the_other(world)


@pytest.mark.parametrize("length", [4097, 1 << 31, (1 << 32) - 1])
def test_a_request_longer_than_its_buffer_ends_the_talk(world, length):
    evil = Attacker(world)
    evil.put(1, WRITE, length, extent(0, 1))
    world.serve()
    assert (evil.responses, evil.verdict) == (0, 3)
    serves_the_other(world)


@pytest.mark.parametrize(
    ("operation", "length", "body", "status"),
    [
        (READ, 0, extent(64, 1), OUT_OF_RANGE),
        (READ, 0, extent(63, 2), OUT_OF_RANGE),
        (READ, 0, extent((1 << 64) - 1, 1), OUT_OF_RANGE),
        (READ, 0, extent(0, 9), BAD_REQUEST),
        (READ, 0, extent(0, 0), BAD_REQUEST),
        (READ, 0, extent(0, (1 << 32) - 1), BAD_REQUEST),
        (READ, 0, struct.pack("<QII", 0, 1, 1), BAD_REQUEST),
        (WRITE, 511, extent(0, 1), BAD_REQUEST),
        (WRITE, 1024, extent(0, 1), BAD_REQUEST),
        (WRITE, 512, extent(64, 1), OUT_OF_RANGE),
        (0, 0, b"", BAD_REQUEST),
        (0xFFFF, 4096, b"\xff" * 16, BAD_REQUEST),
    ],
)
def test_a_request_that_asks_for_the_impossible_is_refused_and_the_next_is_served(
    world, operation, length, body, status
):
    evil = Attacker(world)
    before = bytes(world.store.content)
    evil.put(1, operation, length, body)
    evil.put(2, READ, 0, extent(63, 1))
    world.serve()
    assert [evil.answer(0), evil.answer(1)] == [(1, status), (2, 0)]
    assert bytes(world.store.content) == before


def test_no_sector_of_another_clients_disk_is_read_or_written(world):
    serves_the_other(world)
    evil = Attacker(world)
    evil.memory[BUFFERS : BUFFERS + 512] = b"\xee" * 512
    evil.put(1, WRITE, 512, extent(3, 1))
    evil.put(2, READ, 0, extent(3, 1))
    world.serve()
    assert world.store.content[3 * 512] == 0x5A
    assert world.store.content[(64 + 3) * 512] == 0xEE


def test_a_slot_that_is_rewritten_while_it_is_served_changes_nothing(world):
    evil = Attacker(world)
    evil.memory[BUFFERS : BUFFERS + 512] = b"\x11" * 512

    def rewrite() -> None:
        """What another core would do between the check of the request and its use."""
        evil.memory[BUFFERS : BUFFERS + 512] = b"\xee" * 512
        struct.pack_into("<QHhI16s", evil.memory, SLOTS, 99, WRITE, 0, 1 << 31, extent(1 << 60, 1 << 30))

    world.clock.at_work = rewrite
    evil.put(1, WRITE, 512, extent(5, 1))
    world.serve()
    assert evil.answer(0) == (1, 0)
    assert world.store.content[(64 + 5) * 512 : (64 + 6) * 512] == b"\x11" * 512
    assert b"\xee" not in world.store.content


def test_a_session_that_is_opened_anew_at_every_look_holds_nobody_up(world):
    evil = Attacker(world)

    def reopen() -> None:
        word(evil.memory, SESSION, word(evil.memory, SESSION) + 1)
        word(evil.memory, REQUESTS, 16)

    world.clock.at_work = reopen
    evil.put(1, READ, 0, extent(0, 1))
    serves_the_other(world)


def test_a_client_that_asks_without_end_waits_its_turn(world):
    order: list[str] = []
    evil = Attacker(world)
    serve = world.back.serve
    world.back.serve = lambda client, ring, request: order.append(client.link.peer) or serve(client, ring, request)
    disk = BlockDevice(world.start_front("good"), "back")
    assert disk.sectors == 64
    order.clear()
    for id_ in range(1, 17):
        evil.put(id_, READ, 0, extent(0, 8))
    for sector in range(3):
        disk.submit_read(sector, 1)
    disk._ring.kick()
    world.serve()
    assert order[:6] == ["good", "evil"] * 3


def test_after_a_crime_a_new_session_is_served_again(world):
    evil = Attacker(world)
    word(evil.memory, REQUESTS, 999)
    world.serve()
    evil.attach()
    evil.put(1, READ, 0, extent(0, 1))
    world.serve()
    assert (evil.answer(0), evil.verdict) == ((1, 0), 0)


@pytest.mark.parametrize(
    "rectangle", [(0, 0, 321, 1), (0, 0, 1, 121), (320, 0, 1, 1), (0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF)]
)
def test_a_flush_beyond_the_clients_part_of_the_screen_is_refused(rectangle):
    world = World("display", ("good", "evil"))

    class Panel:
        pixels = memoryview(bytearray(320 * 240 * 2))

    world.start_back(lambda connections: DisplayBack(connections, Panel()))
    evil = Attacker(world)
    evil.memory[4096:] = b"\xee" * (len(evil.memory) - 4096)
    evil.put(1, 2, 0, struct.pack("<4H", *rectangle))
    world.serve()
    assert evil.answer(0) == (1, OUT_OF_RANGE)
    assert not any(Panel.pixels[: 120 * 640]), "the other client's band"


@pytest.mark.parametrize("length", [0, 13, 1515, 2048])
def test_a_frame_that_is_too_short_or_too_long_goes_nowhere(length):
    world = World("net", ("good", "evil"))
    world.start_back(lambda connections: NetBack(connections, None))
    good = Attacker(world, "good", ring=2048)
    good.put(1, 3)
    evil = Attacker(world)
    evil.put(1, 2, length)
    world.serve()
    assert evil.answer(0) == (1, BAD_REQUEST)
    assert good.responses == 0


def test_an_unknown_request_where_only_reads_are_expected_is_refused_in_its_turn():
    world = World("console", ("evil",))

    class Keys:
        def read(self) -> bytes:
            return b""

    world.start_back(lambda connections: ConsoleBack(connections, Keys()))
    evil = Attacker(world, ring=2048)
    evil.put(1, 77)
    world.serve()
    assert evil.answer(0) == (1, BAD_REQUEST)


# Crimes of a back end: the client is told, whatever it waits for.


def a_client(world: World) -> tuple[BlockDevice, bytearray]:
    disk = BlockDevice(world.start_front("good"), "back")
    assert disk.sectors == 64
    disk.submit_read(0, 1)
    return disk, world.memories["good"]


def too_many(count: int) -> Lie:
    return lambda memory, slot: word(memory, RESPONSES, count)


def another(id_: int, length: int) -> Lie:
    def lie(memory: bytearray, slot: int) -> None:
        struct.pack_into("<QHhI16s", memory, SLOTS + 32 * slot, id_, 0, 0, length, b"")
        word(memory, RESPONSES, slot + 1)

    return lie


def gives_up(verdict: int) -> Lie:
    return lambda memory, slot: word(memory, VERDICT, verdict)


LIES = {
    "more responses than requests": (too_many(3), "responses to fewer requests"),
    "very many more": (too_many(1 << 16), "responses to fewer requests"),
    "a count that goes back": (too_many((1 << 32) - 1), "responses to fewer requests"),
    "an earlier identity": (another(1, 0), "response 1 with 0 bytes to request 2"),
    "a later identity": (another(3, 0), "response 3 with 0 bytes to request 2"),
    "more bytes than the buffer": (another(2, 4097), "response 2 with 4097 bytes to request 2"),
    "very many more bytes": (another(2, (1 << 32) - 1), "response 2 with 4294967295 bytes to request 2"),
    "that it gives up": (gives_up(1), "more requests than slots"),
    "that it gives up for no reason": (gives_up(77), "no known reason"),
}


@pytest.mark.parametrize("what", LIES)
def test_a_client_that_is_lied_to_once_begins_anew_and_gets_its_answer(world, what):
    disk, memory = a_client(world)
    LIES[what][0](memory, 1)
    done = disk.poll(until=NEVER)
    assert done is not None
    assert (done.status, done.data) == (0, bytes(512))


@pytest.mark.parametrize("what", LIES)
def test_a_client_whose_back_end_lies_again_and_again_is_told(world, what):
    disk, memory = a_client(world)
    lie, why = LIES[what]
    lie(memory, 1)
    for _ in range(PATIENCE):
        assert disk.poll() is None  # it begins anew
        world.serve()
        assert disk.poll() is None  # and asks again
        lie(memory, 0)
    with pytest.raises(BrokenRingError, match=why):
        disk.poll()


def test_a_response_that_is_counted_and_was_never_written_is_not_taken_for_one(world):
    disk, memory = a_client(world)
    disk._ring.kick()
    word(memory, RESPONSES, 2)
    assert disk.poll() is None
    done = disk.poll(until=NEVER)
    assert done is not None
    assert done.data == bytes(512)


def test_a_client_survives_a_back_end_that_lied_once_it_is_replaced(world):
    disk, memory = a_client(world)
    for _ in range(PATIENCE):
        word(memory, RESPONSES, 1000)
        disk.poll()
        world.serve()
    word(memory, RESPONSES, 1000)
    with pytest.raises(BrokenRingError):
        disk.poll()
    world.start_back()
    done = disk.poll(until=1 << 62)
    assert done is not None
    assert done.data == bytes(512)


def test_a_back_end_with_a_new_nonce_at_every_look_does_not_hold_the_client_in_a_loop(world):
    disk, memory = a_client(world)
    rings = world.fronts["good"].rings
    for nonce in range(1000, 1010):
        word(memory, NONCE, nonce)
        assert disk.poll() is None
    assert world.fronts["good"].rings == rings + 10


def test_typed_text_longer_than_its_buffer_is_an_error_of_the_reader():
    world = World("console")

    class Keys:
        def read(self) -> bytes:
            return b""

        def write(self, data: bytes) -> None:
            pass

    world.start_back(lambda connections: ConsoleBack(connections, Keys()))
    console = Console(world.start_front(), "back")
    console.write(b"x")
    console.flush()
    for attempt in range(PATIENCE + 1):
        assert console.read(until=0) == b""
        struct.pack_into("<QHhI16s", world.memories["front"], 2048 + SLOTS, 1, 0, 0, 81, b"")
        word(world.memories["front"], 2048 + RESPONSES, 1)
        if attempt < PATIENCE:
            assert console.read(until=0) == b""
            world.serve()
    with pytest.raises(BrokenRingError, match="81 bytes"):
        console.read(until=0)
