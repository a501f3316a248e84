"""Where a guest's images lie in its RAM, and its first registers: the two boot protocols. Pure.

- Bare metal (`hypervisor/abi/info_page.py`): r0 = 0, r1 = the mark, r2 = the info page, which is the first page of RAM. A kernel
  whose notes give a virtual base is relocated for there. One that was made to run without privileges is started there too, as
  its first address space has all of its RAM there; others begin at physical addresses and make their own.
- Linux (Documentation/arch/arm/booting.rst): r0 = 0, r1 = 0xffffffff, r2 = the device tree.

Both start in SVC mode, ARM state unless bit 0 of the entry is set, IRQs and FIQs masked, MMU and caches off.

>>> from cells.machine.images import recognise
>>> image = recognise("flat.bin", bytes.fromhex("fe ff ff ea"))
>>> hex(place_bare_metal(image, ram_base=0x40000000, ram_size=1 << 20, info_page=bytes(4096)).entry)
'0x40008000'
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from cells.machine.images import Image, ImageError
from hypervisor.abi.info_page import ENTRY_MARK, IMAGE_OFFSET, PAGE_SIZE, amend_info_page
from hypervisor.abi.memory import KERNEL_WINDOW

NO_MACHINE = 0xFFFFFFFF
"""What r1 holds for a kernel that a device tree describes: no machine number."""
_KERNEL_OFFSET = 0x8000
"""Where the decompressor puts the kernel at the earliest, from the start of RAM (Linux, arch/arm/Makefile: textofs)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What to write where before the first instruction, the entry point, and r0 to r2. All other RAM is zero."""

    segments: tuple[tuple[int, bytes], ...]
    entry: int
    registers: tuple[int, int, int]


def place_bare_metal(
    image: Image, *, ram_base: int, ram_size: int, info_page: bytes, initrd: bytes = b"", reserved: int = 0
) -> Placement:
    """Lay out an image that learns of its board from the info page; what is movable goes to `IMAGE_OFFSET`, an initial RAM
    disk (b"": none) to the page behind it. `reserved`: bytes at the end of RAM that are the monitor's.

    Raises:
        ImageError: it does not fit, reaches out of RAM or into the info page, or is a Linux kernel.
    """
    if image.kind == "zimage":
        raise ImageError(image.file, 'is a Linux kernel: name it with "kernel", not with "image"')
    base = ram_base + IMAGE_OFFSET if image.movable else 0
    virtual = image.notes.virtual_base
    placed = _loaded(image, base, virtual + IMAGE_OFFSET if virtual else base)
    if not image.movable:
        _check_linked_into_ram(image.file, placed, ram_base, ram_size)
    if not any(part.address <= (image.entry & ~1) + base < part.end for part in placed):
        raise ImageError(image.file, f"its entry point {image.entry:#x} lies outside of what it loads")
    told = {"virtual_base": virtual} if virtual else {}
    if reserved:
        told["memory_end"] = ram_base + ram_size - reserved
    if initrd:
        start = -(-max(part.end for part in placed) // PAGE_SIZE) * PAGE_SIZE
        placed.append(_Placed("the initrd", start, initrd, len(initrd)))
        told |= {"initrd_base": start, "initrd_size": len(initrd)}
    _check_virtual(image, ram_size)
    _check_layout(
        image.file, [*placed, _Placed("the info page", ram_base, b"", PAGE_SIZE)], ram_base, ram_size, reserved
    )
    placed.append(_Placed("the info page", ram_base, amend_info_page(info_page, **told), PAGE_SIZE))
    shift = virtual - ram_base if virtual and image.deprivileged else 0
    return Placement(_written(placed), image.entry + base + shift, (0, ENTRY_MARK, ram_base + shift))


def _check_virtual(image: Image, ram_size: int) -> None:
    """All RAM of a kernel that has a virtual base fits between there and the window."""
    base = image.notes.virtual_base
    if base and base + ram_size > KERNEL_WINDOW:
        room = _size(KERNEL_WINDOW - base)
        raise ImageError(
            image.file, f"RAM of {_size(ram_size)} does not fit at its virtual base {base:#x}: there is room for {room}"
        )


def place_linux(
    kernel: Image,
    *,
    ram_base: int,
    ram_size: int,
    dtb: bytes,
    initrd: bytes,
    load_offset: int,
    dtb_offset: int,
    initrd_offset: int,
) -> Placement:
    """Lay out a kernel with its device tree and initial RAM disk (b"": none), at the board's offsets into RAM.

    Raises:
        ImageError: they overlap or do not fit, or this is no kernel image.
    """
    if kernel.kind == "elf":
        raise ImageError(kernel.file, "is an ELF: a kernel is booted from its zImage (arch/arm/boot/zImage)")
    placed = _loaded(kernel, ram_base + load_offset)
    placed.append(_Placed("the device tree", ram_base + dtb_offset, dtb, len(dtb)))
    if initrd:
        placed.append(_Placed("the initrd", ram_base + initrd_offset, initrd, len(initrd)))
    _check_layout(kernel.file, placed, ram_base, ram_size)
    if kernel.unpacked_size:  # the decompressor moves itself out of the way, but not what it knows nothing of
        unpacked = _Placed("the unpacked kernel", ram_base + _KERNEL_OFFSET, b"", kernel.unpacked_size)
        _check_layout(kernel.file, [unpacked, *placed[1:]], ram_base, ram_size)
    return Placement(_written(placed), ram_base + load_offset, (0, NO_MACHINE, ram_base + dtb_offset))


class _Placed(NamedTuple):
    """A part at its address, with a name for messages."""

    name: str
    address: int
    data: bytes
    size: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.size

    def __str__(self) -> str:
        return f"{self.name} at {self.address:#x}..{self.end:#x}"


def _loaded(image: Image, base: int, linked: int | None = None) -> list[_Placed]:
    """The image's parts moved to `base` and relocated, for `linked` if that is where it will find itself."""
    shift = base if linked is None else linked
    loaded = [bytearray(part.data) for part in image.parts]
    for offset in image.relocations:
        for part, data in zip(image.parts, loaded, strict=True):
            if part.address <= offset <= part.address + len(data) - 4:
                word = struct.unpack_from("<I", data, offset - part.address)[0] + shift
                struct.pack_into("<I", data, offset - part.address, word & 0xFFFFFFFF)
                break
        else:
            raise ImageError(image.file, f"is a damaged ELF (a relocation at {offset:#x}, where nothing is)")
    pairs = zip(image.parts, loaded, strict=True)
    return [_Placed("the image", part.address + base, bytes(data), part.size) for part, data in pairs]


