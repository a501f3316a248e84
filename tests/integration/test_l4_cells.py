"""The microkernel with real cells: rendezvous, links, shared memory, pagers and hosted machines, and what deaths do to them."""

from __future__ import annotations

import pytest

from cells.flavours import threads
from cells.flavours.ipc import Kernel
from cells.programs import paging
from hypervisor.abi.l4 import Label, Message
from hypervisor.abi.status import Status
from hypervisor.core.cell import CellState
from tests.support.live import Live, advance
from tests.support.two_cells import Pair, adds, fills, pairs, reads, writes

pytestmark = pytest.mark.slow

LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])
SIZES = (0, 1, 3, 4, 17, 251, 252, 253, 1000, 1023, 1024)


def asks(port):
    channel = port.connections.channels["server"]
    for size in SIZES * 3:
        question = bytes((size + at) & 0xFF for at in range(size))
        channel.send(question)
        assert channel.receive() == question[::-1]
    port.print("all answered")


def answers(port):
    channel = port.connections.channels["client"]
    for _ in range(3 * len(SIZES)):
        channel.send(channel.receive()[::-1])


def too_much(port):
    from cells.port import RefusedError
    from hypervisor.abi.status import Status

    channel = port.connections.channels["server"]
    for attempt in (lambda: channel.send(bytes(1025)), lambda: channel.receive(port.now + 3_000)):
        try:
            attempt()
        except RefusedError as refusal:
            port.print(Status(refusal.status).name)
    port.print(channel.try_send(b"x"), channel.try_receive())


def dawdles(port):
    port.sleep("100ms")


def keeps_mail(port):
    """Waits for something else; the messages that come meanwhile are for later."""
    channel = port.connections.channels["client"]
    for _ in range(3):
        port.connections.wait()
    port.print([channel.receive(), channel.receive(), channel.receive()])


def mails(port):
    for text in (b"one", b"two", b"three"):
        port.connections.channels["server"].send(text)


def watches(port):
    """A front end that keeps its pages while back ends come and go."""
    link = port.connections.links["server"]
    link.memory[0:5] = b"still"
    seen = 0
    while seen < 3:
        port.connections.wait()
        if link.connected and link.generation > seen:
            seen = link.generation
            port.print("generation", seen)
    port.print(bytes(link.memory[0:5]).decode())


def comes_and_goes(port):
    link = port.connections.links["client"]
    while not link.connected:
        port.connections.wait()
    assert bytes(link.memory[0:5]) == b"still"
    port.sleep("1ms")
    raise RuntimeError("done for")


def typed(port):
    """An open receive ends for a key, too."""
    while not (text := port.read()):
        port.connections.wait()
    port.print("heard", text.strip().decode())


def locks(port):
    """Both send first."""
    from cells.port import RefusedError
    from hypervisor.abi.status import Status

    (channel,) = port.connections.channels.values()
    try:
        channel.send(b"after you")
        port.print("sent")
    except RefusedError as refusal:
        port.print(Status(refusal.status).name)
        port.print(channel.receive().decode())


@pytest.fixture
def pair(live: Live) -> Pair:
    """Runs a client and a server under the microkernel, with a message channel and what else is asked for."""
    return pairs(live, "l4")


@LINKS
def test_two_cells_talk_in_messages_of_every_size(pair, link):
    run = pair(asks, answers, link=link)
    assert run.console("client") == b"all answered\n"
    assert run.cell("server").why == "status 0"


def test_the_trace_is_the_same_over_either_link_and_each_time(pair):
    hashes = {pair(asks, answers, link=link).trace_hash for link in ("shm", "zmq", "shm")}
    assert len(hashes) == 1


def test_who_cannot_wait_is_told_why(pair):
    run = pair(too_much, dawdles)
    assert run.console("client") == b"TOO_LONG\nTIMEOUT\nFalse None\n"


