"""A user-level virtual machine monitor: a cell that is part of another cell's hardware.

Theory: under l4 a device that a cell is to find at its pager (`emulated` in the topology) is not in the cell: each access is an
exception message, which names address, size and value. This program answers them with the board's own device models. What its
guest's UART sends is this cell's output, what is typed at this cell its guest's input, and interrupts are injected.

```toml
[cells.guest]
image = "hello"
pager = "vmm"
emulated = ["uart0"]

[cells.vmm]
guest = "cells.programs.vmm:main"
```
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from cells.flavours.ipc import Heard, Kernel
from cells.port import Port, RefusedError
from devices import MODELS, Wiring
from hypervisor.abi.l4 import Label, Message
from hypervisor.abi.time import NEVER

WORK = 200
"""Cycles that an access costs in here, as a small C program would take: decode, registers of the device. Assumed."""
NOTHING = Message(Label.USER)


class Hosted:
    """One device of one guest. `slot`: the guest."""

    def __init__(self, port: Port, kernel: Kernel, slot: int, part: Mapping[str, Any]) -> None:
        self.base: int = part["base"]
        self.size: int = part["size"]
        irq = part["irq"]
        drive = partial(_inject, kernel, slot, irq) if irq is not None else lambda level: None
        wiring = Wiring(clock=lambda: port.now, hz=port.hz, irq=drive, transmit=port.write)
        self.device = MODELS[part["model"]](wiring, **part["params"])

    def read(self, address: int, size: int) -> Message:
        """A load by the guest."""
        value = self.device.registers.read(address - self.base, size)
        return Message(Label.USER, (value & 0xFFFFFFFF,))

    def write(self, address: int, size: int, value: int) -> Message:
        """A store by the guest."""
        self.device.registers.write(address - self.base, size, value)
        return NOTHING


def _inject(kernel: Kernel, slot: int, line: int, level: bool) -> None:
    with contextlib.suppress(RefusedError):  # the guest is gone
        kernel.inject(slot, line, level=level)


class Monitor:
    """All devices of all guests of this cell."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._kernel = Kernel(port)
        clients: Mapping[str, int] = port.boot.get("clients", {})
        self._names = {slot: name for name, slot in clients.items()}
        self._devices = {
            clients[name]: [Hosted(port, self._kernel, clients[name], part) for part in parts]
            for name, parts in port.boot.get("hosted", {}).items()
        }
        self.exceptions = 0

    def run(self) -> None:
        """Serve for ever."""
        heard = self._kernel.listen(until=self._deadline())
        while True:
            if heard is None or heard[0] not in self._names:
                self._look_around()
                heard = self._listen()
            else:
                answer = self._answer(*heard)
                self.exceptions += 1
                heard = self._reply(answer)

    def _reply(self, answer: Message) -> Heard | None:
        try:
            return self._kernel.reply_and_listen(answer, self._deadline())
        except RefusedError:  # the guest died meanwhile
            return None

    def _listen(self) -> Heard | None:
        try:
            return self._kernel.listen(until=self._deadline())
        except RefusedError:  # time for a device to act
            return None

    def _deadline(self) -> int:
        deadlines = [hosted.device.deadline() for devices in self._devices.values() for hosted in devices]
        return min(deadlines, default=NEVER)

    def _look_around(self) -> None:
        """Typed characters, and devices that act by themselves."""
        typed = self._port.read()
        for devices in self._devices.values():
            for hosted in devices:
                hosted.device.advance()
                if typed and hasattr(hosted.device, "receive"):
                    hosted.device.receive(typed)

    def _answer(self, slot: int, message: Message) -> Message:
        """What the hardware does."""
        self._port.work(WORK)
        if message.label == Label.EXCEPTION:
            self._port.print(f"{self._names[slot]}: {message.string.decode('utf-8', 'replace')}")
            return NOTHING
        for hosted in self._devices.get(slot, ()):
            if message.words and hosted.base <= message.words[0] < hosted.base + hosted.size:
                if message.label == Label.DEVICE_READ:
                    return hosted.read(*message.words)
                if message.label == Label.DEVICE_WRITE:
                    return hosted.write(*message.words)
        return NOTHING


def main(port: Port) -> None:
    """Be the hardware of all cells whose pager this one is; under a flavour that has no pagers there is nothing to do."""
    if port.boot.get("clients"):
        Monitor(port).run()
