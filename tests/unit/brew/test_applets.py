"""The life of applets: who is in front, what each is told, what becomes of timers, events and references."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from cells.personalities.brew.codes import ClassId, Code, Error
from cells.personalities.brew.method import Notify
from cells.personalities.brew.python_module import Applet, Handle, find
from hypervisor.abi.redirection import EVENTS
from tests.support.brew import BrewBench
from tests.support.linux import CPUS, HZ

ROGUE, BOUNCE, FILM, CLOCK = 0x01CE0004, 0x01CE0001, 0x01CE0002, 0x01CE0003
HERE = "tests.unit.brew.test_applets"


class Quiet(Applet):
    """Remembers what it is told."""

    CLASS: ClassVar[int] = 0x01CE_2000
    told: ClassVar[list[tuple[int, int, Any]]] = []

    def handle_event(self, code: int, word: int, data: Any) -> bool:
        self.told.append((code, word, data))
        return self.do(code, word, data)

    def do(self, code: int, word: int, data: Any) -> bool:
        return True


class Refuses(Quiet):
    CLASS = 0x01CE_2001

    def do(self, code: int, word: int, data: Any) -> bool:
        return False


class Raises(Quiet):
    CLASS = 0x01CE_2002

    def do(self, code: int, word: int, data: Any) -> bool:
        return bool(1 // (0 if code == Code.KEY else 1))


class Asks(Quiet):
    """Asks the rogue, from inside of a handler, to do wrong, and goes on."""

    CLASS = 0x01CE_2003

    def do(self, code: int, word: int, data: Any) -> bool:
        if code == Code.USER:
            assert self.shell.send_event(ROGUE, Code.KEY, word, 0) is False
            _, display = self.shell.create_instance(ClassId.DISPLAY)
            display.update()
            display.release()
        return True


class Late(Quiet):
    """Uses what it has released."""

    CLASS = 0x01CE_2004

    def do(self, code: int, word: int, data: Any) -> bool:
        _, display = self.shell.create_instance(ClassId.DISPLAY)
        display.release()
        if code == Code.KEY:
            display.update()
        return True


class Waits(Quiet):
    CLASS = 0x01CE_2005
    times: ClassVar[list[int]] = []

    def do(self, code: int, word: int, data: Any) -> bool:
        if code == Code.APP_START:
            self.shell.set_timer(50, Notify(self.tick, 1))
            self.shell.set_timer(20, Notify(self.tick, 2))
            self.shell.set_timer(70, Notify(self.tick, 2))  # moved
            assert 69 <= self.shell.get_timer_expiration(Notify(self.tick, 2)) <= 70
            self.shell.set_timer(30, Notify(self.tick, 3))
            assert self.shell.cancel_timer(Notify(self.tick, 3)) == Error.SUCCESS
            assert self.shell.set_timer(-1, Notify(self.tick, 4)) == Error.EBADPARM
        return True

    def tick(self, user: int) -> None:
        self.times.append(user)


def python(*applets: type[Applet]) -> dict[str, str]:
    return {applet.__name__.lower(): f"{HERE}:{applet.__name__}" for applet in applets}


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    Quiet.told.clear()
    Waits.times.clear()


@pytest.mark.parametrize("architecture", sorted(CPUS))
def test_the_moving_applet_draws_by_a_thousand_calls_a_second(architecture: str) -> None:
    bench = BrewBench(["bounce"], architecture=architecture)
    bench.run(1)
    assert bench.system.modules["bounce"].calls >= 1000
    assert bench.system.screen.frames >= 20
    first = bytes(bench.system.screen.buffer.data)
    bench.run(1.1)
    assert bytes(bench.system.screen.buffer.data) != first


def test_the_film_is_another_picture_each_time() -> None:
    bench = BrewBench(["film"])
    pictures = set()
    for tenth in range(1, 6):
        bench.run(tenth / 10)
        pictures.add(bytes(bench.system.screen.buffer.data))
    assert len(pictures) == 5


def test_two_runs_are_the_same() -> None:
    runs = [BrewBench(["bounce"]) for _ in range(2)]
    for bench in runs:
        bench.run(0.5)
    one, other = ((b.kernel.processor.cpu.cycles, bytes(b.system.screen.buffer.data), b.output) for b in runs)
    assert one == other


def test_who_starts_suspends_who_was_in_front_and_closing_resumes_it() -> None:
    bench = BrewBench(["quiet", "rogue"], python=python(Quiet))
    bench.run(0.1)
    assert [code for code, _, _ in Quiet.told] == [Code.APP_START, Code.APP_SUSPEND]
    bench.later(bench.system.close, ROGUE)
    bench.run(0.2)
    assert [code for code, _, _ in Quiet.told][2:] == [Code.APP_RESUME]
    assert bench.system.active == Quiet.CLASS


def test_an_applet_is_told_the_size_of_its_screen() -> None:
    bench = BrewBench(["quiet"], python=python(Quiet))
    bench.run(0.1)
    assert Quiet.told == [(Code.APP_START, Quiet.CLASS, (0, 0, 320, 240))]


def test_starting_one_that_runs_brings_it_to_the_front() -> None:
    bench = BrewBench(["bounce", "clock"])
    bench.run(0.1)
    bench.later(bench.system.start, BOUNCE)
    bench.run(0.2)
    assert [applet.class_id for applet in bench.system.applets] == [CLOCK, BOUNCE]


def test_a_module_is_unloaded_with_its_last_applet_and_loaded_anew() -> None:
    bench = BrewBench(["film"])
    frames = bench.kernel.processor.memory.frames
    free = frames.free
    bench.run(0.1)
    bench.later(bench.system.close, FILM)
    bench.run(0.2)
    assert frames.free == free
    assert "film is unloaded after" in bench.output
    assert "not released" not in bench.output
    bench.later(bench.system.start, FILM)
    bench.run(0.3)
    assert bench.system.active == FILM


def test_two_applets_of_one_module_share_its_memory() -> None:
    bench = BrewBench(["rogue"])
    bench.run(0.01)
    bench.later(bench.system.start, ROGUE + 1)
    bench.run(0.1)
    assert [applet.class_id for applet in bench.system.applets] == [ROGUE, ROGUE + 1]
    bench.later(bench.system.close, ROGUE)
    bench.run(0.2)
    assert bench.system.modules["rogue"].loaded
    bench.later(bench.system.close, ROGUE + 1)
    bench.run(0.3)
    assert not bench.system.modules["rogue"].loaded


def test_an_applet_that_does_not_handle_its_start_does_not_run() -> None:
    bench = BrewBench(["refuses"], python=python(Refuses))
    bench.run(0.1)
    assert "does not handle EVT_APP_START" in bench.output
    assert bench.system.applets == []


def test_an_exception_in_python_closes_its_applet() -> None:
    bench = BrewBench(
        ["clock", "raises"],
        python={"clock": "cells.programs.brew.clock:Clock", **python(Raises)},
        typed=[(HZ // 10, b"k")],
    )
    bench.run(0.2)
    assert "raises is closed: ZeroDivisionError" in bench.output
    assert bench.system.active == CLOCK


def test_a_call_after_the_last_release_closes_an_applet_in_python() -> None:
    bench = BrewBench(["late"], python=python(Late), typed=[(HZ // 10, b"k")])
    bench.run(0.2)
    assert "late is closed: IDisplay_Update: there is no reference to it any more" in bench.output


def test_who_is_asked_by_another_and_does_wrong_is_closed_and_the_other_goes_on() -> None:
    bench = BrewBench(["rogue", "asks"], python=python(Asks))
    bench.run(0.1)
    bench.later(bench.system.send, Asks.CLASS, Code.USER, ord("a"), 0)
    bench.run(0.2)
    assert "rogue is closed" in bench.output
    assert [applet.class_id for applet in bench.system.applets] == [Asks.CLASS]
    assert bench.system.screen.frames == 1


def test_who_is_called_and_never_returns_is_closed_before_who_has_called() -> None:
    bench = BrewBench(["rogue", "asks"], python=python(Asks))
    bench.run(0.1)
    bench.later(bench.system.send, Asks.CLASS, Code.USER, ord("h"), 0)
    bench.run(0.8)
    assert "rogue is closed: did not return" in bench.output
    assert bench.system.active == Asks.CLASS


class Blames(Quiet):
    """Uses up its time, or goes deep into itself, before it asks an applet that has done nothing."""

    CLASS = 0x01CE_2020
    answers: ClassVar[list[bool]] = []

    def do(self, code: int, word: int, data: Any) -> bool:
        if code == Code.KEY and word:
            self.shell.send_event(self.CLASS, Code.KEY, word - 1, data)
        elif code == Code.KEY:
            BLAMED[0].kernel.port.work(data)
            self.answers.append(self.shell.send_event(Quiet.CLASS, Code.USER, 0, 0))
        return True


BLAMED: list[BrewBench] = []


@pytest.mark.parametrize(
    ("deep", "milliseconds", "wanted"), [(0, 0, True), (0, 300, True), (0, 450, False), (6, 0, True), (7, 0, False)]
)
def test_an_applet_is_not_closed_for_what_its_caller_has_used_up(deep: int, milliseconds: int, wanted: bool) -> None:
    bench = BrewBench(["quiet", "blames"], python={**python(Blames), "quiet": f"{HERE}:Quiet"})
    BLAMED[:], Blames.answers[:], Quiet.told[:] = [bench], [], []
    bench.run(0.1)
    bench.later(bench.system.send, Blames.CLASS, Code.KEY, deep, milliseconds * HZ // 1000)
    bench.run(0.9)
    assert Blames.answers == [wanted]
    assert ((Code.USER, 0, 0) in Quiet.told) == wanted
    assert "closed" not in bench.output


def test_timers_come_in_their_order_once_each() -> None:
    bench = BrewBench(["waits"], python=python(Waits))
    bench.run(0.2)
    assert Waits.times == [1, 2]


def test_timers_of_a_closed_applet_do_not_come() -> None:
    bench = BrewBench(["waits"], python=python(Waits))
    bench.run(0.01)
    bench.later(bench.system.close, Waits.CLASS)
    bench.run(0.2)
    assert Waits.times == []


def test_keys_go_to_who_is_in_front() -> None:
    bench = BrewBench(
        ["clock", "quiet"],
        python=python(Quiet) | {"clock": "cells.programs.brew.clock:Clock"},
        typed=[(HZ // 10, b"ab")],
    )
    bench.run(0.2)
    assert [(code, word) for code, word, _ in Quiet.told][1:] == [(Code.KEY, ord("a")), (Code.KEY, ord("b"))]


def test_what_the_flavour_takes_for_a_call_is_time_and_is_told() -> None:
    plain, dear = BrewBench(["bounce"]), BrewBench(["bounce"], redirection=dict.fromkeys(EVENTS, 1000))
    for bench in (plain, dear):
        bench.run(0.5)
    counts = dear.kernel.account.counts
    assert counts.calls == dear.system.modules["bounce"].calls
    assert counts.signals >= dear.system.screen.frames
    assert counts.faults > 0
    assert plain.kernel.account.pack() == b""
    extra = dear.kernel.processor.cpu.cycles - plain.kernel.processor.cpu.cycles
    assert extra > 900 * min(counts.calls, plain.system.modules["bounce"].calls)


def test_what_is_no_applet_is_refused() -> None:
    with pytest.raises(TypeError, match="is no applet"):
        find("cells.programs.brew.clock:SINES")


def test_a_handle_has_the_interfaces_methods_only() -> None:
    handle = Handle.__new__(Handle)
    bench = BrewBench(["clock"])
    bench.run(0.01)
    handle = bench.system.applets[0].handle.display
    with pytest.raises(AttributeError):
        handle.module  # noqa: B018