def test_messages_that_come_while_something_else_is_waited_for_are_kept_in_order(pair):
    assert pair(mails, keeps_mail).console("server") == b"[b'one', b'two', b'three']\n"


@LINKS
def test_a_link_is_the_same_bytes_at_both_ends_and_a_bell(pair, link):
    run = pair(fills, adds, "block", link=link)
    assert run.console("client") == b"generation 1\n"


def test_a_front_end_keeps_its_pages_and_gives_them_to_the_next_back_end(pair):
    run = pair(watches, comes_and_goes, "console", server_table={"on_crash": "restart"})
    assert run.console("client") == b"generation 1\ngeneration 2\ngeneration 3\nstill\n"


def test_a_back_end_notices_that_its_front_end_is_gone_and_has_nothing_left_of_it(pair):
    def front(port):
        link = port.connections.links["server"]
        while not link.connected:
            port.connections.wait()

    def back(port):
        link = port.connections.links["client"]
        while not link.connected:
            port.connections.wait()
        port.print("connected")
        while link.connected:
            port.connections.wait()
        port.print("gone", bytes(link.memory[0:4]))

    run = pair(front, back, "block")
    assert run.console("server") == b"connected\ngone b'\\x00\\x00\\x00\\x00'\n"


def test_an_open_receive_ends_for_a_key(live):
    cells = {"cell": {"priority": 5}, "other": {}}
    channels = [{"between": ["cell", "other"], "class": "message"}]
    topology = {"name": "keys", "board": "arm926", "cells": cells, "channels": channels}
    run = live(topology, flavour="l4", guests={"cell": typed, "other": dawdles})
    advance(run, "10ms")
    run.type_text("cell", "key\n")
    advance(run, "10ms")
    assert run.console("cell") == b"heard key\n"


def test_shared_memory_is_there_from_boot_on_and_read_only_where_it_is(pair):
    more = {"shared": [{"name": "board", "size": "8KiB", "cells": {"client": "rw", "server": "r"}}]}
    assert pair(writes, reads, more=more).console("server") == b"hello True\n"


def test_two_that_both_send_first_are_a_deadlock_that_the_backstop_ends(pair):
    run = pair(locks, locks)
    assert {run.console("client"), run.console("server")} == {b"TIMEOUT\nafter you\n", b"sent\n"}


@LINKS
def test_pages_come_on_demand_through_two_pagers(live, link):
    run = live("pager", flavour="l4", link=link)
    run.run()
    assert run.console("client") == b"32 pages, checksum 52559412\n"
    assert run.monitor.ledger.counted("client", "page_fault") == 32
    assert run.monitor.ledger.counted("middle", "page_fault") == 32


def test_the_same_pages_come_without_a_pager_under_another_flavour(live):
    run = live("pager", flavour="okl4")
    run.run()
    assert run.console("client") == b"32 pages, checksum 52559412\n"


def test_a_dead_pager_hurts_its_clients_only(live):
    run = live("pager", flavour="l4")
    run.plan_kill("root", "20us")
    run.run()
    assert [run.cell(name).state for name in ("client", "middle", "root")] == [CellState.FAILED] * 3
    assert "pager" not in run.cell("client").why
    assert run.cell("client").why.endswith("middle is gone")
    assert run.cell("middle").why.endswith("root is gone")


def test_a_pager_has_the_pages_of_a_dead_client_for_the_next_one(live):
    def greedy(port):
        paging.client(port, 100)
        raise RuntimeError("once more")

    cells = {
        "client": {"pager": "pager", "on_crash": "restart", "ram": "1MiB"},
        "pager": {"priority": 5, "ram": "480KiB"},
    }
    run = live(
        {"name": "p", "board": "arm926", "cells": cells}, flavour="l4", guests={"client": greedy, "pager": paging.pager}
    )
    run.until("1s")
    assert run.console("client").count(b"100 pages") == 4