def _check_linked_into_ram(file: str, placed: Sequence[_Placed], ram_base: int, ram_size: int) -> None:
    """What is linked at fixed addresses must be linked for this board's RAM."""
    ram = _Placed("RAM", ram_base, b"", ram_size)
    for part in placed:
        if part.address < ram_base or part.address >= ram.end:
            where = f"{part.address:#x}..{part.end:#x}"
            raise ImageError(
                file, f"is linked to lie at {where}, outside of {ram}: link it for there, or with -static-pie"
            )


def _check_layout(file: str, placed: Sequence[_Placed], ram_base: int, ram_size: int, reserved: int = 0) -> None:
    """Everything lies in RAM below what is reserved, and nothing on anything else."""
    for lower, upper in pairwise(sorted(placed, key=lambda part: part.address)):
        if lower.end > upper.address:
            raise ImageError(file, f"{lower} overlaps {upper}")
    needed = max(part.end for part in placed) - ram_base + reserved
    if needed > ram_size:
        raise ImageError(file, f"RAM too small: needs at least {_size(needed)}, has {_size(ram_size)}")


def _size(size: int) -> str:
    """For people: in MiB rounded up, or in KiB when that would hide the difference."""
    return f"{-(-size >> 20)}MiB" if size >= 8 << 20 else f"{-(-size >> 10)}KiB"


def _written(placed: Sequence[_Placed]) -> tuple[tuple[int, bytes], ...]:
    """What goes to RAM, the zeros behind a part's data included."""
    return tuple((part.address, part.data.ljust(part.size, b"\0")) for part in placed)
