"""Who looks at displays: when they are answered, and what it costs the run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from devices import Framebuffer, Touch
from devices.device import Wiring
from hypervisor.shell.picture import Scan
from hypervisor.shell.views import BYTES_PER_S, FRAME_S, STILL_S, WATCHERS, ViewError, Views, asked_touch

BLACK, WHITE = (Scan((0, 1, 0, 0), 0x80D, (0,) * 128, bytes([value]) * 64) for value in (0, 255))
HALF = FRAME_S / 2


class Room:
    """One display, a clock, and everything that was answered."""

    def __init__(self) -> None:
        self.now, self.looks, self.shows = 100.0, 0, BLACK
        self.answers: list[tuple[bytes, int, dict[str, Any], bytes]] = []
        entry = SimpleNamespace(name="lcd0", owner=None)
        pictures = SimpleNamespace(displays=lambda: [(entry, None)], scan=self._scan)
        monitor = SimpleNamespace(scheduler=SimpleNamespace(time=lambda: 7))
        self.views = Views(cast(Any, monitor), cast(Any, pictures), self._answer, lambda: self.now)

    def _scan(self, _name: str) -> Scan:
        self.looks += 1
        return self.shows

    def _answer(self, *answer: Any) -> None:
        self.answers.append(cast(Any, answer))

    def watch(self, number: int, seen: int, route: bytes = b"a") -> None:
        self.views.watch(route, number, "lcd0", seen)
        self.views.look()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.views.look()


@pytest.fixture
def room() -> Room:
    return Room()


def test_nothing_is_looked_at_while_nobody_watches(room: Room) -> None:
    for _ in range(100):
        room.wait(1)
    assert room.looks == 0


def test_who_has_seen_nothing_is_answered_at_once_with_the_whole_picture(room: Room) -> None:
    room.watch(1, seen=0)
    ((route, number, answer, data),) = room.answers
    assert (route, number, data) == (b"a", 1, BLACK.data)
    assert (answer["ok"], answer["serial"], answer["now"]) == (True, 1, 7)
    assert Scan.from_message(answer, data) == BLACK


def test_who_has_seen_it_is_answered_when_it_changes(room: Room) -> None:
    room.watch(1, seen=0)
    room.watch(2, seen=1)
    room.wait(FRAME_S)
    assert len(room.answers) == 1
    room.shows = WHITE
    room.wait(FRAME_S)
    assert room.answers[1][1:] == (2, {"ok": True, "serial": 2, "now": 7, **WHITE.head()}, WHITE.data)


def test_a_still_picture_is_told_of_without_its_bytes(room: Room) -> None:
    room.watch(1, seen=0)
    room.watch(2, seen=1)
    room.wait(STILL_S)
    assert room.answers[1][1:] == (2, {"ok": True, "serial": 1, "now": 7}, b"")


def test_however_often_they_ask_a_display_is_looked_at_thirty_times_a_second(room: Room) -> None:
    for number in range(1000):
        room.shows = WHITE if room.shows is BLACK else BLACK
        room.watch(number, seen=number % 3, route=b"%d" % (number % 7))
        room.wait(1 / 1000)
    assert 28 <= room.looks <= 31


def test_a_large_picture_is_looked_at_less_often(room: Room) -> None:
    room.shows = Scan((0, 0, 0, 0), 0x80D, (), bytes(BYTES_PER_S // 4))
    for number in range(100):
        room.watch(number, seen=number % 2)
        room.wait(0.01)
    assert room.looks in (4, 5)


def test_who_does_not_take_an_answer_gets_one_and_no_more(room: Room) -> None:
    room.watch(1, seen=0)
    for _ in range(100):
        room.shows = WHITE if room.shows is BLACK else BLACK
        room.wait(FRAME_S)
    assert len(room.answers) == 1
    assert room.looks == 1


def test_one_that_asks_again_has_one_question_open(room: Room) -> None:
    room.watch(1, seen=0)
    room.watch(2, seen=1)
    room.watch(3, seen=1)
    assert [answer[1:3] for answer in room.answers[1:]] == [
        (2, {"ok": False, "why": "asked again before it was answered"})
    ]
    room.wait(STILL_S)
    assert [answer[1] for answer in room.answers] == [1, 2, 3]


def test_only_so_many_may_watch(room: Room) -> None:
    room.watch(0, seen=0)
    for number in range(WATCHERS):
        room.watch(number, seen=1, route=b"%d" % number)
    with pytest.raises(ViewError, match=rf"^{WATCHERS} watch already$"):
        room.watch(99, seen=1, route=b"late")


def test_a_display_that_does_not_exist_is_refused_by_the_names_of_those_that_do(room: Room) -> None:
    with pytest.raises(ViewError, match=r'^no display is called "lcd9"; there are: lcd0$'):
        room.views.watch(b"a", 1, "lcd9", 0)


def test_those_who_wait_hear_of_the_end(room: Room) -> None:
    room.watch(1, seen=0)
    room.watch(2, seen=1)
    room.views.close()
    assert room.answers[1][1:3] == (2, {"ok": False, "why": "the run has ended"})


def board() -> Any:
    """A display and two touch screens, of which one is nobody's."""
    wiring = Wiring(lambda: 0, 1000)
    devices = [
        SimpleNamespace(name="lcd0", owner=1, receive=None, device=Framebuffer(wiring)),
        SimpleNamespace(name="touch0", owner=None, receive=print, device=Touch(wiring)),
        SimpleNamespace(name="touch1", owner=0, receive=print, device=Touch(wiring)),
    ]
    cells = [SimpleNamespace(name="input"), SimpleNamespace(name="display")]
    return SimpleNamespace(bus=SimpleNamespace(devices=devices), cells=cells)


def test_displays_are_listed_with_their_owners_and_touch_screens_that_somebody_drives() -> None:
    monitor = board()
    pictures: Any = SimpleNamespace(displays=lambda: [(entry, entry.device) for entry in monitor.bus.devices[:1]])
    assert Views(monitor, pictures, cast(Any, None)).listed() == {
        "displays": [{"name": "lcd0", "on": False, "width": 16, "height": 1, "owner": "display"}],
        "touches": ["touch1"],
    }


def test_a_touch_is_for_the_owner_of_the_screen_that_is_meant() -> None:
    where = {"x": 5, "y": 4095, "down": True}
    assert asked_touch(board(), {"device": "touch1", **where})[3:] == ("input", b"touch1 5 4095 1")
    for device in ("touch0", "lcd0", "touch9"):
        with pytest.raises(ViewError, match=f'no cell has a touch screen "{device}"'):
            asked_touch(board(), {"device": device, **where})


@pytest.mark.parametrize(
    "request_", [{}, {"device": "touch0", "x": "1", "y": 1, "down": 1}, {"device": 5, "x": 1, "y": 1, "down": True}]
)
def test_what_is_no_touch_is_no_request(request_: dict[str, Any]) -> None:
    with pytest.raises((TypeError, KeyError)):
        asked_touch(cast(Any, None), request_)


@pytest.mark.parametrize("place", [(-1, 0), (0, 4096), (1 << 40, 0)])
def test_a_place_beside_the_panel_is_refused(place: tuple[int, int]) -> None:
    with pytest.raises(ViewError, match=r"is not on the panel: 0\.\.4095 each way"):
        asked_touch(cast(Any, None), {"device": "touch0", "x": place[0], "y": place[1], "down": True})