def test_an_image_finds_its_uart_in_a_program(live):
    run = live("hosted", flavour="l4")
    run.run()
    assert run.console("vmm").startswith(b"hello from a bare-metal guest")
    assert run.console("guest") == b""
    assert run.cell("guest").why == "status 0"
    assert run.monitor.ledger.counted("guest", "page_fault") > len(run.console("vmm"))


def test_the_same_image_finds_it_in_itself_under_another_flavour(live):
    run = live("hosted", flavour="okl4")
    run.run()
    assert run.console("guest").startswith(b"hello from a bare-metal guest")


def test_a_machine_whose_monitor_dies_fails_at_its_next_access(live):
    run = live("hosted", flavour="l4")
    run.plan_kill("vmm", "30us")
    run.run()
    assert run.cell("guest").state is CellState.FAILED
    assert run.cell("guest").why.endswith("vmm is gone")


@pytest.mark.guests
@pytest.mark.long
def test_an_unmodified_kernel_boots_to_its_shell_with_its_uart_in_a_program(live):
    linux = {
        "kernel": "debian:marvell",
        "initrd": "debian:busybox",
        "append": "quiet",
        "pager": "vmm",
        "emulated": ["uart0"],
    }
    cells = {"linux": linux, "vmm": {"guest": "cells.programs.vmm:main", "priority": 6}}
    run = live({"name": "hosted_linux", "board": "arm926", "console": "vmm", "cells": cells}, flavour="l4")
    while b"# " not in run.console("vmm") and run.now < run.cycles("30s"):
        advance(run, "500ms")
    run.type_text("vmm", "echo answer $((6*7))\n")
    advance(run, "1s")
    assert b"answer 42" in run.console("vmm")


def office(port):
    """Two clerks, one archive: three threads on one vCPU. The slow clerk does not hold up the quick one."""
    slots = {told["peer"]: told["slot"] for told in port.boot["channels"]}

    def clerk(client, questions, pause):
        for _ in range(questions):
            who, question = yield threads.Receive(slots[client])
            assert who == slots[client]
            yield threads.Sleep(port.now + pause)
            _, found = yield threads.Call("archive", question)
            yield threads.Send(who, found)

    def archive(questions):
        for _ in range(questions):
            clerk, question = yield threads.Receive()
            yield threads.Send(clerk, Message(Label.USER, (question.words[0] + 1,)))

    def late():
        gone = yield threads.Send("archive", Message())
        while gone == Status.OK:
            gone = yield threads.Send("archive", Message())
        port.print("archive:", Status(gone).name)

    crew = threads.Threads(port)
    crew.spawn("slow", clerk("slow", 1, port.cycles("2ms")))
    crew.spawn("quick", clerk("quick", 5, 0), priority=1)
    crew.spawn("archive", archive(6))
    crew.run()
    crew.spawn("late", late())
    crew.run()


def visitor(question, times):
    def program(port):
        kernel, slot = Kernel(port), port.boot["channels"][0]["slot"]
        for number in range(times):
            assert kernel.call(slot, Message(Label.USER, (question + number,))).words == (question + number + 1,)
        port.print("answered at", port.now // port.cycles("1ms"))

    return program


def test_threads_inside_a_cell_hold_several_conversations_at_once(live):
    cells = {"office": {}, "slow": {"priority": 2}, "quick": {"priority": 1}}
    channels = [{"between": [name, "office"], "class": "message"} for name in ("slow", "quick")]
    topology = {"name": "office", "board": "arm926", "for": "50ms", "cells": cells, "channels": channels}
    guests = {"office": office, "slow": visitor(1_000, 1), "quick": visitor(0, 5)}
    run = live(topology, flavour="l4", guests=guests)
    run.run()
    assert run.console("office") == b"archive: PEER_GONE\n"
    assert run.console("slow") == b"answered at 2\n"
    assert run.console("quick") == b"answered at 0\n"
