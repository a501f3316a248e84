"""Driver domains and partners that lie, and programs that do: the personality goes on, and so do its other processes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ziglang")

from cells.flavours import Connections
from cells.personalities.arm.errno import Errno
from cells.personalities.linux.attached.disk import MOST_ASKED, PIECE, Disk
from cells.personalities.linux.attached.touch import TouchScreen
from cells.personalities.linux.file import WouldBlock
from cells.split.block.back import BlockBack, RamStore
from cells.split.block.protocol import BUFFER, EXTENT, IDENTITY
from cells.split.display.back import DisplayBack
from cells.split.ends import Answer, BackEnd, Client, Outcome
from cells.split.input.back import InputBack
from cells.split.input.protocol import EVENT, Event, Kind
from cells.split.ring import BackRing, Request
from tests.support.linux_devices import DeviceBench, Make, Peer, programs

PROGRAM = {"display": "screen", "input": "touched", "block": "sectors"}
ALIVE = b"alive\r\n"


class Panel:
    def __init__(self) -> None:
        self.pixels = memoryview(bytearray(320 * 240 * 2))


class Finger:
    """Some touches at the left edge."""

    def __init__(self) -> None:
        self.left = 20

    def events(self) -> list[Event]:
        self.left -= 1
        return [Event(0, Kind.DOWN, 0, 5), Event(0, Kind.UP, 0, 5)] if self.left > 0 else []


HONEST: dict[str, Make] = {
    "display": lambda connections: DisplayBack(connections, Panel()),
    "input": lambda connections: InputBack(connections, Finger()),
    "block": lambda connections: BlockBack(connections, RamStore(512, 2048)),
}


class Tampering:
    """An honest back end, after each of whose rounds somebody writes into the shared pages."""

    def __init__(self, connections: Connections, make: Make, crime: Callable[[memoryview], None]) -> None:
        (self._link,) = connections.links.values()
        self._back, self._crime = make(connections), crime

    def round(self) -> bool:
        busy = bool(self._back.round())
        if self._link.connected:
            self._crime(self._link.memory)
        return busy


def word(at: int, value: int) -> Callable[[memoryview], None]:
    return lambda memory: struct.pack_into("<I", memory, at, value)


def slots(value: bytes) -> Callable[[memoryview], None]:
    """Every slot of the ring is this."""

    def crime(memory: memoryview) -> None:
        for slot in range(16):
            memory[64 + 32 * slot : 96 + 32 * slot] = value

    return crime


def noise(seed: int) -> Callable[[memoryview], None]:
    drawn = random.Random(seed)

    def crime(memory: memoryview) -> None:
        if drawn.random() < 0.5:
            at = drawn.randrange(0, 1024)
            memory[at : at + 16] = drawn.randbytes(16)

    return crime


CRIMES: dict[str, Callable[[memoryview], None]] = {
    "more responses than requests": word(40, 0xFFFF_FFF0),
    "a verdict": word(44, 3),
    "another nonce each time": lambda memory: struct.pack_into("<I", memory, 32, memory[32] + 1),
    "a session that was never asked for": word(36, 0x7FFF_FFFF),
    "answers to nobody": slots(struct.pack("<QHhI16s", 1 << 60, 0, 0, 0, b"")),
    "answers that are too long": slots(struct.pack("<QHhI16s", 1, 0, 0, 0xFFFF_FFFF, b"")),
    **{f"noise {seed}": noise(seed) for seed in range(6)},
}


@pytest.mark.parametrize("crime", CRIMES)
@pytest.mark.parametrize("kind", PROGRAM)
def test_a_driver_that_writes_nonsense_harms_who_asks_it_and_nobody_else(kind: str, crime: str) -> None:
    def make(connections: Connections) -> Tampering:
        return Tampering(connections, HONEST[kind], CRIMES[crime])

    bench = DeviceBench(programs(), ["/bin/beside", f"/bin/{PROGRAM[kind]}"], {kind: make})
    assert bench.run() == 0
    assert bench.output.count(ALIVE) == 3
    assert b"it ended: " in bench.output


class Teller(BackEnd):
    """Answers each request with what it likes."""

    def __init__(self, connections: Connections, kind: str, answer: Callable[[Request], Answer]) -> None:
        self.kind, self.layouts = kind, {"block": BlockBack, "display": DisplayBack, "input": InputBack}[kind].layouts
        super().__init__(connections)
        self._tell = answer

    def serve(self, client: Client, ring: BackRing, request: Request) -> Answer:
        return self._tell(request)


def disk(sectors: int, sector: int, data: bytes = b"") -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if request.operation == 1:
            return Answer(0, IDENTITY.pack(sectors, sector, 0))
        return Answer(0, data=data)

    return answer


TALES: dict[str, tuple[str, Callable[[Request], Answer], bytes]] = {
    "no sectors": ("block", disk(0, 512), b"FAILED: open"),
    "more bytes than numbers": ("block", disk(1 << 63, 512), b"FAILED: open"),
    "sectors of a byte": ("block", disk(1 << 20, 1), b"FAILED: open"),
    "no disk at all": ("block", lambda _: Answer(-1), b"FAILED: open"),
    "an unknown status": ("block", lambda _: Answer(77), b"FAILED: open"),
    "less than was asked for": ("block", disk(1 << 20, 512, b"x"), b"FAILED: write"),
    "more than was asked for": ("block", disk(1 << 20, 512, b"x" * 4096), b"FAILED: write"),
    "a screen of no height": ("display", lambda _: Answer(0), b"pan: 0"),
    "no screen": ("display", lambda _: Answer(-3), b"320 x 240"),
    "a touch far beside the screen and in the future": (
        "input",
        lambda _: Answer(0, EVENT.pack(1 << 63, Kind.DOWN, 0xFFFF, 0xFFFF, 0)),
        b"3 0 319\r\n3 1 239\r\n",
    ),
    "a key that there is not": ("input", lambda _: Answer(0, EVENT.pack(0, Kind.KEY, 0, 0, 0xFFFF)), b"1 767 1\r\n"),
    "what no event is": ("input", lambda _: Answer(0, EVENT.pack(0, 0xFFFF, 0, 0, 0)), b"grab again: EBUSY"),
}


@pytest.mark.parametrize("tale", TALES)
def test_answers_are_allegations(tale: str) -> None:
    kind, answer, seen = TALES[tale]
    bench = DeviceBench(
        programs(),
        ["/bin/beside", f"/bin/{PROGRAM[kind]}"],
        {kind: lambda connections: Teller(connections, kind, answer)},
    )
    assert bench.run() == 0
    assert bench.output.count(ALIVE) == 3
    assert seen in bench.output


def test_a_driver_that_never_answers_keeps_one_process_waiting() -> None:
    class Dumb:
        def __init__(self, _connections: Connections) -> None:
            pass

        def round(self) -> bool:
            return False

    makes: dict[str, Make] = dict.fromkeys(("block", "input", "display"), Dumb)
    bench = DeviceBench(programs(), ["/bin/beside", "/bin/sectors"], makes)
    assert bench.run() == 0
    assert bench.output.endswith(b"it ended: SIGKILL\r\n")


class Unheard:
    """Takes requests and answers none."""

    broken = False

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    @property
    def outstanding(self) -> int:
        return len(self.asked)

    def ask(self, *request: Any) -> None:
        self.asked.append(request)


def dumb_disk(size: int) -> tuple[Disk, Unheard]:
    disk, driver = Disk(SimpleNamespace(processes={}), "block", 0), Unheard()
    nobody: Any = driver
    disk._asking, disk.sector, disk.size = nobody, 512, size
    return disk, driver


def test_readers_that_are_killed_while_a_driver_never_answers_leave_no_more_than_so_many_requests() -> None:
    disk, driver = dumb_disk(1 << 30)
    for pid in range(1, 1000):
        with pytest.raises(WouldBlock):
            disk.read(SimpleNamespace(pid=pid, sleeping=None), 0, PIECE)
    assert MOST_ASKED <= driver.outstanding <= MOST_ASKED + PIECE // BUFFER
    assert len(disk._jobs) == driver.outstanding * BUFFER // PIECE


def test_nothing_behind_the_end_of_a_disk_is_asked_for() -> None:
    disk, driver = dumb_disk(4096)
    process = SimpleNamespace(pid=1, sleeping=None)
    assert disk.read(process, 4096, 10) == b""
    with pytest.raises(WouldBlock):
        disk.read(process, 4000, 4096)
    assert [EXTENT.unpack(body)[:2] for _, body, *_ in driver.asked] == [(7, 1)]
    with pytest.raises(Errno, match="ENOSPC"):
        disk.write(process, 4096, b"x")


def test_a_screen_knows_whether_it_is_touched_and_where_within_its_bounds() -> None:
    screen = TouchScreen(SimpleNamespace(hz=1000, now=lambda: 5), "touch", 0)
    states = []
    for kind, x, y in ((Kind.DOWN, 7, 5), (Kind.MOVE, 9999, 6), (Kind.UP, 0, 0)):
        answer: Any = SimpleNamespace(status=Outcome.OK, body=EVENT.pack(*Event(0, kind, x, y)))
        screen._heard(answer)
        states.append((screen.down, *screen.at.values()))
    assert states == [(1, 7, 5), (1, 319, 6), (0, 319, 6)]


@pytest.mark.parametrize("seed", range(8))
def test_random_calls_on_devices_are_answered(seed: int) -> None:
    peer = Peer(*[bytes([number]) * number for number in range(64)])
    bench = DeviceBench(programs(), ["/bin/fuzz", str(seed + 1), "1500"], HONEST, peer)
    assert bench.run() == 0
    assert bench.output.endswith(b"done\r\n")
    assert all(len(data) <= 1024 for data in peer.heard)


def test_letters_that_nobody_reads_stay_with_their_sender() -> None:
    peer = Peer(*[b"x" * 64] * 1000)
    bench = DeviceBench(programs(), ["/bin/beside", "/bin/letters", "other", "1", "watch"], {}, peer)
    assert bench.run() == 0
    assert len(peer.letters) > 900
    assert bench.output.count(ALIVE) == 3


def test_a_partner_that_takes_nothing_holds_up_who_writes_to_it_and_no_more() -> None:
    peer = Peer(room=0)
    bench = DeviceBench(programs(), ["/bin/beside", "/bin/letters", "other", "100"], {}, peer)
    assert bench.run() == 0
    assert bench.output.count(ALIVE) == 3
    assert bench.kernel.port.mail["other"].pending


LIES = """\
read 0000
ended by signal 7
to execute: EACCES
a bad pointer: EFAULT
none: EFAULT
far below: EINVAL
very high: 0
unknown: EINVAL
seek: EINVAL
far seek: 2147483647
read there: 0
write there: ENOSPC
to write what was opened to read: EACCES
a private write is private: 0000
"""


def test_a_process_that_asks_a_screen_for_what_there_is_not_is_told_so() -> None:
    bench = DeviceBench(programs(), ["/bin/screen", "liar"], HONEST)
    assert bench.run() == 0
    assert bench.output.decode().replace("\r\n", "\n") == LIES


def test_what_is_drawn_before_the_display_has_said_how_large_it_is_is_shown_all_the_same() -> None:
    class Forgetful(DisplayBack):
        def arrived(self, client: Client) -> None:
            """It does not show what is there already."""

    panel = Panel()
    make: dict[str, Make] = {"display": lambda connections: Forgetful(connections, panel)}
    assert DeviceBench(programs(), ["/bin/screen", "show"], make).run() == 0
    assert (bytes(panel.pixels[:2]), bytes(panel.pixels[-2:])) == (b"\x00\xf8", b"\x1f\x00")
