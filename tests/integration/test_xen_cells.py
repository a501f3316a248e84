"""The hypervisor with real cells: messages, links, shared memory and the raw interface between processes, and what deaths do."""

from __future__ import annotations

from typing import Any

import pytest

from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.core.xen import XenHypervisor
from tests.support.live import Live
from tests.support.two_cells import asks, pours  # noqa: F401  the topologies name them

pytestmark = pytest.mark.slow

LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])


def answers(port):
    channel = port.connections.channels["client"]
    while True:
        channel.send(channel.receive().upper())


def sips(port):
    from cells.port import RefusedError

    channel = port.connections.channels["client"]
    for number in range(100):
        port.work(40_000)
        assert channel.receive() == number.to_bytes(2, "little") * 512
    try:
        channel.receive()
    except RefusedError as refusal:
        port.print("drained", refusal.status)


def impatient(port):
    from cells.port import RefusedError

    channel = port.connections.channels["server"]
    for wrong in (lambda: channel.receive(port.now + 10_000_000), lambda: channel.send(bytes(1025))):
        try:
            wrong()
        except RefusedError as refusal:
            port.print(refusal.status)
    port.print(channel.try_receive(), channel.try_send(b"x"))


def listens(port):
    port.print(port.connections.channels["client"].receive())


def counts_up(port):
    """Writes a number and waits until the back end has written it too, whichever back end that is."""
    connections = port.connections
    link = connections.links["server"]
    for number in range(1, 101):
        told = 0
        while link.memory[4] != number:
            if link.connected and told != link.generation:
                link.memory[0] = number
                told = link.generation
                link.notify()
            connections.wait()
    port.print("counted to", link.memory[4], "with", link.generation, "partners")


def follows(port):
    connections = port.connections
    link = connections.links["client"]
    while True:
        connections.wait()
        while link.connected and link.memory[4] != link.memory[0]:
            port.work(2_000)
            link.memory[4] = link.memory[0]
            link.notify()


def comes_and_goes(port):
    """A front end that says hello, and dies of it in its first lives."""
    connections = port.connections
    link = connections.links["server"]
    while not link.connected:
        connections.wait()
    assert bytes(link.memory[:2]) == b"\0\0", "a new front end has fresh pages"
    link.memory[0] = 1
    link.notify()
    while link.memory[1] != 1:
        connections.wait()
    port.print("served")
    raise RuntimeError("dead again")


def serves_all(port):
    connections = port.connections
    link = connections.links["client"]
    while True:
        connections.wait()
        if link.connected and link.memory[0] != link.memory[1]:
            link.memory[1] = link.memory[0]
            link.notify()
            port.print("partner", link.generation)


def board_keeper(port):
    port.connections.shared["board"][:5] = b"chalk"
    port.connections.channels["reader"].send(b"look")


def board_reader(port):
    shared = port.connections.shared["board"]
    port.connections.channels["keeper"].receive()
    try:
        shared[0] = 0
    except TypeError:
        port.print(bytes(shared[:5]), "and no sponge")


