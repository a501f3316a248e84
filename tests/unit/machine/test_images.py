"""Guest images: every kind of file is told apart, every broken one is refused, and nothing lies on anything."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.machine.images import R_ARM_RELATIVE, Image, ImageError, recognise
from cells.machine.initrd import EMPTY_CPIO, check_initrd
from cells.machine.placement import NO_MACHINE, place_bare_metal, place_linux
from cells.programs.arm import NAMES, built_in
from hypervisor.abi.info_page import ENTRY_MARK

RAM = 0x4000_0000
MIB = 1 << 20
PAGE = b"i" * 4096
OUTSIDE = (
    "is linked to lie at 0xc0008000..0xc0008010, outside of RAM at 0x40000000..0x40100000: "
    "link it for there, or with -static-pie"
)


def elf(
    *, kind: int = 2, machine: int = 40, segments: tuple[tuple[int, int, bytes, int], ...], entry: int = 0x1000
) -> bytes:
    """A little ELF: segments are (type, address, data, size in memory)."""
    offset = 52 + 32 * len(segments)
    headers, body = b"", b""
    for p_type, address, data, size in segments:
        headers += struct.pack("<8I", p_type, offset + len(body), address, address, len(data), size, 7, 4)
        body += data
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    return (
        ident
        + struct.pack("<HHIIIIIHHHHHH", kind, machine, 1, entry, 52, 0, 0x5000200, 52, 32, len(segments), 0, 0, 0)
        + headers
        + body
    )


def fixed_elf(address: int = RAM + 0x10000, data: bytes = b"code", size: int = 16) -> bytes:
    return elf(segments=((1, address, data, size),), entry=address)


def zimage(size: int = 0x1000, *, kernel: tuple[int, int] | None = None) -> bytes:
    """A zImage of `size` bytes; `kernel`: sizes of what it unpacks to, text and data, then zeroed data."""
    image = bytearray(size)
    struct.pack_into("<3I", image, 0x24, 0x016F2818, 0, size)
    if kernel:
        struct.pack_into("<2I", image, 0x34, 0x45454545, 0x100)
        struct.pack_into("<2I", image, 0x100, 2, 0x12345678)  # a tag that we do not know
        struct.pack_into("<4I", image, 0x108, 4, 0x5A534C4B, 0x200, kernel[1])
        struct.pack_into("<I", image, 0x200, kernel[0])
    return bytes(image)


def linux(
    kernel: Image, *, ram_size: int = 64 * MIB, dtb: bytes = b"dtb", initrd: bytes = b"", **offsets: int
) -> object:
    where = {"load_offset": 32 * MIB, "dtb_offset": 40 * MIB, "initrd_offset": 48 * MIB} | offsets
    return place_linux(kernel, ram_base=RAM, ram_size=ram_size, dtb=dtb, initrd=initrd, **where)


def refusal(file: str, data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        recognise(file, data)
    assert caught.value.file == file
    assert str(caught.value) == f"{file}: {caught.value.why}"
    assert "\n" not in str(caught.value)
    return caught.value.why


# ---- what a file is


@pytest.mark.parametrize("name", NAMES)
def test_every_built_in_image_is_a_movable_elf(name: str) -> None:
    image = recognise(name, built_in(name))
    assert (image.kind, image.movable, len(image.parts)) == ("elf", True, 1)
    assert image.relocations


def test_a_static_elf_keeps_its_addresses() -> None:
    image = recognise("fixed", fixed_elf())
    assert not image.movable
    assert image.parts[0].address == RAM + 0x10000
    assert image.entry == RAM + 0x10000


def test_a_zimage_is_known_by_its_magic_and_tells_its_unpacked_size() -> None:
    image = recognise("k", zimage(kernel=(5 * MIB, MIB)))
    assert (image.kind, image.unpacked_size) == ("zimage", 6 * MIB)
    assert recognise("old", zimage()).unpacked_size == 0


def test_a_zimage_may_have_a_device_tree_appended() -> None:
    assert recognise("k", zimage() + b"\xd0\x0d\xfe\xed" + bytes(100)).parts[0].size == 0x1068


def test_anything_else_is_a_flat_binary() -> None:
    assert recognise("flat", b"\xfe\xff\xff\xea").kind == "raw"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (zimage()[:0x800], "is truncated: 2048 bytes of a zImage of 4096"),
        (zimage()[:0x28], "is a zImage with a broken header"),
        (fixed_elf()[:86], "is truncated: 86 bytes of an ELF of at least 88"),
        (
            elf(segments=((1, 0, b"12345678", 4),)),
            "is a damaged ELF (a segment has more bytes in the file than in memory)",
        ),
        (elf(machine=62, segments=()), "is an ELF for x64, not for little-endian 32-bit ARM"),
        (elf(kind=1, segments=()), "is an object file: link it first"),
        (elf(segments=()), "has nothing to load"),
        (elf(segments=((3, 0, b"/lib/ld.so\0", 11),)), "is dynamically linked: link it with -static or -static-pie"),
        (b"\x27\x05\x19\x56" + bytes(100), "is a U-Boot image: strip its header of 64 bytes"),
        (gzip.compress(b"kernel", mtime=0), "is compressed (gzip): unpack it first"),
        (EMPTY_CPIO, "is a cpio archive: name it with initrd or root"),
        (b"!<arch>\ndebian-binary", "is an archive or a Debian package: unpack it first"),
    ],
)
def test_a_file_that_cannot_be_booted_is_refused_with_its_reason(data: bytes, why: str) -> None:
    assert refusal("some.file", data) == why


def test_an_elf_header_cut_short_is_a_damaged_elf() -> None:
    assert refusal("e", fixed_elf()[:40]).startswith("is a damaged ELF (")


def test_a_relocation_that_needs_a_dynamic_linker_is_refused() -> None:
    assert "needs a dynamic linker" in refusal("e", dynamic_elf(kind=2))


def dynamic_elf(*, kind: int = R_ARM_RELATIVE, offset: int = 0x100) -> bytes:
    """A shared object whose code holds 0x44 at 0x100 and one relocation of that word."""
    table = struct.pack("<2I", offset, kind)
    tags = struct.pack("<8I", 17, 0x110, 18, 8, 19, 8, 0, 0)
    code = bytes(0x100) + struct.pack("<4I", 0x44, 1, 2, 3) + table
    return elf(kind=3, segments=((1, 0, code + tags, 0x200), (2, len(code), tags, len(tags))), entry=0)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damaged_elf_gets_past_with_anything_but_an_image_error(data: st.DataObject) -> None:
    image = bytearray(dynamic_elf())
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(4, len(image) - 1))] = data.draw(st.integers(0, 255))
    del image[data.draw(st.integers(100, len(image))) :]
    try:
        place_bare_metal(recognise("e", bytes(image)), ram_base=RAM, ram_size=MIB, info_page=PAGE)
    except ImageError as error:
        assert "\n" not in str(error)


# ---- bare metal


def test_a_movable_image_lies_behind_the_info_page_and_starts_with_its_address() -> None:
    placement = place_bare_metal(recognise("flat", b"abcd"), ram_base=RAM, ram_size=MIB, info_page=PAGE)
    assert dict(placement.segments) == {RAM: PAGE, RAM + 0x8000: b"abcd"}
    assert placement.entry == RAM + 0x8000
    assert placement.registers == (0, ENTRY_MARK, RAM)


def test_relocated_words_get_the_load_address_and_no_other_word_does() -> None:
    placement = place_bare_metal(recognise("e", dynamic_elf()), ram_base=RAM, ram_size=MIB, info_page=PAGE)
    loaded = dict(placement.segments)[RAM + 0x8000]
    assert struct.unpack_from("<4I", loaded, 0x100) == (RAM + 0x8044, 1, 2, 3)
    assert len(loaded) == 0x200


def test_zeroed_data_is_written_out() -> None:
    placement = place_bare_metal(recognise("e", fixed_elf()), ram_base=RAM, ram_size=MIB, info_page=PAGE)
    assert dict(placement.segments)[RAM + 0x10000] == b"code" + bytes(12)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes(2 * MIB), "RAM too small: needs at least 2080KiB, has 1024KiB"),
        (fixed_elf(RAM + MIB - 4, size=64 * MIB), "RAM too small: needs at least 65MiB, has 1024KiB"),
        (
            fixed_elf(0xC0008000),
            OUTSIDE,
        ),
        (
            fixed_elf(RAM + 0x800),
            "the info page at 0x40000000..0x40001000 overlaps the image at 0x40000800..0x40000810",
        ),
        (elf(segments=((1, RAM + 0x10000, b"code", 4),), entry=0), "its entry point 0x0 lies outside of what it loads"),
        (zimage(), 'is a Linux kernel: name it with "kernel", not with "image"'),
        (dynamic_elf(offset=0x10000), "is a damaged ELF (a relocation at 0x10000, where nothing is)"),
    ],
)
def test_an_image_that_does_not_fit_its_ram_is_refused_with_what_it_needs(data: bytes, why: str) -> None:
    with pytest.raises(ImageError) as caught:
        place_bare_metal(recognise("i", data), ram_base=RAM, ram_size=MIB, info_page=PAGE)
    assert caught.value.why == why


# ---- Linux


def test_a_kernel_starts_with_its_device_tree_and_no_machine_number() -> None:
    kernel = recognise("k", zimage())
    placement = place_linux(
        kernel,
        ram_base=RAM,
        ram_size=MIB,
        dtb=b"dtb",
        initrd=b"rd",
        load_offset=0x8000,
        dtb_offset=0x100,
        initrd_offset=0x20000,
    )
    assert dict(placement.segments) == {RAM + 0x8000: zimage(), RAM + 0x100: b"dtb", RAM + 0x20000: b"rd"}
    assert (placement.entry, placement.registers) == (RAM + 0x8000, (0, NO_MACHINE, RAM + 0x100))


@pytest.mark.parametrize(
    ("kernel", "options", "why"),
    [
        (fixed_elf(), {}, "is an ELF: a kernel is booted from its zImage (arch/arm/boot/zImage)"),
        (zimage(), {"ram_size": 32 * MIB}, "RAM too small: needs at least 41MiB, has 32MiB"),
        (zimage(), {"ram_size": 49 * MIB, "initrd": bytes(3 * MIB)}, "RAM too small: needs at least 51MiB, has 49MiB"),
        (
            zimage(kernel=(20 * MIB, 29 * MIB)),
            {"initrd": b"rd"},
            "the unpacked kernel at 0x40008000..0x43108000 overlaps the device tree at 0x42800000..0x42800003",
        ),
        (
            zimage(),
            {"dtb": bytes(9 * MIB), "initrd": b"rd"},
            "the device tree at 0x42800000..0x43100000 overlaps the initrd at 0x43000000..0x43000002",
        ),
    ],
)
def test_a_kernel_that_does_not_fit_is_refused_with_what_it_needs(
    kernel: bytes, options: dict[str, object], why: str
) -> None:
    with pytest.raises(ImageError) as caught:
        linux(recognise("k", kernel), **options)  # type: ignore[arg-type]
    assert caught.value.why == why


def test_the_zimage_itself_may_lie_where_the_kernel_will_be() -> None:
    linux(recognise("k", zimage(kernel=(6 * MIB, MIB))), load_offset=0x8000, initrd=b"rd")


# ---- initial RAM disks


def archive(name: bytes = b"init", content: bytes = b"#!/bin/sh\n") -> bytes:
    """A newc archive with one file."""
    numbers = [1, 0o100755, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
    entry = b"070701" + b"".join(b"%08X" % number for number in numbers) + name + b"\0"
    entry += bytes(-len(entry) % 4) + content
    return entry + bytes(-len(entry) % 4) + EMPTY_CPIO


WHOLE = {
    "cpio": archive(),
    "gzip": gzip.compress(archive(), mtime=0),
    "xz": lzma.compress(archive()),
    "lzma": lzma.compress(archive(), lzma.FORMAT_ALONE),
    "bzip2": bz2.compress(archive()),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_initrd_is_told_by_its_format(name: str) -> None:
    assert check_initrd("rd", WHOLE[name] + bytes(512)) == (name,)


def test_archives_may_follow_one_another() -> None:
    assert check_initrd("rd", archive(b"microcode") + bytes(256) + WHOLE["gzip"] + WHOLE["xz"]) == (
        "cpio",
        "gzip",
        "xz",
    )


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_truncated_initrd_is_found(name: str, keep: float) -> None:
    cut = WHOLE[name][: int(len(WHOLE[name]) * keep)]
    with pytest.raises(ImageError, match=r"^rd: is truncated: "):
        check_initrd("rd", cut)


def test_a_compressed_archive_without_a_trailer_is_found() -> None:
    with pytest.raises(ImageError, match=r"is truncated: its cpio archive has no TRAILER!!!"):
        check_initrd("rd", gzip.compress(archive()[:-20]))


def test_a_damaged_stream_is_found() -> None:
    damaged = bytearray(WHOLE["gzip"])
    damaged[30] ^= 0xFF
    with pytest.raises(ImageError, match=r"^rd: is damaged: its gzip stream does not decompress"):
        check_initrd("rd", bytes(damaged))


@pytest.mark.parametrize("data", [b"", bytes(1024)])
def test_an_empty_initrd_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^rd: is empty$"):
        check_initrd("rd", data)


def test_something_else_is_no_initrd() -> None:
    with pytest.raises(
        ImageError, match=r"^rd: is no initrd: it begins with 68 73 71 73, which is none of cpio \(newc\), gzip"
    ):
        check_initrd("rd", b"hsqs" + bytes(96))


def test_a_cpio_entry_with_letters_for_numbers_is_damaged() -> None:
    broken = archive().replace(b"000081ED", b"000081ED").replace(b"0000000A", b"0000zzzz", 1)
    with pytest.raises(ImageError, match=r"^rd: is damaged: a cpio entry has a number that is none$"):
        check_initrd("rd", broken)
