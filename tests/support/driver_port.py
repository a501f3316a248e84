"""A port for drivers, with real device models and no monitor: time passes by the driver's own calls.

port = DriverPort(flash0=(NorFlash, {"size": 1 << 20}))
flash = drivers.nor.NorFlash(port, port.base("flash0"), port.line("flash0"))
port.kill_at = 40                # KilledError at the 40th access to a device: kill -9 of the driver
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cells.flavours import Connections
from devices import NEVER, DmaError
from devices.bench import Bench
from hypervisor.abi.time import parse_time
from tests.support.links import KilledError

BASE, STEP = 0x1000_0000, 0x100_0000
HZ = 1_000_000_000


class Ram:
    """A bench's memory as `port.memory`."""

    def __init__(self, content: bytearray) -> None:
        self.content = content
        self.free_from = 4096

    def allocate(self, pages: int) -> int:
        address = self.free_from
        self.free_from += pages * 4096
        assert self.free_from <= len(self.content)
        return address

    def view(self, address: int, length: int) -> memoryview:
        return memoryview(self.content)[address : address + length]


class DriverPort:
    """The part of `Port` that drivers use. Devices stay when the driver dies; `reborn` is the next driver's port."""

    def __init__(self, memory: int = 1 << 20, **devices: tuple[Callable[..., Any], dict[str, Any]]) -> None:
        self.bench = Bench(hz=HZ)
        self._content = bytearray(memory)
        self.name = "driver"
        self.hz = HZ
        self.devices: list[tuple[str, Any]] = []
        self.levels: dict[int, bool] = {}
        for number, (name, (model, params)) in enumerate(devices.items()):
            wiring = self.bench.wiring()
            wiring = replace(wiring, irq=self._line(number), dma_read=self.read_memory, dma_write=self.write_memory)
            self.devices.append((name, model(wiring, **params)))
        self.connections: Connections | None = None
        self.lines: list[str] = []
        self.typed = b""
        self.accesses = 0
        self.kill_at = 0
        self._shown: dict[int, bytearray] = {}
        self.resets = False
        """Whether devices are reset when their driver dies."""
        self.forget()

    def forget(self) -> DriverPort:
        """The driver is dead; here is the port of the next one. The monitor resets what it owned, too."""
        if self.resets:
            for _, device in self.devices:
                device.reset()
        self.memory = Ram(self._content)
        self.acknowledged: list[int] = []
        self.kill_at = 0
        return self

    def _line(self, number: int) -> Callable[[bool], None]:
        return lambda level: self.levels.__setitem__(number, level)

    def read_memory(self, address: int, length: int) -> bytes:
        """A bus master reads."""
        if address + length > len(self._content):
            raise DmaError(f"no memory at {address:#x}")
        return bytes(self._content[address : address + length])

    def write_memory(self, address: int, data: bytes) -> None:
        """A bus master writes."""
        self.read_memory(address, len(data))
        self._content[address : address + len(data)] = data

    def base(self, name: str) -> int:
        return BASE + STEP * [each for each, _ in self.devices].index(name)

    def line(self, name: str) -> int:
        return [each for each, _ in self.devices].index(name)

    def device(self, name: str) -> Any:
        return dict(self.devices)[name]

    @property
    def boot(self) -> dict[str, Any]:
        """What a driver domain is told."""
        facts = {
            name: {"base": self.base(name), "size": STEP, "line": self.line(name), "model": type(device).__name__}
            for name, device in self.devices
        }
        return {"devices": facts}

    # ---- Port

    @property
    def now(self) -> int:
        return self.bench.now

    def cycles(self, text: str) -> int:
        return parse_time(text, HZ)

    def work(self, cycles: int) -> None:
        self._advance(self.bench.now + cycles)

    def sleep_until(self, time: int) -> None:
        self._advance(max(time, self.bench.now))

    def sleep(self, text: str) -> None:
        self._advance(self.bench.now + self.cycles(text))

    def print(self, *words: object) -> None:
        self.lines.append(" ".join(map(str, words)))

    def load(self, address: int, size: int = 4) -> int:
        device, offset = self._access(address)
        return int(device.registers.read(offset, size))

    def store(self, address: int, value: int, size: int = 4) -> None:
        device, offset = self._access(address)
        device.registers.write(offset, size, value)

    def load_bytes(self, address: int, length: int) -> bytes:
        """As a port whose cell sees the device's content as memory, if the device has such."""
        number, offset = divmod(address - BASE, STEP)
        device = self.devices[number][1]
        if not getattr(device, "readable", False):
            return b"".join(self.load(at).to_bytes(4, "little") for at in range(address, address + length, 4))
        shown = self._shown.setdefault(number, bytearray(b"\xff" * device.size))
        for at, content in device.take_changes():
            shown[at : at + len(content)] = content
        return bytes(shown[offset : offset + length])

    def store_bytes(self, address: int, data: bytes, size: int = 4) -> None:
        device, offset = self._access(address)
        device.registers.write_many(offset, size, data)

    def wait_irq(self, until: int = NEVER) -> int | None:
        while not any(self.levels.values()):
            deadline = min(device.deadline() for _, device in self.devices)
            if min(deadline, until) >= NEVER:
                raise AssertionError("a driver waits for ever")
            self._advance(min(deadline, until))
            if self.bench.now >= until and not any(self.levels.values()):
                return None
        line = next(line for line, level in self.levels.items() if level)
        assert line not in self.acknowledged, "acknowledged twice"
        self.acknowledged.append(line)
        return line

    def end_irq(self, line: int) -> None:
        self.acknowledged.remove(line)

    def _access(self, address: int) -> tuple[Any, int]:
        self.accesses += 1
        if self.kill_at:
            self.kill_at -= 1
            if not self.kill_at:
                raise KilledError
        self.bench.now += 100
        number, offset = divmod(address - BASE, STEP)
        return self.devices[number][1], offset

    def _advance(self, time: int) -> None:
        """Let time pass, stopping wherever a device acts."""
        while True:
            step = min([time, *[device.deadline() for _, device in self.devices]])
            self.bench.now = max(step, self.bench.now)
            for _, device in self.devices:
                device.advance()
            if self.bench.now >= time:
                return
