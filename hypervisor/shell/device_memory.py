"""Content of physical devices that their owners read as memory: a file for each flash chip, mapped in its owner's process.

Theory: the model's state is the truth and the file a copy, brought up to date in the moment in which the owner learns that it
may be read: at an access of its own, while its vCPU stands still. The owner gets a descriptor that is open for reading only;
it is sealed and has another user, as shared pages are (hypervisor/shell/memory.py). Blank flash is all ones, so the file is
filled at the first look, not before: a chip that nobody reads takes no memory.

    memories = DeviceMemories()
    shown = memories.add(cell, base, chip)          # copies what has changed; whether it may be read now
    plan = memories.equip(plan)                     # what the owner's process is given
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from hypervisor.abi.memory import device_descriptor
from hypervisor.core.cell import Cell
from hypervisor.shell.cellhost import CellPlan

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_CHUNK = b"\xff" * (1 << 20)


@runtime_checkable
class Readable(Protocol):
    """A device whose content can be read as memory."""

    size: int

    @property
    def readable(self) -> bool:
        """Whether it may be, until the next write."""
        ...

    def take_changes(self) -> list[tuple[int, bytes]]:
        """(offset, content) of what has changed since the last call."""
        ...


class DeviceMemory:
    """The content of one device."""

    def __init__(self, device: Readable) -> None:
        self._device, self.size = device, device.size
        self._filled = False
        self._file = os.memfd_create("cellvisor-device", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.fchmod(self._file, 0o600)
        os.ftruncate(self._file, device.size)
        fcntl.fcntl(self._file, fcntl.F_ADD_SEALS, _SEALS)
        self.descriptor = os.open(f"/proc/self/fd/{self._file}", os.O_RDONLY | os.O_CLOEXEC)

    def refresh(self) -> bool:
        """Whether the owner may read the file now; if so it has been brought up to date."""
        if not self._device.readable:
            return False
        if not self._filled:
            self._fill()
        for offset, content in self._device.take_changes():
            os.pwrite(self._file, content, offset)
        return True

    def _fill(self) -> None:
        self._filled = True
        for start in range(0, self._device.size, len(_CHUNK)):
            os.pwrite(self._file, _CHUNK[: self._device.size - start], start)

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            os.close(self.descriptor)
            self._file = -1


class DeviceMemories:
    """Those of all devices of a board."""

    def __init__(self) -> None:
        self._all: dict[int, dict[int, DeviceMemory]] = {}

    def add(self, cell: Cell, base: int, device: object) -> Callable[[], bool] | None:
        """What to ask at each access of the owner, None if the device has no such content or the owner is on another host."""
        if not isinstance(device, Readable) or not cell.params.pages:
            return None
        memory = DeviceMemory(device)
        self._all.setdefault(cell.index, {})[base] = memory
        return memory.refresh

    def equip(self, plan: CellPlan) -> CellPlan:
        """A plan with the content of the cell's devices, if it has such."""
        mine = self._all.get(plan.index)
        if not mine:
            return plan
        places = [(base, memory.size) for base, memory in mine.items()]
        fds = {device_descriptor(base): memory.descriptor for base, memory in mine.items()}
        return replace(plan, settings={**plan.settings, "device_memory": places}, fds={**plan.fds, **fds})

    def close(self) -> None:
        """Let go of every file. May be called twice."""
        for mine in self._all.values():
            for memory in mine.values():
                memory.close()
