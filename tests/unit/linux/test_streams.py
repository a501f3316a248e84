"""Standard streams that are pipes: bytes as they are, an end, nothing that a terminal would do."""

from __future__ import annotations

from typing import Any

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.linux.streams import WAITING, Streams
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import Event, EventKind
from tests.support.linux import LinuxBench, archive, program
from tests.support.linux_process import begin, fake_kernel, fake_process, go_on, invoke

OUT, TCGETS, FIFO = 0x2000, 0x5401, 0o010000
ALL = ("stdin", "stdout", "stderr")
KEYS = bytes(range(256))


def a_process(*pipes: str) -> Any:
    kernel = fake_kernel()
    kernel.spec.pipes = pipes
    kernel.streams = Streams(kernel)
    process = fake_process(kernel)
    process.files = kernel.streams.files()
    return process


def test_each_byte_arrives_and_the_end_is_an_end() -> None:
    process = a_process(*ALL)
    sleeping, _ = begin(process, "read", 0, OUT, 1000)
    process.kernel.streams.typed(KEYS)
    assert go_on(sleeping) == 256
    assert process.space.read(OUT, 256) == KEYS
    process.kernel.streams.ended()
    assert invoke(process, "read", 0, OUT, 10) == 0


def test_more_is_asked_for_once_when_somebody_waits() -> None:
    streams = (process := a_process(*ALL)).kernel.streams
    assert not streams.wanted
    begin(process, "read", 0, OUT, 10)
    assert streams.wanted
    streams.asked()
    assert not streams.wanted
    streams.typed(b"x")
    assert invoke(process, "read", 0, OUT, 10) == 1
    assert not streams.wanted
    begin(process, "read", 0, OUT, 10)
    assert streams.wanted
    streams.ended()
    assert not streams.wanted


@pytest.mark.parametrize("pipes", [ALL, ("stdin",), ()])
def test_a_pipe_is_no_terminal_and_changes_no_ends_of_lines(pipes: tuple[str, ...]) -> None:
    process = a_process(*pipes)
    for descriptor, name in enumerate(ALL):
        piped = name in pipes
        assert invoke(process, "ioctl", descriptor, TCGETS, OUT) == (-e.ENOTTY if piped else 0)
    process.space.put(OUT, b"a\nb\n")
    assert invoke(process, "write", 1, OUT, 4) == 4
    assert process.kernel.printed == (b"a\nb\n" if "stdout" in pipes else b"a\r\nb\r\n")
    assert invoke(process, "write", 0, OUT, 1) == (-e.EBADF if "stdin" in pipes else 1)


def test_what_nobody_reads_is_bounded() -> None:
    process = a_process(*ALL)
    for _ in range(3):
        process.kernel.streams.typed(bytes(WAITING))
    ring, held = process.files.file(0).ring, process.kernel.vfs.held
    assert len(ring.data) == WAITING
    invoke(process, "close", 0)
    before = held.now
    process.kernel.streams.typed(b"x")
    assert (len(ring.data), held.now) == (WAITING, before)
    process.kernel.streams.ended()
    assert held.now == before - WAITING


def test_a_program_gets_its_input_by_asking_the_monitor_and_its_window_by_a_signal() -> None:
    """It copies its input until the end."""
    copy = """
        again: mov r0, #0; ldr r1, =0x11000; mov r2, #64; mov r7, #3; svc #0
        cmp r0, #0; beq done
        mov r2, r0; mov r0, #1; mov r7, #4; svc #0
        b again
        done: mov r0, #5; mov r7, #1; svc #0
    """
    bench = LinuxBench(archive({"bin/cat": program(copy)}), ["/bin/cat"], pipes=ALL)
    given = [
        Event(0, EventKind.CONSOLE, KEYS),
        Event(0, EventKind.WINDOW, b"\x32\0\x84\0"),
        Event(0, EventKind.END, b""),
    ]
    bench.world.on_call[Hypercall.INPUT] = lambda: bench.world.events.append(given.pop(0))
    bench.world.events.append(given.pop(1))
    assert bench.run() == 5
    assert bench.output == KEYS
    assert bench.kernel.console.window == b"\x32\0\x84\0" + bytes(4)
