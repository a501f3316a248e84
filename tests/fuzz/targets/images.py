"""What is loaded: programs, kernels, archives, device trees, modules. The answer is an image within its bounds, or a refusal."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from boards import BoardError, device_tree, load_board
from cells.machine.images import ImageError, recognise
from cells.machine.initrd import EMPTY_CPIO, check_initrd
from cells.machine.placement import place_bare_metal, place_linux
from cells.machine.symbols import read_map
from cells.personalities.arm.errno import ENOMEM, Errno
from cells.personalities.brew import image as brew
from cells.personalities.linux import elf as linux_elf
from cells.personalities.linux import initramfs
from cells.personalities.linux.elf import Late
from cells.personalities.linux.initramfs import BadArchive
from cells.personalities.linux.vfs import Vfs
from cells.personalities.rtos import elf as rtos_elf
from hypervisor.abi.info_page import FIELDS, build_info_page
from hypervisor.shell.sensitive.code import code_of
from hypervisor.shell.sensitive.scan import scan
from tests.fuzz.target import target

RAM_BASE, RAM = 0x8000_0000, 4 << 20
LONGEST = 8192
PROGRAMS = Path(__file__).parents[3] / "cells" / "programs"
HEADER = struct.Struct("<16s2H5I6H")
SEGMENT = struct.Struct("<8I")


def small_elf(*segments: tuple[int, int, bytes, int, int], kind: int = 2, entry: int = RAM_BASE + 0x8000) -> bytes:
    """An ELF for ARM with these segments: type, address, content, size in memory, flags."""
    at = HEADER.size + SEGMENT.size * len(segments)
    head = HEADER.pack(
        b"\x7fELF\1\1\1" + bytes(9), kind, 40, 1, entry, HEADER.size, 0, 0x05000000, 52, 32, len(segments), 40, 0, 0
    )
    rows, content = b"", b""
    for type_, address, data, size, flags in segments:
        rows += SEGMENT.pack(type_, at + len(content), address, address, len(data), size, flags, 4)
        content += data
    return head + rows + content


def _elves() -> list[bytes]:
    code = b"\xfe\xff\xff\xea" * 8
    dynamic = struct.pack("<8I", 17, 0x100, 18, 8, 19, 8, 0, 0)
    note = struct.pack("<3I", 10, 4, 1) + b"Cellvisor\0\0\0" + struct.pack("<I", 1)
    return [
        small_elf((1, RAM_BASE + 0x8000, code, 64, 5), (1, RAM_BASE + 0x9000, b"data", 4096, 6)),
        small_elf(
            (1, 0, code + bytes(300), 512, 7), (2, 0x20, dynamic, 32, 6), (4, 0, note, len(note), 4), kind=3, entry=0
        ),
        small_elf((1, 0x8000, code, 64, 5), (3, 0x9000, b"/lib/ld.so\0", 11, 4), entry=0x8000),
    ]


def _zimage() -> bytes:
    head = bytes(0x24) + struct.pack("<6I", 0x016F2818, 0, 0x80, 0x04030201, 0x45454545, 0x40)
    return (head.ljust(0x40, b"\0") + struct.pack("<4I", 4, 0x5A534C4B, 0x50, 64)).ljust(0x80, b"\1")


@target("images", seeds=lambda: [*_elves(), _zimage(), b"\xfe\xff\xff\xea" * 4], longest=LONGEST)
def images(data: bytes) -> None:
    """A file named in a topology: recognised and placed within RAM, or refused; and looked at for privileged instructions."""
    with suppress(ImageError):
        image = recognise("f", data)
        assert len(image.relocations) * 8 <= len(data)
        with suppress(ImageError):
            _placed(place_bare_metal(image, ram_base=RAM_BASE, ram_size=RAM, info_page=_info_page()).segments)
        with suppress(ImageError):
            offsets = {"load_offset": 0x8000, "dtb_offset": 0x100, "initrd_offset": 2 << 20}
            options: Any = {"ram_base": RAM_BASE, "ram_size": RAM, "dtb": b"dtb", "initrd": b"i", **offsets}
            _placed(place_linux(image, **options).segments)
    with suppress(ImageError):
        for found in scan(code_of("f", data)):
            assert found


def _placed(segments: Iterable[tuple[int, bytes]]) -> None:
    for address, content in segments:
        assert address >= RAM_BASE
        assert address + len(content) <= RAM_BASE + RAM


@cache
def _info_page() -> bytes:
    required = {field.name: 1 for field in FIELDS if field.default is None}
    return build_info_page(**required)


def cpio(*entries: tuple[bytes, int, bytes]) -> bytes:
    """An archive of these files: name, mode, content."""
    made = b""
    for number, (name, mode, content) in enumerate(entries, 1):
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0"
        made += head.ljust(len(head) + 3 & ~3, b"\0") + content.ljust(len(content) + 3 & ~3, b"\0")
    return made + EMPTY_CPIO


def _archives() -> list[bytes]:
    tree = cpio(
        (b"bin", 0o40755, b""), (b"bin/sh", 0o100755, b"#!"), (b"l", 0o120777, b"bin"), (b"dev/n", 0o20666, b"")
    )
    return [tree, gzip.compress(tree), EMPTY_CPIO * 2 + gzip.compress(EMPTY_CPIO), cpio((b"a/../../b", 0o100644, b"x"))]


class _Pages:
    """Frames of a small memory."""

    total = 64

    def __init__(self) -> None:
        self._taken: dict[int, bytearray] = {}
        self.written = lambda _page, _size: None

    @property
    def free(self) -> int:
        return self.total - len(self._taken)

    def take(self) -> int:
        if not self.free:
            raise Errno(ENOMEM)
        self._taken[len(self._taken)] = bytearray(4096)
        return len(self._taken) - 1

    def release(self, page: int) -> None:
        """Nobody takes it again."""

    def view(self, page: int) -> memoryview:
        return memoryview(self._taken[page])


@target("archives", seeds=_archives, longest=LONGEST)
def archives(data: bytes) -> None:
    """An initial RAM disk, and the root of a personality."""
    with suppress(ImageError):
        assert len(check_initrd("f", data)) <= len(data)
    with suppress(BadArchive):
        initramfs.unpack(Vfs(_Pages(), lambda: 0), data)


@target("linux_elf", seeds=_elves, longest=LONGEST)
def linux_programs(data: bytes) -> None:
    """execve of a file in the Linux-like cell."""
    with suppress(Errno, Late):
        image = linux_elf.parse(lambda at, size: data[at : at + size])
        image.check()
        assert image.end <= 1 << 32


@target("rtos_elf", seeds=_elves, longest=LONGEST)
def rtos_images(data: bytes) -> None:
    """An image of tasks."""
    with suppress(ValueError):
        _, parts = rtos_elf.parse(data)
        ends = [part.address + part.size for part in parts]
        assert all(end <= after.address for end, after in zip(ends, parts[1:], strict=False))


def _modules() -> list[bytes]:
    found = sorted(PROGRAMS.rglob("*.mod"), key=lambda path: path.stat().st_size)[:1]
    return [path.read_bytes()[:LONGEST] for path in found]


@target("brew_module", seeds=_modules, longest=LONGEST)
def modules(data: bytes) -> None:
    """A BREW applet's file, as it is and with sizes that fit."""
    with suppress(brew.ImageError):
        assert len(brew.parse(data).text) <= len(data)
    if len(data) > 24:
        text = -(-len(data) // 4096) * 4096
        with suppress(brew.ImageError):
            brew.parse((data[:8] + struct.pack("<2I", text, 0) + data[16:]).ljust(text, b"\0"))


@target("maps", seeds=lambda: [b"00008000 t start\n00008010 d $d\n"])
def maps(data: bytes) -> None:
    """The map beside an image."""
    with suppress(ImageError):
        read_map(data.decode("latin-1"), "f")


@cache
def _board() -> Any:
    return load_board("beagle")


def _trees() -> list[bytes]:
    import boards

    return [path.read_bytes()[:4000] for path in sorted((Path(boards.__file__).parent / "trees").glob("*.dts"))]


_place: list[Path] = []


def place() -> Path:
    """A directory of this process's own."""
    if not _place:
        import atexit
        import shutil
        import tempfile

        _place.append(Path(tempfile.mkdtemp(prefix="cellvisor-fuzz-")))
        atexit.register(shutil.rmtree, _place[0], ignore_errors=True)
    return _place[0]


@target("device_tree", seeds=_trees, longest=4096)
def trees(data: bytes) -> None:
    """The device tree that a board of the user's names."""
    file = place() / "tree.dts"
    file.write_bytes(data)
    board = _board()
    named = board.model_copy(update={"linux": board.linux.model_copy(update={"device_tree": str(file)})})
    with suppress(BoardError):
        device_tree(named, ram_size=RAM, bootargs="quiet", initrd=None)
