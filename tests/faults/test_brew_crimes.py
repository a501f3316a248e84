"""Applets that do wrong: each is closed with a line in the log, and everything else in the cell goes on."""

from __future__ import annotations

import pytest

from cells.personalities.brew.codes import Code
from cells.personalities.brew.processor import WATCHDOG_MS
from cells.programs.brew.clock import Clock
from hypervisor.abi.redirection import EVENTS
from tests.support.brew import BrewBench
from tests.support.linux import HZ

ROGUE = 0x01CE0004
SOON = HZ // 10
CRIMES = {
    "a": "reads 0x00000004",  # before ARMv6 nothing tells a store from a load where nothing is
    "b": "a wild vtable at 0xdeadbee0",
    "c": "runs 0x00000100",
    "d": "IDisplay_Update: 0x0 is no object of it",
    "e": "IGraphics_ClearViewport: 0x900080 is no object of it",
    "f": "reads 0x02feff",  # the stack's end
    "g": "writes 0x00100",
    "h": f"did not return within {WATCHDOG_MS} ms",
    "i": f"did not return within {WATCHDOG_MS} ms",
    "j": "svc of its own",
    "k": "an instruction that there is not",
    "l": "frees 0x100000c, which it does not have",
    "m": "writes 0x00900040",
    "n": "reads 0xfffffff0",
    "q": "calls nested more than 8 deep",
    "s": "runs 0x00000000",
    "t": "runs 0x12345678",
}
"""Key of the crime (cells/programs/brew/rogue.c) -> what the log says."""


def pages_in_use(bench: BrewBench) -> int:
    frames = bench.kernel.processor.memory.frames
    return frames.total - frames.free


@pytest.mark.parametrize(("key", "why"), CRIMES.items())
def test_a_crime_closes_its_applet_and_nothing_else(key: str, why: str) -> None:
    keys = [(SOON, key.encode()), (2 * SOON, b"?")]
    bench = BrewBench(["clock", "rogue"], typed=keys, redirection=dict.fromkeys(EVENTS, 10_000))  # dear: fewer calls
    before = pages_in_use(bench)
    bench.run(1.5)
    assert f"rogue is closed: {why}" in bench.output
    assert bench.system.active == Clock.CLASS
    assert pages_in_use(bench) == before
    assert not bench.system.modules["rogue"].loaded


@pytest.mark.parametrize("architecture", ["v6k", "v7a"])
def test_crimes_are_crimes_on_every_cpu(architecture: str) -> None:
    for key in CRIMES.keys() - {"h", "i"}:  # which take long, and no CPU knows of them
        bench = BrewBench(["rogue"], architecture=architecture, typed=[(SOON, key.encode()), (2 * SOON, b"?")])
        bench.run(0.3)
        assert "rogue is closed" in bench.output, key
        assert bench.system.applets == []


def test_a_closed_applet_can_be_started_again() -> None:
    bench = BrewBench(["rogue"], typed=[(SOON, b"a")])
    bench.run(0.5)
    bench.later(bench.system.start, ROGUE)
    bench.run(1)
    assert bench.system.active == ROGUE


def test_others_go_on_drawing_after_a_crime() -> None:
    bench = BrewBench(["rogue", "bounce"], typed=[])
    bench.run(0.3)
    before = bench.system.modules["bounce"].calls
    bench.later(bench.system.send, ROGUE, Code.KEY, ord("a"), 0)
    bench.run(0.6)
    assert "rogue is closed" in bench.output
    assert bench.system.modules["bounce"].calls > before + 300


def test_who_computes_for_ever_is_closed_when_patience_ends() -> None:
    bench = BrewBench(["rogue"], typed=[(SOON, b"h")])
    bench.run(1)
    assert "[    0.600] rogue is closed" in bench.output


def test_leaked_references_are_told_when_the_module_is_unloaded() -> None:
    bench = BrewBench(["rogue"], typed=[(SOON, b"o")])
    bench.run(0.3)
    bench.later(bench.system.close, ROGUE)
    bench.run(0.4)
    assert "not released: 1 IDisplay, 3 IGraphics, 1 MALLOC" in bench.output
    assert not bench.system.modules["rogue"].loaded


def test_an_applet_that_closes_itself_is_there_until_its_handler_returns() -> None:
    bench = BrewBench(["rogue"], typed=[(SOON, b"p")])
    bench.run(0.3)
    assert "rogue is unloaded after 10 calls\n" in bench.output
    assert bench.system.screen.frames == 1


def test_who_takes_everything_gets_its_share_and_no_more() -> None:
    bench = BrewBench(["rogue"], typed=[(SOON, b"r")])
    bench.run(0.3)
    module = bench.system.modules["rogue"]
    assert "rogue: nothing is left" in bench.output
    assert len(module.objects) == 512
    assert bench.system.active == ROGUE
    bench.later(bench.system.close, 0)
    bench.run(0.4)
    assert "not released: 510 IFileMgr, 255 MALLOC" in bench.output


@pytest.mark.parametrize("pointer", [0, 0x0090_0000, 0x02FF_FFFE, 0xFFFF_FFFF])
def test_no_wild_pointer_in_any_call_does_more_than_close_the_applet(pointer: int) -> None:
    bench = BrewBench(["clock"], modules=["rogue"], ram=8 << 20)
    before = pages_in_use(bench)
    for number, name in enumerate(bench.kernel.gate.names):
        bench.later(bench.system.start, ROGUE)
        bench.later(bench.system.send, ROGUE, Code.USER, number, pointer)
        bench.run(bench.kernel.port.time / HZ + 0.001)
        assert name == "IShell_CloseApplet" or bench.system.running(Clock.CLASS)
        bench.later(bench.system.start, Clock.CLASS)
    bench.later(bench.system.close, 0)
    bench.run(bench.kernel.port.time / HZ + 0.1)
    assert pages_in_use(bench) == before


def test_a_wild_pointer_is_named_with_its_call() -> None:
    bench = BrewBench(["rogue"], modules=["rogue"])
    number = bench.kernel.gate.names.index("IDisplay_DrawText")
    bench.run(0.01)
    bench.later(bench.system.send, ROGUE, Code.USER, number, 0x7000_0000)
    bench.run(0.02)
    assert "rogue is closed: IDisplay_DrawText: a pointer to what it may not use" in bench.output


def test_a_cell_whose_memory_is_used_up_closes_who_asks_for_more() -> None:
    bench = BrewBench(["rogue"], typed=[(SOON, b"r")], modules=["rogue"], ram=1 << 20)
    bench.run(0.3)
    assert "rogue is closed" in bench.output
    bench.later(bench.system.start, Clock.CLASS)
    bench.run(0.4)
    assert bench.system.active == Clock.CLASS
