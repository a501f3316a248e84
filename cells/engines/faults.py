"""Injected faults of an ARM guest: what is done to its CPU and memory, by action. `DEEDS` is the table.

```python
patient = Patient(engine, ram, ram_base)
DEEDS["flip_register"](patient, Armed("flip_register", draw=7))
```

Requires: the engine does not run. What is left out of an order follows from its draw, so that the same order does the same harm
on every host, over every link, and at a replay. A guest without privileges stays one: of its status only the flags are flipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cells.engines.arm import ArmEngine
from hypervisor.abi.faults import Armed, Draws

PAGE = 4096
REGISTERS = (*(f"R{number}" for number in range(13)), "SP", "LR", "PC")
FLAGS_SHIFT = 28
"""N, Z, C and V are the four highest bits of the status [B1.3.3]."""
THUMB = 0x20
SELF_ARM, SELF_THUMB = (0xEAFF_FFFE).to_bytes(4, "little"), (0xE7FE).to_bytes(2, "little")
"""Branches to themselves."""
MOST_PAGES = 1 << 16
"""How far down the end of a stack is looked for."""
MMU_ON = 1
FIRST_LEVEL, SECOND_LEVEL = 16 << 10, 1 << 10
"""Bytes of the tables of short descriptors [B3.5.1]."""


class Patient(NamedTuple):
    """Who is harmed: the CPU, and its RAM at guest physical `base`."""

    engine: ArmEngine
    ram: Any
    base: int

    def holds(self, address: int, size: int = 4) -> bool:
        """Whether these bytes are in its RAM."""
        return 0 <= address - self.base <= len(self.ram) - size

    def word(self, address: int) -> int:
        """A word of RAM. Requires: it is there."""
        return int.from_bytes(self.ram[address - self.base : address - self.base + 4], "little")

    def store(self, address: int, data: bytes) -> None:
        """Change RAM; code that was translated from it is dropped. Requires: it is there."""
        self.ram[address - self.base : address - self.base + len(data)] = data
        self.engine.dma_written(address, len(data))

    def go_to(self, address: int) -> None:
        """The next instruction, in the state in which the CPU is."""
        thumb = bool(self.engine.cpsr & THUMB)
        self.engine.write_register("PC", address & ~1 | 1 if thumb else address & ~3)


def flip_register(patient: Patient, fault: Armed) -> None:
    """A bit of r0 to pc, or with `register` 16 a flag."""
    number, bit = fault.drawn("register", len(REGISTERS)), fault.drawn("bit", 32) % 32
    engine = patient.engine
    if number >= len(REGISTERS):
        engine.write_register("CPSR", engine.cpsr ^ 1 << FLAGS_SHIFT + bit % 4)
        return
    value = engine.read_register(REGISTERS[number]) ^ 1 << bit
    if REGISTERS[number] == "PC":
        patient.go_to(value)
    else:
        engine.write_register(REGISTERS[number], value)


def flip_ram(patient: Patient, fault: Armed) -> None:
    """A bit of a byte of its memory."""
    offset = fault.drawn("offset", len(patient.ram)) % len(patient.ram)
    patient.store(patient.base + offset, bytes([patient.ram[offset] ^ 1 << fault.drawn("bit", 8) % 8]))


def flip_table(patient: Patient, fault: Armed) -> None:
    """A bit of a valid entry of the table that the CPU walks: of a first level, or of a second level that one leads to.

    Nothing if the MMU is off.
    """
    engine = patient.engine
    if not (engine.read_cp15(1, 0, 0, 0) or 0) & MMU_ON:
        return
    draws = Draws(fault.value("entry") if "entry" in fault.values else fault.draw, "entry")
    entries = list(_valid(patient, (engine.read_cp15(2, 0, 0, 0) or 0) & ~(FIRST_LEVEL - 1), FIRST_LEVEL))
    if not entries:
        return
    chosen = entries[draws.below(len(entries))]
    if patient.word(chosen) & 3 == 1:  # it leads to a second level
        below = list(_valid(patient, patient.word(chosen) & ~(SECOND_LEVEL - 1), SECOND_LEVEL))
        chosen = below[draws.below(len(below))] if below else chosen
    word = patient.word(chosen) ^ 1 << fault.drawn("bit", 32) % 32
    patient.store(chosen, word.to_bytes(4, "little"))
    engine.flush_tlb()


def _valid(patient: Patient, table: int, size: int) -> Iterator[int]:
    """Addresses of the entries of a table that say anything."""
    if patient.holds(table, size):
        yield from (address for address in range(table, table + size, 4) if patient.word(address) & 3)


def wild_jump(patient: Patient, fault: Armed) -> None:
    """On at any address."""
    patient.go_to(fault.drawn("address", 1 << 32) & 0xFFFF_FFFF)


def loop(patient: Patient, fault: Armed) -> None:
    """The instruction that would come next becomes a branch to itself, in memory, for all who come there."""
    engine = patient.engine
    where = engine.translate(engine.pc)
    if where is not None and patient.holds(where):
        patient.store(where, SELF_THUMB if engine.cpsr & THUMB else SELF_ARM)


def stack_overflow(patient: Patient, fault: Armed) -> None:
    """The stack is used up: the pointer comes to the lowest of the pages that lie below it without a gap."""
    page = patient.engine.read_register("SP") & ~(PAGE - 1)
    for _ in range(MOST_PAGES):
        below = patient.engine.translate((page - PAGE) & 0xFFFF_FFFF)
        if below is None or not patient.holds(below, PAGE):
            break
        page -= PAGE
    patient.engine.write_register("SP", page)


DEEDS: dict[str, Callable[[Patient, Armed], None]] = {
    "flip_register": flip_register,
    "flip_ram": flip_ram,
    "flip_table": flip_table,
    "wild_jump": wild_jump,
    "loop": loop,
    "stack_overflow": stack_overflow,
}


def suffer(patient: Patient, faults: list[bytes]) -> None:
    """Do what came with a resume, in order, and be rid of it. What does not apply to an ARM guest does nothing."""
    waiting, faults[:] = faults[:], []
    for payload in waiting:
        _, fault = Armed.from_event(payload)
        deed = DEEDS.get(fault.action)
        if deed is not None and not fault.point:
            deed(patient, fault)
