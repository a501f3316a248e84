"""Both transports of the world switch behave alike, towards honest cells and others: real processes at the other end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from cells.order import CellOrder
from hypervisor.abi.records import OVERSHOOT, BadRecord, Event, EventKind, Exit, ExitKind, Resume
from hypervisor.abi.time import NEVER
from hypervisor.shell.links import Link, PeerDied
from hypervisor.shell.links.shm import ShmLink
from hypervisor.shell.links.zmq import ZmqHub, ZmqLink
from hypervisor.shell.processes import Zygote

pytestmark = pytest.mark.slow
SECOND = 1_000_000_000
Connect = Callable[..., Link]


@pytest.fixture(params=["shm", "zmq"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Starts a cell with an entry of tests/support/link_cells.py and returns the monitor's end of its link."""
    zygote = Zygote.start()
    hub = ZmqHub(f"ipc://@cellvisor-test-{os.getpid()}") if request.param == "zmq" else None
    links: list[Link] = []

    def start(entry: str, **settings: object) -> Link:
        link: ShmLink | ZmqLink
        fds = {}
        if hub is None:
            link = ShmLink()
            fds["page"] = link.fd
        else:
            public, secret = hub.admit("peer")
            link = ZmqLink(hub, "peer")
            names = ("endpoint", "server_key", "public_key", "secret_key")
            settings["address"] = dict(zip(names, (hub.endpoint, hub.public_key, public, secret), strict=True))
        process = zygote.spawn(CellOrder("peer", 0, settings), fds, entry=f"tests.support.link_cells:{entry}")
        if isinstance(link, ShmLink):
            link.attach(process.pidfd)
        elif hub is not None:
            hub.watch("peer", process.pidfd)
        links.append(link)
        assert link.wait(30 * SECOND).kind == ExitKind.HELLO  # type: ignore[union-attr]
        return link

    yield start
    for link in links:
        link.close()
    if hub is not None:
        hub.close()
    zygote.stop()


def test_a_thousand_round_trips_answer_in_order(connect: Connect):
    link = connect("echo")
    for seq in range(1, 1000):
        link.resume(Resume(seq, seq, seq + 10, seq, 0))
        answer = link.wait(10 * SECOND)
        assert answer is not None
        assert (answer.seq, answer.time, answer.output) == (seq, seq + 10, b"out")


def test_events_reach_the_cell_with_their_payloads(connect: Connect):
    link = connect("echo")
    events = (Event(3, EventKind.CONSOLE, b"ls\n"), Event(5, EventKind.CONSOLE, b"x" * 900))
    link.resume(Resume(1, 0, 10, 0, 0, events))
    answer = link.wait(10 * SECOND)
    assert answer is not None
    assert answer.data == b"ls\n" + b"x" * 900


def test_a_cell_that_does_not_answer_in_time_is_waited_for_again(connect: Connect):
    link = connect("echo")
    assert link.wait(1_000_000) is None
    link.resume(Resume(1, 0, 10, 0, 0))
    assert link.wait(10 * SECOND) is not None


def test_the_death_of_a_running_cell_is_noticed(connect: Connect):
    link = connect("dies")
    link.resume(Resume(1, 0, 10, 0, 0))
    with pytest.raises(PeerDied):
        link.wait(30 * SECOND)


HONEST = Exit(seq=1, kind=ExitKind.BUDGET, time=10, cycles=1, deadline=NEVER)
LIES = {
    "another seq": HONEST._replace(seq=2),
    "an old seq": HONEST._replace(seq=0),
    "an unknown kind": HONEST._replace(kind=77),
    "a time before its start": HONEST._replace(time=4),
    "a time far after its end": HONEST._replace(time=10 + 2 * OVERSHOOT),
    "a deadline out of range": HONEST._replace(deadline=(1 << 64) - 1),
    "more output than fits": HONEST._replace(output=bytes(1 << 12)),
    "more data than fits": HONEST._replace(data=bytes(1 << 12)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_a_bad_record_and_nothing_else(connect: Connect, lie: Exit):
    link = connect("lies", lie=list(lie))
    link.resume(Resume(1, 5, 10, 0, 0))
    with pytest.raises((BadRecord, PeerDied)):  # libzmq itself drops a peer whose message is far too long
        link.wait(10 * SECOND)
