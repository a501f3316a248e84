"""Cells beside each other that ask for anything at any moment: under no flavour does the monitor stop, or contradict itself.

The fuzz targets (tests/fuzz) give one cell's calls to a mechanism. Here time passes between them: calls wait and are over before
their cell has a core, others ring, time-outs and timers end, urgent cells hold the core, some die in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from struct import Struct
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi import xen
from hypervisor.abi.memory import PAGE
from hypervisor.abi.records import Exit
from hypervisor.abi.time import NEVER
from hypervisor.core.wiring import SharedParams
from hypervisor.flavours import FLAVOURS
from tests.support.scripted import Bench, Script, ScriptedVcpu
from tests.support.talkers import channel, wiring_of

CELLS, PAGES = 3, 8
SHARED_INFO, PORTS = PAGE, 2 * PAGE
"""Where a domain of xen has its shared_info page, and the numbers of ports for a poll."""
TIMER, OPEN, JOINED = 3, 4, 5
"""Its ports: two are there before, the console's and the store's."""
END = 40_000
SPLIT = [name for name, flavour in FLAVOURS.items() if flavour.most_cells != 1]

XEN_OPERATIONS = {
    xen.Call.EVENT_CHANNEL: xen.EvtchnOp,
    xen.Call.GRANT_TABLE: xen.GrantOp,
    xen.Call.MEMORY: xen.MemoryOp,
    xen.Call.SCHED: xen.SchedOp,
    xen.Call.VCPU: xen.VcpuOp,
}
NAMES = {
    "CLOSE": "PORT",
    "SEND": "PORT",
    "UNMASK": "PORT",
    "MAP": "MAP_GRANT",
    "UNMAP": "UNMAP_GRANT",
    "SET_SINGLESHOT_TIMER": "SINGLESHOT",
}
"""Operations whose arguments are called otherwise than they."""
XEN = [
    (int(call), int(operation), vars(xen).get(NAMES.get(operation.name, operation.name)))
    for call, operations in XEN_OPERATIONS.items()
    for operation in operations
]
FIELDS = re.compile(r"(\d*)([BHhIiQ])")
BITS = {"B": 8, "H": 16, "h": 15, "I": 32, "i": 31, "Q": 64}


class Step(NamedTuple):
    """What a cell does next. `number`: for how long, or which call; `words`: what it says with it."""

    what: str
    number: int
    words: list[int]


ODD = st.sampled_from((xen.DOMID_SELF, 4_096, PORTS, 1 << 31, (1 << 32) - 1))
WORDS = st.lists(st.one_of(st.integers(0, 5), st.integers(0, END), ODD), min_size=8, max_size=8)
PASSING = st.builds(Step, st.sampled_from(("work", "wait", "clear", "hog")), st.sampled_from((10, 500, 2_000)), WORDS)
ASKING = st.builds(Step, st.just("ask"), st.integers(0, 99), WORDS)
POLLING = st.builds(Step, st.sampled_from(("poll", "timer")), st.sampled_from((10, 500, 2_000)), WORDS)
SENDING = st.builds(Step, st.just("send"), st.sampled_from((OPEN, JOINED)), WORDS)
PROGRAM = st.lists(st.one_of(PASSING, ASKING, POLLING, SENDING), max_size=16)


def packed(layout: Struct, words: list[int]) -> bytes:
    """Of the words so many as it has places, and of each what fits there."""
    places = "".join(code * int(count or 1) for count, code in FIELDS.findall(layout.format))
    return layout.pack(*[word & ((1 << BITS[code]) - 1) for code, word in zip(places, words * 2, strict=False)])


class Board:
    """The cells, each with its program; the first is the most urgent."""

    def __init__(self, flavour: str, cores: int, priced: bool, programs: list[list[Step]], deaths: list[int]) -> None:
        self._xen = flavour == "xen"
        names = [f"cell{at}" for at in range(CELLS)]
        wires = [channel(f"wire{at}", at, (at + 1) % CELLS) for at in range(CELLS)]
        params = {name: {"ram": PAGES * PAGE, "priority": 9 - at} for at, name in enumerate(names)}
        self.bench = Bench(
            {name: self._script(at, programs[at]) for at, name in enumerate(names)},
            mechanism=FLAVOURS[flavour].make_mechanism,
            costs=FLAVOURS[flavour].costs if priced else None,
            wiring=wiring_of([*wires, SharedParams("shared", PAGE, {0: True, 1: False})]),
            policy="fixed_priority",
            slice_cycles=3_000,
            cores=cores,
            params={name: {**params[name], "on_crash": "restart", "max_restarts": 99} for name in names},
            die_at=dict(zip(names, deaths, strict=True)),
        )
        self.calls = sorted(self.bench.monitor.mechanism.calls())

    def _script(self, index: int, program: list[Step]) -> Script:
        def run(vcpu: ScriptedVcpu) -> Generator[Exit, None, None]:
            if self._xen:
                yield from self._begin(vcpu, index)
            for step in program:
                yield from self._step(vcpu, index, step)
            yield from vcpu.wait(NEVER)

        return run

    def _begin(self, vcpu: ScriptedVcpu, index: int) -> Generator[Exit, None, None]:
        """Shared_info and three ports: a timer's, one for the next cell, one to the cell before, if that was quicker."""
        place = xen.ADD_TO_PHYSMAP.pack(xen.DOMID_SELF, 0, 0, 0, SHARED_INFO // PAGE)
        yield from vcpu.call(xen.Call.MEMORY, xen.MemoryOp.ADD_TO_PHYSMAP, data=place)
        timer = xen.BIND_VIRQ.pack(xen.Virq.TIMER, 0, 0)
        yield from vcpu.call(xen.Call.EVENT_CHANNEL, xen.EvtchnOp.BIND_VIRQ, data=timer)
        anyone = xen.ALLOC_UNBOUND.pack(xen.DOMID_SELF, (index + 1) % CELLS, 0)
        yield from vcpu.call(xen.Call.EVENT_CHANNEL, xen.EvtchnOp.ALLOC_UNBOUND, data=anyone)
        before = xen.BIND_INTERDOMAIN.pack((index - 1) % CELLS, OPEN, 0)
        yield from vcpu.call(xen.Call.EVENT_CHANNEL, xen.EvtchnOp.BIND_INTERDOMAIN, data=before)
        self._clear(vcpu, index)

    def _clear(self, vcpu: ScriptedVcpu, index: int) -> None:
        """As one that has looked at all events."""
        vcpu.events.clear()
        memory = self.bench.monitor.memory.host
        for at, port in enumerate((TIMER, JOINED, OPEN)):
            memory.write(index, 0, PORTS + xen.PORT.size * at, xen.PORT.pack(port))
        if self._xen:
            memory.write(index, 0, SHARED_INFO, bytes(xen.EVTCHN_PENDING + 8))

    def _step(self, vcpu: ScriptedVcpu, index: int, step: Step) -> Generator[Exit, None, None]:
        if step.what == "work":
            yield from vcpu.work(step.number)
        elif step.what == "wait":
            yield from vcpu.wait(vcpu.time + step.number)
        elif step.what == "clear":
            self._clear(vcpu, index)
        elif step.what == "hog":  # what the others waited for comes to its end meanwhile
            yield from vcpu.wait(vcpu.time + 300)
            yield from vcpu.work(2 * step.number)
            yield from vcpu.say(b"!")
        elif not self._xen or (step.what == "ask" and step.number % 2):
            number = self.calls[step.number % len(self.calls)]
            yield from vcpu.call(number, *step.words[:3], data=bytes(word & 0xFF for word in step.words[3:]))
        elif step.what == "poll":
            self._clear(vcpu, index)
            asked = xen.POLL.pack(PORTS, step.words[0] % 3 + 1, vcpu.time + step.number)
            yield from vcpu.call(xen.Call.SCHED, xen.SchedOp.POLL, data=asked)
        elif step.what == "timer":
            soon = xen.SINGLESHOT.pack(vcpu.time + step.number, 0)
            yield from vcpu.call(xen.Call.VCPU, xen.VcpuOp.SET_SINGLESHOT_TIMER, data=soon)
        elif step.what == "send":
            yield from vcpu.call(xen.Call.EVENT_CHANNEL, xen.EvtchnOp.SEND, data=xen.PORT.pack(step.number))
        else:
            call, operation, layout = XEN[step.number % len(XEN)]
            data = packed(layout, step.words) if isinstance(layout, Struct) else b""
            yield from vcpu.call(call, operation, data=data)


@pytest.mark.parametrize("flavour", SPLIT)
@settings(max_examples=150)
@given(
    cores=st.integers(1, 2),
    priced=st.booleans(),
    programs=st.lists(PROGRAM, min_size=CELLS, max_size=CELLS),
    deaths=st.lists(st.sampled_from((5_000, 12_345, 1 << 40, 1 << 40)), min_size=CELLS, max_size=CELLS),
)
def test_whatever_cells_ask_for_at_whatever_time_the_monitor_goes_on(
    flavour: str, cores: int, priced: bool, programs: list[list[Step]], deaths: list[int]
) -> None:
    board = Board(flavour, cores, priced, programs, deaths)
    for time in (END // 3, END, 30 * END):
        board.bench.until(time)
    account = board.bench.monitor
    used = sum(account.ledger.time(cell.name) for cell in account.cells)
    assert used == sum(core.busy + core.switch_cycles for core in account.scheduler.cores)
