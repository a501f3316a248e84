"""Synchronous IPC against a simple account: whatever cells do, no message is lost or comes twice, and nobody waits for the
dead.

Each cell runs a little program of its own (sends, receives, calls with and without timeouts, naps, a death), all of them under
the microkernel. Every message is unlike every other. At the end the account of what was sent with success is compared with what
was received, and who still waits is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from hypervisor.abi.l4 import ANY, NIL, REPLY, Label, Message
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.l4 import Microkernel
from tests.support.l4_cells import channel, ipc, meet, pause
from tests.support.scripted import Bench, ScriptedVcpu

CELLS = 4
TIMEOUTS = st.sampled_from((0, 64, 1_024, 16_384, NEVER))


class Step(NamedTuple):
    """What a cell does: `peer` is a place in its list of partners."""

    what: str
    peer: int
    send: int
    receive: int


STEPS = st.builds(
    Step,
    st.sampled_from(("send", "receive", "hear", "call", "serve", "nap", "nap", "die")),
    st.integers(0, CELLS - 2),
    TIMEOUTS,
    TIMEOUTS,
)
PROGRAMS = st.lists(st.lists(STEPS, max_size=8), min_size=CELLS, max_size=CELLS)


class Account:
    """What was sent and received. `maybe`: sent by a call whose answer did not come, so that its caller does not know."""

    def __init__(self) -> None:
        self.next = 0
        self.sent: set[int] = set()
        self.maybe: set[int] = set()
        self.received: list[int] = []

    def fresh(self) -> Message:
        self.next += 1
        return Message(Label.USER, (self.next,))

    def heard(self, message: Message) -> None:
        if message.words:
            self.received.append(message.words[0])


def program(steps: list[Step], account: Account) -> object:
    def script(vcpu: ScriptedVcpu) -> Iterator[Exit]:
        for step in steps:
            vcpu.events.clear()
            yield from DO[step.what](vcpu, step, account)

    return script


def send(vcpu: ScriptedVcpu, step: Step, account: Account) -> Iterator[Exit]:
    message = account.fresh()
    account.maybe.add(message.words[0])
    got = yield from ipc(vcpu, step.peer + 1, message=message, send=step.send)
    account.maybe.discard(message.words[0])
    if got.status == 0:
        account.sent.add(message.words[0])
    assert got.status in (0, Status.TIMEOUT, Status.PEER_GONE)


def call(vcpu: ScriptedVcpu, step: Step, account: Account) -> Iterator[Exit]:
    message, slot = account.fresh(), step.peer + 1
    account.maybe.add(message.words[0])
    got = yield from ipc(vcpu, slot, slot, message, step.send, step.receive)
    if got.status != Status.PEER_GONE:  # of the partner that had heard it, or before
        account.maybe.discard(message.words[0])
    if got.status in (0, Status.EMPTY):
        account.sent.add(message.words[0])
    account.heard(got.message)


def receive(vcpu: ScriptedVcpu, step: Step, account: Account) -> Iterator[Exit]:
    got = yield from ipc(vcpu, source=step.peer + 1, receive=step.receive)
    assert got.status in (0, Status.EMPTY, Status.PEER_GONE)
    assert got.status or got.who == step.peer + 1
    account.heard(got.message)


def hear(vcpu: ScriptedVcpu, step: Step, account: Account) -> Iterator[Exit]:
    got = yield from ipc(vcpu, source=ANY, receive=step.receive)
    assert got.status in (0, Status.EMPTY)
    assert got.status or got.who in range(CELLS)  # NIL: something else happened
    account.heard(got.message)


def serve(vcpu: ScriptedVcpu, step: Step, account: Account) -> Iterator[Exit]:
    message = account.fresh()
    account.maybe.add(message.words[0])
    got = yield from ipc(vcpu, REPLY, NIL, message)
    account.maybe.discard(message.words[0])
    if got.status == 0:
        account.sent.add(message.words[0])
    assert got.status in (0, Status.WRONG_STATE)


def nap(vcpu: ScriptedVcpu, step: Step, account: Account) -> Iterator[Exit]:
    yield from pause(vcpu, 500 * (step.peer + 1))


def die(vcpu: ScriptedVcpu, step: Step, account: Account) -> Iterator[Exit]:
    yield vcpu.exit(ExitKind.FAULT)


DO = {"send": send, "receive": receive, "hear": hear, "call": call, "serve": serve, "nap": nap, "die": die}


def run(programs: list[list[Step]], account: Account, cores: int, policy: str) -> Bench:
    wires = [channel(f"{a}{b}", a, b) for a in range(CELLS) for b in range(a + 1, CELLS)]
    scripts = {f"cell{number}": program(steps, account) for number, steps in enumerate(programs)}
    params = {name: {"priority": place} for place, name in enumerate(scripts)}
    bench = meet(scripts, *wires, cores=cores, policy=policy, params=params)  # type: ignore[arg-type]
    bench.until(NEVER)
    return bench


@settings(max_examples=150, deadline=None)
@given(PROGRAMS, st.sampled_from((1, 2)), st.sampled_from(("round_robin", "fixed_priority")))
def test_no_message_is_lost_or_comes_twice_and_nobody_waits_for_the_dead(
    programs: list[list[Step]], cores: int, policy: str
) -> None:
    account = Account()
    bench = run(programs, account, cores, policy)
    received = set(account.received)
    assert len(received) == len(account.received), "a message came twice"
    # A receiver that died in the call in which it was handed a message has heard it and told nobody.
    assert received <= account.sent | account.maybe
    lost = account.sent - received
    assert len(lost) <= sum(cell.ended and "fault" in cell.why for cell in bench.monitor.cells)
    mechanism = bench.monitor.mechanism
    assert isinstance(mechanism, Microkernel)
    for wait in mechanism.ipc.waits.values():
        assert wait.waits_for is None or not bench.monitor.cells[wait.waits_for].ended
        assert not wait.cell.ended


@settings(max_examples=25, deadline=None)
@given(PROGRAMS)
def test_the_same_programs_leave_the_same_trace(programs: list[list[Step]]) -> None:
    first, second = (run(programs, Account(), 1, "fixed_priority") for _ in range(2))
    assert first.trace.digest() == second.trace.digest()
