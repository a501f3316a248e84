"""Crimes against the microvisor, one test each: the culprit is refused by name, and its neighbours notice nothing.

The culprits speak the raw protocol: numbers into the monitor, by scripted vCPUs.
"""

from __future__ import annotations

import pytest

from hypervisor.abi.bells import ARRIVED
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.records import EventKind
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import CellState
from hypervisor.core.errors import Refused
from hypervisor.core.okl4.channels import Queue
from hypervisor.core.wiring import MESSAGE_DEPTH, MESSAGE_LIMIT, SharedParams
from tests.support.talkers import Direct, channel, peers, receive, records, rings, send, talk

HUGE = (1 << 64) - 1
SLOT_CALLS = [
    (Hypercall.CHANNEL_SEND, ()),
    (Hypercall.CHANNEL_RECEIVE, ()),
    (Hypercall.NOTIFY, (1,)),
    (Hypercall.MEMORY_MAP, (WINDOW_BASE + (1 << 20), 0)),
    (Hypercall.CAP_IDENTIFY, ()),
]
SECRET = b"not for the culprit"


@pytest.fixture
def world():
    """A culprit with a channel and a link to an accomplice, beside two who have secrets."""
    private = channel("private", 2, 3)
    return Direct(["culprit", "accomplice", "c", "d"], channel("pipe", 0, 1), channel("disk", 0, 1, "block"), private)


@pytest.mark.parametrize(("number", "more"), SLOT_CALLS)
@pytest.mark.parametrize("slot", [0, 4, 99, 257, 1 << 32, HUGE])
def test_a_forged_slot_names_nothing(world, number, more, slot):
    assert world.call("culprit", number, slot, *more) == Status.NO_SUCH_SLOT


def test_no_number_reaches_the_channel_of_others(world):
    world.call("c", Hypercall.CHANNEL_SEND, 1, data=SECRET)
    got = [world.receive("culprit", slot) for slot in range(300)]
    assert all(isinstance(answer, int) and answer < 0 for answer in got)
    assert world.receive("d", 1) == SECRET


@pytest.mark.parametrize(
    ("number", "slot", "more"),
    [
        (Hypercall.CHANNEL_SEND, 2, ()),
        (Hypercall.CHANNEL_RECEIVE, 3, ()),
        (Hypercall.NOTIFY, 1, (1,)),
        (Hypercall.MEMORY_MAP, 1, (WINDOW_BASE + (1 << 20), 0)),
    ],
)
def test_a_slot_of_another_kind_is_refused(world, number, slot, more):
    assert world.call("culprit", number, slot, *more) == Status.BAD_ARGUMENT


def test_rights_that_the_topology_did_not_give_cannot_be_used_or_made():
    one_way = channel("way", 0, 1, front_rights=frozenset({"send"}), back_rights=frozenset({"receive"}))
    board = SharedParams("board", PAGE, {0: False, 1: True})
    world = Direct(["culprit", "other"], one_way, board)
    assert world.call("culprit", Hypercall.CHANNEL_RECEIVE, 1) == Status.RIGHTS
    assert world.call("other", Hypercall.CHANNEL_SEND, 1, data=b"x") == Status.RIGHTS
    assert world.call("culprit", Hypercall.MEMORY_MAP, 2, WINDOW_BASE + (1 << 20), 1) == Status.RIGHTS
    assert world.call("culprit", Hypercall.CAP_MINT, 1, 63) == Status.DENIED


@pytest.mark.parametrize("address", [0, WINDOW_BASE - PAGE, WINDOW_BASE + 1, WINDOW_BASE + (16 << 20) - PAGE, HUGE])
def test_pages_cannot_be_put_outside_the_window_or_askew(world, address):
    assert world.call("culprit", Hypercall.MEMORY_MAP, 3, address, 1) == Status.BAD_ARGUMENT


def test_pages_cannot_be_put_on_top_of_others(world):
    assert world.call("culprit", Hypercall.MEMORY_MAP, 3, WINDOW_BASE, 1) == Status.WRONG_STATE


@pytest.mark.parametrize(
    ("address", "pages", "status"),
    [
        (WINDOW_BASE, 17, Status.DENIED),
        (WINDOW_BASE + (1 << 20), 1, Status.NOT_YOURS),
        (WINDOW_BASE + (1 << 20), HUGE, Status.NOT_YOURS),
        (WINDOW_BASE + (1 << 20) + 1, 1, Status.BAD_ARGUMENT),
        (WINDOW_BASE + (1 << 20), 0, Status.BAD_ARGUMENT),
    ],
)
def test_what_is_not_there_or_must_stay_cannot_be_unmapped(world, address, pages, status):
    assert world.call("culprit", Hypercall.MEMORY_UNMAP, address, pages) == status


