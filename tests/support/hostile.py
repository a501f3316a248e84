"""Guests that break the rules, by their crime. They have taken over their process: they reach behind the port.

Each begins with an honest line, so that a test can see that it got so far. Sandboxed, like any guest.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import time
from collections.abc import Callable
from typing import Any

from cells.port import Port, RefusedError
from hypervisor.abi import page
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.messages import pack
from hypervisor.abi.records import EXIT, ExitKind
from hypervisor.abi.time import NEVER

HONEST = b"at work\n"


def begin(port: Port) -> None:
    """The honest part."""
    port.print("at work")
    port.sleep("1ms")


# Those that do not come back.


def spins(port: Port) -> None:
    """Never calls again."""
    begin(port)
    while True:
        pass


def sleeps(port: Port) -> None:
    """Sleeps on the host."""
    begin(port)
    time.sleep(1000)


def naps(port: Port) -> None:
    """Sleeps on the host again and again, and computes a little in between."""
    begin(port)
    while True:
        time.sleep(0.02)
        sum(range(100_000))


def stops(port: Port) -> None:
    """Stops its own process, if it may."""
    begin(port)
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(1000)


def dies(port: Port) -> None:
    """Ends its process."""
    begin(port)
    os._exit(3)


def aborts(port: Port) -> None:
    """Says why, not by its port, and aborts: a library that gives up."""
    begin(port)
    print("no threads \x1b[2J left\nat all", flush=True)
    os.abort()


def dies_by(port: Port, number: int) -> None:
    """Ends its process by a signal; it may signal itself."""
    begin(port)
    signal.raise_signal(number)
    ctypes.CDLL(None).syscall(234, os.getpid(), os.getpid(), number)


def leaves(port: Port) -> None:
    """Ends as a Python program ends, past the runtime."""
    begin(port)
    raise SystemExit(5)


# Those that lie in their records.


def lies(port: Port, field: str, value: int) -> None:
    """Sends a record with one field that is not true; relative to the honest one for seq and time."""
    begin(port)
    world: Any = port._world
    fields = ("seq", "kind", "time", "cycles", "deadline", "a0", "a1", "a2", "a3", "insns", "irqs", "output", "data")
    honest: tuple[Any, ...] = (world._seq, ExitKind.OUTPUT, world.start, 1, NEVER, 0, 0, 0, 0, 0, 0, b"", b"")
    record = dict(zip(fields, honest, strict=True))
    record[field] = b"x" * value if field in ("output", "data") else value + (record[field] if field in RELATIVE else 0)
    world._seq, world.start, world.end, world.horizon, _, _ = world._link.exchange(tuple(record.values()))
    port._time = world.start
    port.print("it went through")
    port.sleep("100ms")


RELATIVE = ("seq", "time")


def says_hello_again(port: Port) -> None:
    """Begins once more."""
    lies(port, "kind", ExitKind.HELLO)


def stalls(port: Port, kind: int) -> None:
    """Exits for ever without any time passing."""
    begin(port)
    world: Any = port._world
    while True:
        world.exit(kind, world.start, deadline=world.start)


# Those that write into the page that they share with the monitor.


def scribbles(port: Port, at: int, value: int) -> None:
    """Puts a byte all over a part of the page, and knocks."""
    begin(port)
    memory: Any = port._world._link._page  # type: ignore[attr-defined]
    end = page.PAGE_SIZE if at else page.RESUME_AT
    memory[at:end] = bytes([value]) * (end - at)
    port.print("scribbled")
    port.sleep("100ms")


def claims_too_much(port: Port) -> None:
    """Lengths that lead out of the page."""
    begin(port)
    world: Any = port._world
    link = world._link
    numbers = (world._seq, ExitKind.OUTPUT, world.start, 0, NEVER, 0, 0, 0, 0, 0, 0)
    EXIT.pack_into(link._page, page.EXIT_AT, *numbers, 0xFFFF_FFFF, 0xFFFF_FFFF)
    knock(link)
    time.sleep(1000)


def knock(link: Any) -> None:
    """Count an exit and wake the monitor, as doorbell_trap does, without waiting for an answer."""
    from cells.engines.native._native import ffi, lib

    seen = ffi.new("uint32_t *", struct.unpack_from("<I", link._page, 0)[0] - 1)
    lib.doorbell_trap(link._doorbell, 0, seen, ffi.new("struct courtesy *"))


def rewrites(port: Port) -> None:
    """Answers, and goes on changing the record while the monitor reads it."""
    begin(port)
    world: Any = port._world
    link = world._link
    for turn in range(1_000_000):
        EXIT.pack_into(link._page, page.EXIT_AT, world._seq, turn % 11, turn, *[turn] * 8, turn % 2000, turn % 2000)
        if turn % 10 == 0:
            knock(link)


# Those that abuse their socket.


def sends(port: Port, what: str) -> None:
    """Sends what is no record."""
    begin(port)
    port._world._link.send(MESSAGES[what]())  # type: ignore[attr-defined]
    port.print("sent")
    port.sleep("100ms")


def nested(depth: int = 4000) -> bytes:
    """Lists in lists."""
    return b"\x91" * depth + b"\xc0"


MESSAGES: dict[str, Callable[[], bytes]] = {
    "noise": lambda: bytes(range(256)),
    "nothing": lambda: b"",
    "a number": lambda: pack(7),
    "a short record": lambda: pack([1, 2, 3]),
    "texts for numbers": lambda: pack(["1"] * 11 + [b"", b""]),
    "huge numbers": lambda: pack([2**64 - 1] * 11 + [b"", b""]),
    "negative numbers": lambda: pack([-1] * 11 + [b"", b""]),
    "nesting": nested,
    "a mebibyte": lambda: b"x" * (1 << 20),
    "a map of itself": lambda: pack({i: {i: i} for i in range(500)}),
}


def floods(port: Port, count: int = 50_000) -> None:
    """Sends and sends."""
    begin(port)
    link: Any = port._world._link
    for _ in range(count):
        link.send(pack([1] * 11 + [b"", b""]))


def answers_twice(port: Port) -> None:
    """Sends each record two times."""
    begin(port)
    link: Any = port._world._link
    if hasattr(link, "send"):
        once = link.send
        link._socket = Twice(link._socket)
        once(b"")
    else:
        knock(link)
    for line in range(1000):
        port.print("line", line)
        port.sleep("100us")


class Twice:
    """A socket that sends everything two times."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    def send(self, message: bytes) -> None:
        """Twice."""
        self._socket.send(message)
        self._socket.send(message)

    def recv(self) -> Any:
        """Once."""
        return self._socket.recv()


