"""The content of a flash chip as a file: up to date when it may be read, and never writable for its owner."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass, field

import pytest

from hypervisor.shell.device_memory import DeviceMemory


@dataclass
class Chip:
    size: int = 3 << 20
    readable: bool = True
    changes: list[tuple[int, bytes]] = field(default_factory=list)

    def take_changes(self) -> list[tuple[int, bytes]]:
        taken, self.changes = self.changes, []
        return taken


@pytest.fixture
def chip() -> Chip:
    return Chip()


@pytest.fixture
def memory(chip: Chip):
    memory = DeviceMemory(chip)
    yield memory
    memory.close()


def content(memory: DeviceMemory) -> mmap.mmap:
    return mmap.mmap(memory.descriptor, memory.size, prot=mmap.PROT_READ)


def test_blank_flash_is_all_ones_to_its_end(memory: DeviceMemory) -> None:
    assert memory.refresh()
    assert content(memory)[:] == b"\xff" * memory.size


def test_changes_show_when_the_chip_may_be_read_and_not_before(chip: Chip, memory: DeviceMemory) -> None:
    memory.refresh()
    seen = content(memory)
    chip.readable, chip.changes = False, [(4096, b"new")]
    assert not memory.refresh()
    assert seen[4096:4099] == b"\xff" * 3
    chip.readable = True
    assert memory.refresh()
    assert seen[4096:4099] == b"new"


def test_the_owner_cannot_map_it_writable_nor_resize_it(memory: DeviceMemory) -> None:
    with pytest.raises(PermissionError):
        mmap.mmap(memory.descriptor, memory.size)
    with pytest.raises(OSError, match="Invalid argument"):
        os.ftruncate(memory.descriptor, 1)


def test_closing_twice_is_fine(chip: Chip) -> None:
    memory = DeviceMemory(chip)
    memory.close()
    memory.close()
