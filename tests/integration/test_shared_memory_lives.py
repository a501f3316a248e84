"""Pages between real processes: what was revoked is gone, and deaths of either end leave nothing of them."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import signal
import socket
from pathlib import Path

import pytest

from cells.port import Port, RefusedError
from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.status import Status
from hypervisor.core.cell import CellState
from tests.support.live import Live, gone, held
from tests.support.page_calls import CREATE, DROP, MAP, REVOKE, SHARE, UNMAP, pages_only
from tests.support.shared_pages import giver, lender, run_two, said, share_one_page, taker, topology

__all__ = ["pages_only"]
pytestmark = pytest.mark.usefixtures("pages_only")

LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])
SIGSEGV = "process ended: killed by SIGSEGV"


# Revoked is gone.


def revoker(port: Port) -> None:
    page, segment = share_one_page(port)
    port.sleep_until(port.cycles("2ms"))
    port.print(port.hypercall(REVOKE, segment))
    page[:6] = b"secret"
    port.sleep_until(port.cycles("4ms"))
    port.print(bytes(page[:6]))


def test_a_revoked_page_is_gone_for_a_cell_that_keeps_its_hold(live: Live) -> None:
    def clinging(port: Port) -> None:
        port.sleep_until(port.cycles("1ms"))
        page = port.memory.view(WINDOW_BASE, PAGE)
        port._world.memory = lambda _news: None
        port.print(bytes(page[:5]))
        port.sleep_until(port.cycles("3ms"))
        port.print(bytes(page[:6]))
        ctypes.memset(port.memory._where(WINDOW_BASE, 1), 0x55, 6)
        port.print(bytes(page[:6]))

    run = run_two(live, revoker, clinging)
    assert said(run, "back") == ["b'front'", r"b'\x00\x00\x00\x00\x00\x00'", "b'UUUUUU'"]
    assert said(run, "front") == ["1", "b'secret'"]


def test_a_revoked_page_is_gone_for_a_cell_that_keeps_its_descriptor(live: Live) -> None:
    def hoarder(port: Port) -> None:
        kept: list[int] = []
        port._world.memory = lambda _news: kept.extend(
            socket.recv_fds(port.memory._socket, 64, 1, socket.MSG_DONTWAIT)[1] if not kept else []
        )
        port.sleep_until(port.cycles("3ms"))
        with mmap.mmap(kept[0], PAGE) as page:
            port.print(page[:6])
            page[:6] = b"forged"

    run = run_two(live, revoker, hoarder)
    assert said(run, "back") == [r"b'\x00\x00\x00\x00\x00\x00'"], run.cell("back").why
    assert said(run, "front") == ["1", "b'secret'"]


def test_a_view_that_outlives_its_page_reads_zeros_and_harms_nobody(live: Live) -> None:
    def honest(port: Port) -> None:
        port.sleep_until(port.cycles("1ms"))
        page = port.memory.view(WINDOW_BASE, PAGE)
        port.sleep_until(port.cycles("3ms"))
        port.print(bytes(page[:6]))
        page[:3] = b"lost"[:3]
        try:
            port.memory.view(WINDOW_BASE, PAGE)
        except ValueError as error:
            port.print(error)

    run = run_two(live, revoker, honest)
    assert said(run, "back") == [r"b'\x00\x00\x00\x00\x00\x00'", "this cell has not 4096 bytes at 0xc0000000"]
    assert said(run, "front") == ["1", "b'secret'"]


def test_a_page_may_be_given_and_taken_a_hundred_times(live: Live) -> None:
    def front(port: Port) -> None:
        address = port.memory.allocate(1)
        page = port.memory.view(address, PAGE)
        for turn in range(100):
            page[0] = turn
            segment = port.hypercall(SHARE, address, 1)
            port.hypercall(MAP, segment, 1, 1)
            port.sleep_until(port.cycles("1ms") * (turn + 1))
            assert page[1] == turn
            port.hypercall((DROP, REVOKE)[turn % 2], segment)
            if turn % 2:
                port.hypercall(DROP, segment)
        port.print("done")

    def back(port: Port) -> None:
        for turn in range(100):
            port.sleep_until(port.cycles("1ms") * turn + port.cycles("500us"))
            page = port.memory.view(WINDOW_BASE, PAGE)
            assert page[0] == turn
            page[1] = turn

    run = run_two(live, front, back, "50ms")
    open_files = held()["/memfd:"]
    run.until("200ms")
    assert said(run, "front") == ["done"]
    assert held()["/memfd:"] <= open_files
    assert run.state("back") is CellState.SHUT_DOWN


def test_who_looks_at_a_cells_memory_sees_what_it_shares(live: Live) -> None:
    run = run_two(live, lender, taker, "3ms")
    last = len(run.memory("front")) - PAGE
    assert run.memory("front")[last : last + 5] == b"front"
    run.until("4ms")
    assert said(run, "front")[-1] == "b'front'"


def test_without_walls_cells_share_pages_all_the_same(live: Live) -> None:
    run = run_two(live, giver, taker, sandbox=False)
    assert said(run, "front") == ["b'front+back'"]


# Deaths.


def patient(port: Port) -> None:
    """Looks at its page for ever."""
    port.sleep_until(port.cycles("1ms"))
    page = port.memory.view(WINDOW_BASE, PAGE)
    while True:
        port.print(bytes(page[:5]))
        port.sleep("1ms")


@pytest.mark.parametrize("how", ["signal", "order"])
def test_the_owner_dies_and_whoever_had_its_pages_goes_on_without(live: Live, how: str) -> None:
    run = run_two(live, lender, patient, "3ms")
    if how == "order":
        run.kill("front")
    else:
        os.kill(run.hosts[0].process.pid, signal.SIGKILL)
        assert gone([run.hosts[0].process.pidfd])
    run.until("6ms")
    assert run.state("front") is CellState.FAILED
    assert said(run, "back")[0] == "b'front'"
    assert said(run, "back")[-1] == r"b'\x00\x00\x00\x00\x00'"
    assert run.monitor.memory.backings() == {}
    assert run.monitor.frames.account("front").now == 0


def test_whoever_has_pages_of_others_dies_and_the_owner_goes_on(live: Live) -> None:
    run = run_two(live, lender, patient, "3ms")
    run.kill("back")
    run.until("6ms")
    assert run.state("front") is not CellState.FAILED
    assert set(said(run, "front")) == {"b'front'"}
    (segment,) = run.monitor.memory.backings()
    assert run.monitor.memory.mappings(segment) == ()


def test_a_death_amid_shared_pages_is_repeated_by_a_replay(live: Live, tmp_path: Path) -> None:
    guests = {"front": lender, "back": patient}
    table = topology(front={"on_crash": "restart"}, back={})
    first = live(table, guests=guests, out=tmp_path / "first")
    first.until("3ms")
    os.kill(first.hosts[0].process.pid, signal.SIGKILL)
    assert gone([first.hosts[0].process.pidfd])
    first.until("9ms")
    first.close()
    again = live(table, guests=guests, link="zmq", replay=tmp_path / "first/inputs.jsonl")
    again.run()
    assert said(again, "back") == said(first, "back")
    assert first.cell("front").account.restarts == again.cell("front").account.restarts == 1
    assert set(said(first, "back")) == {"b'front'"}  # the next life shares its page anew
    assert again.trace_hash == first.trace_hash


def test_pages_that_belong_to_no_cell_outlive_one(live: Live) -> None:
    def first(port: Port) -> None:
        segment = port.hypercall(CREATE, 1)
        port.hypercall(MAP, segment, 0, 1)
        port.memory.view(WINDOW_BASE, PAGE)[:4] = b"kept"
        port.hypercall(MAP, segment, 1, 0)
        port.sleep_until(port.cycles("2ms"))

    def second(port: Port) -> None:
        port.sleep_until(port.cycles("5ms"))
        port.print(bytes(port.memory.view(WINDOW_BASE, PAGE)[:4]))
        port.hypercall(UNMAP, WINDOW_BASE, 1)

    run = run_two(live, first, second)
    assert run.state("front") is CellState.SHUT_DOWN
    assert said(run, "back") == ["b'kept'"]
    assert run.monitor.frames.account("channel").now == PAGE


def test_a_cell_that_takes_no_pages_is_ended_when_no_more_fit(live: Live) -> None:
    def flood(port: Port) -> None:
        segment = port.hypercall(CREATE, 1)
        for _ in range(5000):
            try:
                port.hypercall(MAP, segment, 1, 1)
            except RefusedError as refusal:
                port.print("refused", refusal.status)
                return
            port.sleep("20us")

    def deaf(port: Port) -> None:
        port._world.memory = lambda _news: None
        while True:
            with contextlib.suppress(RefusedError):  # nothing there yet
                port.hypercall(UNMAP, WINDOW_BASE, 1)
            port.sleep("20us")

    run = run_two(live, flood, deaf, "1s")
    assert run.cell("back").why == "protocol: does not take the pages that it is given"
    assert said(run, "front") == [f"refused {int(Status.WRONG_STATE)}"]  # it has ended
