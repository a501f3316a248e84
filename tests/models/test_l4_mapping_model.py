"""Address spaces against what was given: whatever cells map, grant, unmap and die, each sees what hangs below a page, no more.

Each cell runs a little program: it sends pages of its own or of its window on, takes what comes, takes back, gives up, dies.
Every page of own memory bears a stamp. Meanwhile the database, the memory and the host's views must agree; some cells do not
co-operate when pages are taken from them, and must not see what is written afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.l4 import FLUSH, Item, ItemKind, Label, Message
from hypervisor.abi.memory import PAGE, READ, WINDOW_BASE, WRITE
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.l4 import Microkernel
from tests.support.l4_cells import accept, call, channel, ipc, meet, pause, rest
from tests.support.memory import AccessError
from tests.support.scripted import Bench, ScriptedVcpu

CELLS, OWN, WINDOW = 3, 4, 12
ALLOWED = {Status.OK, Status.TIMEOUT, Status.PEER_GONE, Status.BAD_ARGUMENT, Status.RIGHTS, Status.WRONG_STATE}
ALLOWED |= {Status.NO_ROOM, Status.TOO_LONG}


class Step(NamedTuple):
    """`page`: below OWN a page of own memory, else of the window."""

    what: str
    peer: int
    page: int
    count: int
    write: bool


STEPS = st.builds(
    Step,
    st.sampled_from(("map", "map", "map", "grant", "take", "take", "take", "unmap", "flush", "weaken", "nap", "die")),
    st.integers(1, CELLS - 1),
    st.integers(0, OWN + WINDOW - 1),
    st.integers(1, 3),
    st.booleans(),
)
PROGRAMS = st.lists(st.lists(STEPS, max_size=10), min_size=CELLS, max_size=CELLS)


def address_of(page: int) -> int:
    return page * PAGE if page < OWN else WINDOW_BASE + (page - OWN) * PAGE


def program(steps: list[Step]) -> Any:
    def script(vcpu: ScriptedVcpu) -> Iterator[Exit]:
        yield from accept(vcpu, WINDOW_BASE, WINDOW)
        for step in steps:
            vcpu.events.clear()
            yield from do(vcpu, step)
        yield from rest(vcpu)

    return script


def do(vcpu: ScriptedVcpu, step: Step) -> Iterator[Exit]:
    address = address_of(step.page)
    if step.what in ("map", "grant"):
        kind = ItemKind.MAP if step.what == "map" else ItemKind.GRANT
        item = Item(kind, address, step.count, READ | WRITE if step.write else READ)
        got = yield from ipc(vcpu, step.peer, message=Message(Label.USER, items=(item,)), send=4_096)
        assert got.status in ALLOWED
    elif step.what == "take":
        yield from ipc(vcpu, source=0xFFFF, receive=8_192)
    elif step.what == "nap":
        yield from pause(vcpu, 1_000)
    elif step.what == "die":
        yield vcpu.exit(ExitKind.FAULT)
    else:
        rights = {"unmap": READ, "flush": READ | FLUSH, "weaken": WRITE}[step.what]
        assert (yield from call(vcpu, Hypercall.IPC_UNMAP, address, step.count, rights)) >= 0


def stamp(cell: int, page: int, turn: int) -> bytes:
    return bytes((turn, cell, page, 0xEE))


def write_stamps(bench: Bench, turn: int) -> None:
    host: Any = bench.monitor.memory.host
    for cell in bench.monitor.cells:
        if not cell.ended:
            for page in range(OWN):
                host.store(cell, page * PAGE, stamp(cell.index, page, turn))


def seen(bench: Bench) -> dict[tuple[int, int], bytes]:
    """What each process reads at each page of its window."""
    host: Any = bench.monitor.memory.host
    found = {}
    for cell in bench.monitor.cells:
        for page in range(WINDOW):
            try:
                found[cell.index, page] = bytes(host.load(cell, WINDOW_BASE + page * PAGE, 4))
            except AccessError:
                continue
    return found


@settings(max_examples=120, deadline=None)
@given(PROGRAMS, st.sets(st.integers(0, CELLS - 1)))
def test_each_cell_sees_the_pages_that_hang_below_their_roots_and_no_others(
    programs: list[list[Step]], stubborn: set[int]
) -> None:
    wires = [channel(f"{a}{b}", a, b) for a in range(CELLS) for b in range(a + 1, CELLS)]
    scripts = {f"cell{number}": program(steps) for number, steps in enumerate(programs)}
    bench = meet(scripts, *wires, params={name: {"ram": OWN * PAGE} for name in scripts})
    host: Any = bench.monitor.memory.host
    host.stubborn = stubborn
    for time in (2_000, 5_000, 9_000, 20_000):
        bench.until(time)  # and everything is checked
        write_stamps(bench, time >> 8)
        compare(bench, stubborn, time >> 8)
    bench.until(NEVER)


def compare(bench: Bench, stubborn: set[int], turn: int) -> None:
    mechanism = bench.monitor.mechanism
    assert isinstance(mechanism, Microkernel)
    views = seen(bench)
    expected = {}
    for page in mechanism.mapping.pages():
        root = page
        while root.parent is not None:
            root = root.parent
        if page is not root:
            expected[page.cell, page.number - WINDOW_BASE // PAGE] = stamp(root.cell, root.number, turn)
    for place, content in expected.items():
        assert views[place] == content
    for place in views.keys() - expected.keys():
        # One that does not co-operate still looks at something: not at what anybody has written since.
        assert place[0] in stubborn
        assert views[place][0] != turn
