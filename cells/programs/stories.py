"""The guests of `cellvisor explain`: each does one thing between two marks, and nothing else there.

`only`: which operations to do, for those who want to see what one of them adds; all is the default.
"""

from __future__ import annotations

from cells.flavours.ipc import Kernel
from cells.port import Port
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.memory import PAGE

MARK = "explain"
TIMER_LOAD, TIMER_CONTROL, TIMER_CLEAR = 0x00, 0x08, 0x0C
"""Registers of an SP804 (ARM DDI 0271, 3.1)."""
ONE_SHOT = 0b1010_0011
"""Enabled, periodic off (free running off), interrupt, 32 bits, one shot."""


def caller(port: Port, peer: str = "server", times: int = 1) -> None:
    """Send `times` messages and take an answer for each."""
    channel = port.connections.channels[peer]
    channel.send(b"warm")  # both are up, and caches of ours filled, before anybody looks
    channel.receive()
    port.report(MARK, 1)
    for _ in range(times):
        channel.send(b"ping")
        channel.receive()
    port.report(MARK, 0)


def server(port: Port, peer: str = "client") -> None:
    """Answer each message with itself, for ever."""
    channel = port.connections.channels[peer]
    while True:
        channel.send(channel.receive())


def toucher(port: Port, times: int = 1) -> None:
    """Touch `times` pages that this cell has not got: its pager is asked for each."""
    kernel, (window, _) = Kernel(port), port.boot["window"]
    kernel.page(window, write=True)  # the pager is up
    port.report(MARK, 1)
    for number in range(1, times + 1):
        kernel.page(window + number * PAGE, write=True)
    port.report(MARK, 0)


def hypercaller(port: Port, times: int = 1) -> None:
    """Ask the monitor for the time."""
    port.report(MARK, 1)
    for _ in range(times):
        port.hypercall(Hypercall.TIME)
    port.report(MARK, 0)


def driver(port: Port, base: int, ticks: int = 100, times: int = 1) -> None:
    """Let a timer that this cell owns interrupt it: take the interrupt, quiet the device, end the interrupt."""
    port.connections.wait(port.now)  # what a flavour sets up at first use is done
    port.report(MARK, 1)
    for _ in range(times):
        port.store(base + TIMER_LOAD, ticks)
        port.store(base + TIMER_CONTROL, ONE_SHOT)
        line = port.wait_irq()
        port.store(base + TIMER_CLEAR, 1)
        if line is not None:
            port.end_irq(line)
    port.report(MARK, 0)