# Those that fail before they begin: what happens when they are unpickled, in their cell.


class Trap:
    """A guest program that does something as soon as it is unpickled."""

    def __init__(self, crime: str) -> None:
        self.crime = crime

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__dict__ = state
        TRAPS[self.crime]()

    def __call__(self, port: Port) -> None:
        """Never reached."""
        port.print("alive")


def _raise() -> None:
    raise RuntimeError("no guest today")


TRAPS: dict[str, Callable[[], object]] = {
    "dies": lambda: os._exit(3),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raises": _raise,
    "sleeps": lambda: time.sleep(1000),
    "spins": lambda: [None for _ in iter(int, 1)],
}


# Those that fail, or ask for too much, by honest means.


class UnspeakableError(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise self


def raises(port: Port, what: str) -> None:
    """Ends with an exception."""
    begin(port)
    raise {"plain": ValueError("a plain one"), "long": ValueError("x" * 10_000_000), "odd": UnspeakableError()}[what]


def floods_the_console(port: Port) -> None:
    """Prints and prints."""
    begin(port)
    while True:
        port.write(b"\x1b[2J" + b"flood " * 500)


def writes_at_once(port: Port) -> None:
    """More than its memory allows."""
    begin(port)
    port.write(b"x" * (1 << 30))


def storms(port: Port, number: int) -> None:
    """One hypercall after the other."""
    begin(port)
    while True:
        try:
            port.hypercall(number, (1 << 64) - 1, (1 << 64) - 1, (1 << 64) - 1, data=b"\xff" * 1024)
        except RefusedError:
            continue


def pries(port: Port) -> None:
    """Reads and writes devices that are not its own, and addresses where there are none."""
    begin(port)
    for address in (0xF10E_0000, 0xF10E_1000, 0, 0xFFFF_FFFF, (1 << 64) - 4):
        for size in (0, 1, 3, 4, 8, 1 << 40):
            port.load(address, size)
            port.store(address, 0xFFFF_FFFF, size)
    for line in (0, 1, 2, 63, 64, 1 << 40):
        for call in (Hypercall.IRQ_MASK, Hypercall.IRQ_UNMASK, Hypercall.IRQ_EOI, Hypercall.IRQ_ACK):
            try:
                port.hypercall(call, line)
            except RefusedError:
                continue
    port.print("nothing to be had")


def measures_everything(port: Port, count: int = 10_000) -> None:
    """Invents metrics."""
    begin(port)
    refused = 0
    for number in range(count):
        try:
            port.report(f"metric {number}", number)
        except RefusedError:
            refused += 1
    port.print("refused", refused)