def raw_crimes(port):
    """Speaks the interface without our library: forged ports, references, pointers and ring indices."""
    import struct

    from cells.port import RefusedError

    page = port.memory.allocate(1)
    view = port.memory.view(page, 4096)
    refused = []

    def call(number, operation, *arguments):
        try:
            port.hypercall(0x100 + number, operation, *arguments)
            refused.append(0)
        except RefusedError as refusal:
            refused.append(refusal.status)

    struct.pack_into("<I", view, 0, 900)
    call(32, 4, page)  # send to a port it has not
    call(32, 4, 0xFFFF_FFFF_0000)  # a pointer into nowhere
    struct.pack_into("<QIIH", view, 0, 0, 2, 8, 0)
    call(20, 0, page, 1)  # map a grant of Dom0 that is none
    refused.append(struct.unpack_from("<h", view, 18)[0])
    call(20, 0, page, 1 << 31)
    struct.pack_into("<H2xIQ", view, 0, 0x7FF0, 1, 1 << 50)
    call(34, 0, page)  # the store's ring in no page at all
    ring = port.memory.allocate(1)
    struct.pack_into("<H2xIQ", view, 0, 0x7FF0, 1, ring // 4096)
    call(34, 0, page)
    struct.pack_into("<I", port.memory.view(ring, 4096), 2052, 0xDEAD_BEEF)
    struct.pack_into("<I", view, 0, 1)
    call(32, 4, page)  # rings the store with an impossible index
    refused.append(struct.unpack_from("<I", port.memory.view(ring, 4096), 2072)[0])
    port.print(refused)


def run_cells(live: Live, time: str, channel: dict[str, Any] | None = None, **cells: Any) -> Run:
    options = {name: cells.pop(name) for name in ("link", "shared") if name in cells}
    table = {
        "name": "domains",
        "board": "arm926",
        "flavour": "xen",
        "cells": {
            name: {"guest": f"{__name__}:{cell}"} if isinstance(cell, str) else cell for name, cell in cells.items()
        },
        "channels": [channel or {"between": ["client", "server"], "class": "message"}],
    }
    if "shared" in options:
        table["shared"] = options.pop("shared")
    run = live(table, **options)
    run.until(time)
    run.monitor.check_invariants()
    return run


BLOCK = {"between": ["client", "server"], "class": "block"}


def guest(name: str, **more: Any) -> dict[str, Any]:
    return {"guest": f"{__name__}:{name}", **more}


@LINKS
def test_messages_go_to_and_fro(live: Live, link: str) -> None:
    run = run_cells(live, "500ms", client="asks", server="answers", link=link)
    assert run.console("client") == b"all answered\n"


def test_a_stream_of_messages_is_held_back_and_survives_its_sender(live: Live) -> None:
    run = run_cells(live, "500ms", client="pours", server="sips")
    assert run.console("client") == b"poured\n"
    assert run.console("server") == b"drained -11\n"


def test_few_notifications_are_needed_for_many_messages(live: Live) -> None:
    run = run_cells(live, "500ms", client="pours", server="sips")
    assert run.monitor.ledger.counted("client", "notify") < 60


def test_who_may_not_wait_is_told_why_nothing_came(live: Live) -> None:
    run = run_cells(live, "500ms", client="impatient", server="listens")
    assert run.console("client") == b"-8\n-13\nNone True\n"
    assert run.console("server") == b"b'x'\n"


@LINKS
def test_a_link_survives_the_deaths_of_its_back_end(live: Live, link: str) -> None:
    run = run_cells(live, "3ms", BLOCK, client="counts_up", server=guest("follows", on_crash="restart"), link=link)
    for death in range(3):
        run.until(f"{6 + 2 * death}ms")
        run.kill("server")
        run.monitor.check_invariants()
    run.until("1s")
    assert run.cell("server").account.restarts == 3
    assert run.console("client").startswith(b"counted to 100 with ")
    assert run.state("client") is CellState.SHUT_DOWN


def test_the_death_of_a_front_end_leaves_its_back_end_clean(live: Live) -> None:
    run = run_cells(
        live, "2s", BLOCK, client=guest("comes_and_goes", on_crash="restart", max_restarts=2), server="serves_all"
    )
    assert run.console("client") == b"served\n" * 3
    assert run.console("server") == b"partner 1\npartner 2\npartner 3\n"
    xen = run.monitor.mechanism
    assert isinstance(xen, XenHypervisor)
    server = xen.domains.of(run.cell("server"))
    assert server.handles == {}, "what the dead front had granted was given back"
    assert all(port.handler is not None for port in server.ports.values()), "and the ports to it are closed"


def test_shared_memory_is_there_from_boot_and_read_only_is_read_only(live: Live) -> None:
    shared = [{"name": "board", "size": "4KiB", "cells": {"keeper": "rw", "reader": "r"}}]
    channel = {"between": ["keeper", "reader"], "class": "message"}
    run = run_cells(live, "500ms", channel, keeper="board_keeper", reader="board_reader", shared=shared)
    assert run.console("reader") == b"b'chalk' and no sponge\n"


def test_crimes_in_the_raw_protocol_are_refused_and_the_neighbours_go_on(live: Live) -> None:
    channel = {"between": ["thief", "server"], "class": "console"}
    cells = {"client": "asks", "server": "answers", "thief": "raw_crimes"}
    table = {
        "name": "court",
        "board": "arm926",
        "flavour": "xen",
        "cells": {name: guest(function) for name, function in cells.items()},
        "channels": [{"between": ["client", "server"], "class": "message"}, channel],
    }
    run = live(table)
    run.until("500ms")
    run.monitor.check_invariants()
    assert run.console("thief") == b"[-22, -14, 0, -3, -7, -22, 0, 0, 2]\n"
    assert run.console("client") == b"all answered\n"


def test_two_runs_have_the_same_trace_with_a_death_in_them(live: Live) -> None:
    def digest() -> str:
        run = run_cells(live, "5ms", BLOCK, client="counts_up", server=guest("follows", on_crash="restart"))
        run.kill("server")
        run.until("500ms")
        return run.trace.digest()

    assert digest() == digest()
