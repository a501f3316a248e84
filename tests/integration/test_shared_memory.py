"""Pages between real processes: both see the same bytes, the kernel refuses what was not given."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from cells.port import Port, RefusedError
from hypervisor.abi.memory import PAGE, WINDOW_BASE
from hypervisor.abi.status import Status
from hypervisor.core.cell import CellState
from tests.support.arm import assemble
from tests.support.live import Live, alone, gone
from tests.support.page_calls import MAP, REVOKE, SHARE, pages_only
from tests.support.patience import PATIENCE_S
from tests.support.shared_pages import giver, lender, run_two, said, share_one_page, taker, topology

__all__ = ["pages_only"]
pytestmark = pytest.mark.usefixtures("pages_only")

LINKS = pytest.mark.parametrize("link", ["shm", "zmq"])
SIGSEGV = "process ended: killed by SIGSEGV"


@LINKS
def test_two_cells_see_each_others_bytes(live: Live, link: str) -> None:
    run = run_two(live, giver, taker, link=link)
    assert said(run, "back") == [r"b'front\x00\x00\x00\x00\x00'"]
    assert said(run, "front") == ["b'front+back'"]


@pytest.mark.parametrize("cores", [1, 2])
def test_a_counter_that_two_cells_share_has_one_history(live: Live, cores: int) -> None:
    """Also on two modelled cores, where each reads what the other has written in the same round."""

    def count(port: Port, page: memoryview) -> None:
        for _ in range(40):
            port.work(5_000)
            seen = int.from_bytes(page[8:12], "little")
            page[8:12] = (seen + 1).to_bytes(4, "little")
            port.print(seen)

    def first(port: Port) -> None:
        page, _ = share_one_page(port)
        port.sleep_until(port.cycles("2ms"))
        count(port, page)
        port.sleep_until(port.cycles("15ms"))  # its page goes with it

    def second(port: Port) -> None:
        port.sleep_until(port.cycles("2ms"))
        count(port, port.memory.view(WINDOW_BASE, PAGE))

    guests = {"front": first, "back": second}
    runs = [
        live(topology(front={}, back={}), guests=guests, link=link, overrides=[f"board.cores={cores}"])
        for link in ("shm", "zmq", "shm")
    ]
    histories = []
    for run in runs:
        run.until("20ms")
        histories.append((run.trace_hash, said(run, "front"), said(run, "back")))
    assert histories[0] == histories[1] == histories[2]
    assert sorted(map(int, histories[0][1] + histories[0][2])) == list(range(80))


# Read-only is the kernel's word.


def test_a_view_of_a_page_for_reading_refuses_to_be_written(live: Live) -> None:
    def polite(port: Port) -> None:
        port.sleep_until(port.cycles("1ms"))
        page = port.memory.view(WINDOW_BASE, PAGE)
        port.print(bytes(page[:5]))
        page[0] = 1

    run = run_two(live, lender, polite, "3ms")
    assert said(run, "back") == ["b'front'"]
    assert "cannot modify read-only memory" in run.cell("back").why


def test_native_code_that_writes_a_page_for_reading_dies_and_nobody_else(live: Live) -> None:
    def writer(port: Port) -> None:
        port.sleep_until(port.cycles("1ms"))
        port.print("writing")
        port.sleep("1ms")
        ctypes.memset(port.memory._where(WINDOW_BASE, 1), 0x55, 1)

    run = run_two(live, lender, writer, "5ms")
    assert said(run, "back") == ["writing"]
    assert run.cell("back").why == SIGSEGV
    assert run.state("front") is not CellState.FAILED
    assert set(said(run, "front")) == {"b'front'"}


def test_nothing_makes_a_page_for_reading_writable(live: Live) -> None:
    """The cell keeps the descriptor, which an honest one closes at once, and tries all that is said to help."""

    def hoarder(port: Port) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, *[ctypes.c_size_t] * 5]
        kept: list[int] = []
        port._world.memory = lambda _news: kept.extend(
            socket.recv_fds(port.memory._socket, 64, 1, socket.MSG_DONTWAIT)[1]
        )
        port.sleep_until(port.cycles("1ms"))
        (fd,) = kept
        shared, reading, writing = mmap.MAP_SHARED, mmap.PROT_READ, mmap.PROT_WRITE
        tries: dict[str, Callable[[], object]] = {
            "map it writable": lambda: mmap.mmap(fd, PAGE, shared, reading | writing),
            "open it again": lambda: os.open(f"/proc/self/fd/{fd}", os.O_RDWR),
            "write": lambda: os.write(fd, b"x"),
            "shrink it": lambda: os.ftruncate(fd, 0),
            "punch a hole": lambda: _libc_call(libc.fallocate, fd, 3, ctypes.c_long(0), ctypes.c_long(PAGE)),
            "protect its mapping": lambda: _libc_call(
                libc.mprotect, ctypes.c_void_p(libc.mmap(None, PAGE, reading, shared, fd, 0)), PAGE, reading | writing
            ),
            "seal it": lambda: _libc_call(libc.fcntl, fd, 1033, 8),
        }
        for name, attempt in tries.items():
            try:
                attempt()
            except OSError:
                continue
            port.print("did", name)
        port.print(os.read(fd, 5))

    def _libc_call(function: Any, *arguments: object) -> None:
        if function(*arguments) < 0:
            raise OSError(ctypes.get_errno(), "refused")

    run = run_two(live, lender, hoarder, "3ms")
    assert said(run, "back") == ["b'front'"], run.cell("back").why


# ARM code.

ARM_FRONT = """
    ldr r1, =0x3f000000; mov r0, #0x100000
    ldr r2, =0xe59ff000; mov r3, #0; str r2, [r3, #0x10]; adr r2, handler; str r2, [r3, #0x18]
    ldr r2, =0x216d7261; str r2, [r0]
    str r0, [r1, #4]; mov r2, #1; str r2, [r1, #8]; ldr r2, =900; str r2, [r1]; ldr r4, [r1, #0x10]
    str r4, [r1, #4]; mov r2, #1; str r2, [r1, #8]; str r2, [r1, #12]; ldr r2, =902; str r2, [r1]
first: ldr r5, [r0, #4]; cmp r5, #0; beq first
    ldr r6, =0xc0000000; ldr r7, [r6]; str r7, [r0, #8]
    str r5, [r6, #20]
    str r9, [r0, #12]; mov r9, #0
    ldr r4, [r1, #0x10]
    mov r2, #1; str r2, [r0, #16]
second: ldr r5, [r0, #20]; cmp r5, #0; beq second
    ldr r7, [r6, #8]
    str r9, [r0, #24]; mov r2, #1; str r2, [r0, #28]
end: b end
handler: mrc p15, 0, r9, c6, c0, 0; subs pc, lr, #4
"""
"""Shares a page that begins with "arm!" with cell 1. When word 1 is set: word 2 is what it reads in its window, word 3 where the
store there failed; then word 4 is 1. When word 5 is set: word 6 is where a load in its window failed; then word 7 is 1."""


@pytest.mark.parametrize("board", ["arm926", "evoke_qa4"])
def test_an_arm_guest_and_a_python_guest_share_pages(live: Live, board: str, tmp_path: Path) -> None:
    def back(port: Port) -> None:
        port.sleep("2ms")
        page = port.memory.view(WINDOW_BASE, PAGE)
        words = page.cast("I")
        port.print(bytes(page[:4]))
        own = port.memory.allocate(1)
        port.memory.view(own, 4)[:] = (0x1234).to_bytes(4, "little")
        segment = port.hypercall(SHARE, own, 1)
        port.hypercall(MAP, segment, 0, 0)
        for ready, go in ((4, 1), (7, 5)):
            words[go] = 1
            while not words[ready]:
                port.sleep("1ms")
            port.hypercall(REVOKE, segment)
        port.print(*(hex(words[index]) for index in (2, 3, 6)))
        port.print(port.memory.view(own, 32)[20])

    image = tmp_path / "front.bin"
    image.write_bytes(assemble(ARM_FRONT, 0x8000))
    table = topology(back={}) | {"board": board}
    table["cells"] = {"front": {"image": str(image), "ram": "2MiB"}, **table["cells"]}
    run = live(table, guests={"back": back})
    run.until("100ms")
    assert said(run, "back") == ["b'arm!'", "0x1234 0xc0000014 0xc0000008", "0"], run.cell("back").why
    assert run.state("front") is not CellState.FAILED


# What is refused, and what is left.


def test_a_cell_that_is_connected_to_nobody_has_no_memory_to_share(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.page_calls.PageCalls.boot_info", lambda _self, _cell: {})

    def lonely(port: Port) -> None:
        try:
            port.memory.allocate(1)
        except RuntimeError as error:
            port.print(error)
        try:
            port.hypercall(SHARE, 0, 1)
        except RefusedError as error:
            port.print(error)

    run = run_two(live, lonely, lonely)
    assert said(run, "front") == [
        "this cell has no memory to share: it is connected to nobody, or runs on another host",
        f"hypercall {SHARE}: status {int(Status.DENIED)}",
    ]
    assert run.memory("front") is None


SHARING_MONITOR = "tests.support.sharing_monitor"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_of_a_monitor_that_is_killed_with_pages_shared(how: signal.Signals, tmp_path: Path) -> None:
    monitor = alone(SHARING_MONITOR)
    try:
        assert monitor.stdout is not None
        started = json.loads(monitor.stdout.readline())
        family = [monitor.pid, *started["cells"]]
        assert all(_shared_pages(pid) for pid in family)
        pidfds = [os.pidfd_open(pid) for pid in started["cells"]]
        monitor.send_signal(how)
        monitor.wait(PATIENCE_S)
        assert gone(pidfds)
        for pidfd in pidfds:
            os.close(pidfd)
    finally:
        monitor.kill()
        monitor.communicate()


def _shared_pages(pid: int) -> bool:
    """Whether a process holds shared pages, open or mapped."""
    process = psutil.Process(pid)
    opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH115, PTH208
    mapped = [area.path for area in process.memory_maps(grouped=False)]
    return any("cellvisor-pages" in name for name in [*opened, *mapped])
