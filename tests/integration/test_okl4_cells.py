"""The microvisor with real cells: messages, links and shared memory between processes, and what deaths do to them."""

from __future__ import annotations

import pytest

from hypervisor.core.cell import CellState
from tests.support.live import Live
from tests.support.two_cells import ROUNDS, Pair, adds, asks, fills, pairs, pours, reads, writes

pytestmark = pytest.mark.slow

LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])


def answers(port):
    channel = port.connections.channels["client"]
    for _ in range(ROUNDS):
        channel.send(channel.receive().upper())


def sips(port):
    channel = port.connections.channels["client"]
    for number in range(100):
        port.work(40_000)
        assert channel.receive() == number.to_bytes(2, "little") * 512
    port.print("drained")


def floods(port):
    """Never asks whether there is room; the raw protocol."""
    from cells.port import RefusedError

    full = 0
    while full < 200:
        try:
            port.hypercall(32, 1, data=b"!" * 1024)
        except RefusedError as refusal:
            assert refusal.status == -9
            full += 1
    port.print("refused", full, "times")


def gropes(port):
    """Tries every slot that it was not given."""
    from cells.port import RefusedError

    found = []
    for number in (20, 24, 32, 33, 34):
        for slot in [*range(0, 12), 1 << 31, (1 << 64) - 1]:
            try:
                port.hypercall(number, slot, 1)
                found.append((number, slot))
            except RefusedError:
                pass
    port.print(found)


def naps(port):
    port.sleep("50ms")
    channel = port.connections.channels["client"]
    port.print("got", channel.try_receive())


def pounds(port):
    """Writes where it may only read, as native code would: past the view of its own runtime."""
    from cells.engines.native._native import ffi

    board = port.connections.shared["board"]
    port.print("readonly", board.readonly)
    port.yield_()
    place = int(ffi.cast("uintptr_t", ffi.from_buffer(board)))
    ffi.cast("char *", place)[0] = b"x"
    port.print("it worked")


@pytest.fixture
def pair(live: Live) -> Pair:
    """Runs a client and a server under the microvisor, with a message channel and what else is asked for."""
    return pairs(live, "okl4")


@LINKS
def test_two_cells_talk(pair, link):
    run = pair(asks, answers, link=link)
    assert run.console("client") == b"all answered\n"
    assert run.cell("server").why == "status 0"


def test_the_trace_is_the_same_over_either_link_and_each_time(pair):
    hashes = {pair(asks, answers, link=link).trace_hash for link in ("shm", "zmq", "shm")}
    assert len(hashes) == 1


def test_a_fast_sender_is_held_back_and_nothing_is_lost(pair):
    run = pair(pours, sips)
    assert (run.console("client"), run.console("server")) == (b"poured\n", b"drained\n")
    assert run.monitor.ledger.counted("server", "channel") == 100


def test_a_flood_is_refused_and_the_receiver_finds_what_was_accepted(pair):
    run = pair(floods, naps)
    assert run.console("client") == b"refused 200 times\n"
    assert run.console("server") == b"got " + repr(b"!" * 1024).encode() + b"\n"


def test_groping_for_slots_finds_what_was_given_and_no_more(pair):
    run = pair(gropes, naps)
    # IDENTIFY and SEND of the one channel; RECEIVE finds it empty, and nothing else is there.
    assert run.console("client") == b"[(20, 1), (32, 1)]\n"


@LINKS
def test_a_link_is_the_same_bytes_at_both_ends_and_a_bell(pair, link):
    run = pair(fills, adds, "block", link=link)
    assert run.console("client") == b"generation 1\n"


def test_shared_memory_is_there_from_boot_on_and_read_only_where_it_is(pair):
    more = {"shared": [{"name": "board", "size": "8KiB", "cells": {"client": "rw", "server": "r"}}]}
    run = pair(writes, reads, more=more)
    assert run.console("server") == b"hello True\n"


def test_the_hosts_kernel_refuses_a_store_into_what_may_only_be_read(pair):
    more = {"shared": [{"name": "board", "size": "4KiB", "cells": {"client": "rw", "server": "r"}}]}
    run = pair(writes, pounds, more=more)
    assert run.console("server") == b"readonly True\n"
    assert run.state("server") is CellState.FAILED
    assert run.cell("server").why.endswith("SIGSEGV")
    assert run.cell("client").why == "status 0"


def test_a_back_end_that_dies_is_connected_again_with_the_same_pages(live: Live):
    cells = {"client": {"priority": 5}, "server": {"priority": 5, "on_crash": "restart"}}
    channels = [{"between": ["client", "server"], "class": "block"}]
    topology = {"name": "pair", "board": "arm926", "cells": cells, "channels": channels}
    run = live(topology, flavour="okl4", guests={"client": patient, "server": adds})
    run.until("5ms")
    run.kill("server")
    run.until("400ms")
    assert run.console("client") == b"generation 2\n"
    run.monitor.check_invariants()


def patient(port):
    """As `fills`, slowly, and asking again when the other end is a new one."""
    link = port.connections.links["server"]
    for number in range(0, 2 * ROUNDS, 2):
        port.sleep("1ms")
        generation = 0
        while True:
            if link.connected and link.generation != generation:
                generation, link.rung = link.generation, False
                link.memory[8192:8196] = number.to_bytes(4, "little")
                link.notify()
            if link.rung:
                break
            port.connections.wait()
        assert link.memory[8192:8196] == (number + 1).to_bytes(4, "little")
    port.print("generation", link.generation)