def test_mapping_the_same_pages_again_and_again_comes_to_an_end(world):
    place, answers = WINDOW_BASE + (1 << 20), []
    for _ in range(300):
        answers.append(world.call("culprit", Hypercall.MEMORY_MAP, 3, place, 1))
        place += 17 * PAGE
    assert set(answers) <= {Status.OK, Status.NO_ROOM, Status.BAD_ARGUMENT}
    assert answers[-1] != Status.OK
    assert world.call("accomplice", Hypercall.MEMORY_MAP, 3, WINDOW_BASE + (1 << 20), 1) == Status.OK


def test_a_message_that_is_too_long_is_refused_and_leaves_nothing():
    queue = Queue()
    with pytest.raises(Refused, match="TOO_LONG: a message of 1025 bytes, at most 1024"):
        queue.put(bytes(MESSAGE_LIMIT + 1))
    assert len(queue) == 0


def flood(vcpu):
    """Sends without end, in no time of its own."""
    while True:
        yield from send(vcpu, 1, b"!" * MESSAGE_LIMIT)
        yield from vcpu.work(1)


def witness(rounds):
    def script(vcpu):
        for number in range(100):
            yield from vcpu.work(100)
            rounds.append(number)

    return script


def sleeper(vcpu):
    """Never looks at what comes."""
    yield from vcpu.work(1)
    peers(vcpu)
    vcpu.events.clear()
    while True:
        yield from vcpu.wait(NEVER)
        vcpu.events.clear()


def test_a_flood_of_messages_fills_its_own_channel_and_nothing_else():
    rounds: list[int] = []
    bench = talk(
        {"culprit": flood, "victim": sleeper, "w": witness(rounds)}, channel("pipe", 0, 1), policy="round_robin"
    )
    bench.until(100_000)
    assert rounds == list(range(100))
    refusals = records(bench, "refused")
    assert refusals and all("FULL" in refusal["why"] for refusal in refusals)
    queue = bench.monitor.mechanism.connections.all[0].queues[1]
    assert len(queue) == MESSAGE_DEPTH
    assert bench.cell("culprit").state is CellState.RUNNING


def test_a_storm_of_notifications_takes_no_room_and_leaves_time_for_others():
    rounds: list[int] = []
    world = Direct(["culprit", "victim"], channel("input", 0, 1, "input"))
    for _ in range(1_000):
        assert world.call("culprit", Hypercall.NOTIFY, 1, HUGE) == Status.OK
    assert len(world.take("victim", EventKind.NOTIFY)) == 1

    # The same through a message channel, whose every message rings, with the victim awake and time passing.
    def victim(vcpu):
        while True:
            yield from vcpu.wait(NEVER)
            assert len(rings(vcpu)) <= 1
            peers(vcpu)
            while isinstance((yield from receive(vcpu, 1)), bytes):
                pass

    cells = {"culprit": flood, "victim": victim, "w": witness(rounds)}
    bench = talk(cells, channel("pipe", 0, 1), policy="round_robin")
    bench.until(100_000)
    assert rounds == list(range(100))
    assert bench.cell("victim").state is CellState.RUNNING


def test_a_bit_that_means_something_to_channels_means_nothing_from_a_link(world):
    """A partner cannot make one believe that a message has come: the source is another slot."""
    world.call("culprit", Hypercall.NOTIFY, 2, ARRIVED)
    assert world.rings("accomplice") == [(2, ARRIVED)]
    assert world.receive("accomplice", 1) == Status.EMPTY


def test_ringing_for_nothing_is_refused(world):
    assert world.call("culprit", Hypercall.NOTIFY, 2, 0) == Status.BAD_ARGUMENT
    assert world.rings("accomplice") == []


@pytest.mark.parametrize("number", range(16, 20))
def test_the_authority_of_a_cell_cannot_be_changed_after_boot(world, number):
    before = world.monitor.mechanism.authority.listing(0)
    assert world.call("culprit", number, 1, 4) == Status.DENIED
    assert world.monitor.mechanism.authority.listing(0) == before
