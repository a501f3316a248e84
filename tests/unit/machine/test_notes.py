"""Kernels that say of themselves what they are: believed as far as it can be, refused with one line otherwise."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cells.machine.images import ImageError, recognise
from cells.machine.notes import NO_NOTES, NoteError, Notes, read_notes
from cells.machine.placement import Placement, place_bare_metal
from hypervisor.abi.info_page import (
    ENTRY_MARK,
    PAGE_SIZE,
    FlavourNumber,
    UartKind,
    build_info_page,
    read_info_page,
)
from hypervisor.abi.memory import KERNEL_WINDOW
from tests.support.elves import DATA_AT, LIARS, VIRTUAL_BASE, elf, kernel, note

RAM, MIB = 0x4000_0000, 1 << 20
PAGE = build_info_page(ram_base=RAM, ram_size=MIB, hz=1_000_000, uart_kind=UartKind.PL011)
BOTH = note(1, 2) + note(2, VIRTUAL_BASE)
BAD = Path(__file__).parents[2] / "topologies" / "bad" / "files"


def placed(data: bytes, *, ram_size: int = MIB, initrd: bytes = b"", reserved: int = 0) -> Placement:
    return place_bare_metal(
        recognise("k", data), ram_base=RAM, ram_size=ram_size, info_page=PAGE, initrd=initrd, reserved=reserved
    )


def told(placement: Placement) -> dict[str, int | str]:
    return read_info_page(dict(placement.segments)[RAM])


# ---- what notes say


def test_both_notes_are_read_whatever_else_lies_beside_them() -> None:
    others = note(1, 7, owner=b"GNU\0") + note(3, 1, 2, 3, owner=b"")
    assert read_notes(others, BOTH) == Notes(FlavourNumber.XEN, VIRTUAL_BASE)


def test_an_image_without_notes_says_nothing() -> None:
    assert read_notes() == NO_NOTES
    assert recognise("k", kernel(b"")).notes == NO_NOTES
    assert not recognise("k", kernel(b"")).deprivileged


@pytest.mark.parametrize(("flavour", "deprivileged"), [(0, False), (1, True), (2, True), (3, True)])
def test_a_kernel_for_native_wants_privileges_and_others_do_not(flavour: int, deprivileged: bool) -> None:
    image = recognise("k", kernel(note(1, flavour)))
    assert (image.notes.flavour, image.deprivileged) == (flavour, deprivileged)


@pytest.mark.parametrize(
    ("notes", "why"),
    [
        (note(1, 9), "says that it is made for flavour 9, which does not exist"),
        (note(1, 2) * 2, "says its flavour twice"),
        (BOTH + note(2, VIRTUAL_BASE), "says its virtual base twice"),
        (note(2, VIRTUAL_BASE), "says its virtual base, but not its flavour"),
        (note(1, 2, 3), "says its flavour in 8 bytes, not in a word of 4"),
        (note(2), "says its virtual base in 0 bytes, not in a word of 4"),
        (note(7, 1), "has a note of type 7, which nobody knows"),
        (BOTH[:-1], "is a damaged ELF (a note is cut short)"),
        (BOTH[:5], "is a damaged ELF (a note is cut short)"),
        (struct.pack("<3I", 0xFFFF_FFFF, 0xFFFF_FFFF, 1), "is a damaged ELF (a note is cut short)"),
        *(
            (
                note(1, 2) + note(2, base),
                f"wants its RAM at virtual address {base:#x}: it has to be a multiple of 1MiB in 0x80000000..0xdff00000",
            )
            for base in (0, 0x1000_0000, 0xC000_1000, KERNEL_WINDOW, 0xFFF0_0000)
        ),
    ],
)
def test_notes_that_lie_are_refused_with_one_line(notes: bytes, why: str) -> None:
    with pytest.raises(NoteError) as caught:
        read_notes(notes)
    assert str(caught.value) == why
    with pytest.raises(ImageError) as refused:
        recognise("k", kernel(notes))
    assert refused.value.why == why


def test_a_virtual_base_needs_an_image_that_can_be_moved() -> None:
    with pytest.raises(
        ImageError, match=r"^k: says a virtual base, but is linked to fixed addresses: link it with -static-pie$"
    ):
        recognise("k", kernel(BOTH, kind=2))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damaged_kernel_gets_past_with_anything_but_an_image_error(data: st.DataObject) -> None:
    image = bytearray(kernel())
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(4, len(image) - 1))] = data.draw(st.integers(0, 255))
    del image[data.draw(st.integers(100, len(image))) :]
    try:
        placement = placed(bytes(image), initrd=b"disk")
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert all(address >= RAM and address + len(content) <= RAM + MIB for address, content in placement.segments)


# ---- where such a kernel lies


def test_a_kernel_lies_physically_and_is_relocated_for_its_virtual_base() -> None:
    placement = placed(kernel())
    content = dict(placement.segments)[RAM + 0x8000]
    assert struct.unpack_from("<3I", content, DATA_AT) == (VIRTUAL_BASE + 0x8044, 2, 3)


def test_without_privileges_it_starts_virtually() -> None:
    placement = placed(kernel())
    assert placement.entry == VIRTUAL_BASE + 0x8000
    assert placement.registers == (0, ENTRY_MARK, VIRTUAL_BASE)


def test_with_privileges_it_starts_physically_and_is_told_where_it_wanted_to_be() -> None:
    placement = placed(kernel(note(1, 0) + note(2, VIRTUAL_BASE)))
    assert (placement.entry, placement.registers) == (RAM + 0x8000, (0, ENTRY_MARK, RAM))
    assert told(placement)["virtual_base"] == VIRTUAL_BASE
    content = dict(placement.segments)[RAM + 0x8000]
    assert struct.unpack_from("<I", content, DATA_AT) == (VIRTUAL_BASE + 0x8044,)


def test_the_initial_ram_disk_lies_in_the_page_behind_and_is_told() -> None:
    placement = placed(kernel(), initrd=b"disk")
    assert dict(placement.segments)[RAM + 0x9000] == b"disk"
    assert (told(placement)["initrd_base"], told(placement)["initrd_size"]) == (RAM + 0x9000, 4)
    assert told(placed(kernel()))["initrd_size"] == 0


def test_what_the_monitor_keeps_is_not_the_kernels() -> None:
    assert told(placed(kernel(), reserved=0x8000))["memory_end"] == RAM + MIB - 0x8000


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"initrd": bytes(MIB)}, "RAM too small: needs at least 1060KiB, has 1024KiB"),
        ({"initrd": bytes(MIB - 0x9000), "reserved": 4096}, "RAM too small: needs at least 1028KiB, has 1024KiB"),
        ({"reserved": MIB}, "RAM too small: needs at least 1057KiB, has 1024KiB"),
        (
            {"ram_size": 512 * MIB + PAGE_SIZE},
            "RAM of 513MiB does not fit at its virtual base 0xc0000000: there is room for 512MiB",
        ),
    ],
)
def test_a_kernel_that_does_not_fit_is_refused_with_what_it_needs(options: dict[str, int], why: str) -> None:
    with pytest.raises(ImageError) as caught:
        placed(kernel(), **options)  # type: ignore[arg-type]
    assert caught.value.why == why


def test_a_disk_that_just_fits_is_taken() -> None:
    assert placed(kernel(), initrd=bytes(MIB - 0x9000))


def test_segments_that_overlap_are_refused() -> None:
    with pytest.raises(ImageError, match=r"^k: the image at .* overlaps the image at .*$"):
        placed(LIARS["two_segments"])


def test_a_kernel_cut_short_is_refused() -> None:
    with pytest.raises(ImageError, match=r"is truncated: \d+ bytes of an ELF of at least \d+"):
        recognise("k", elf((1, 0, bytes(0x100), 0x100))[:-20])


# ---- the files of the broken topologies


@pytest.mark.parametrize("name", LIARS)
def test_the_files_beside_the_broken_topologies_are_what_they_seem(name: str) -> None:
    assert (BAD / f"{name}.elf").read_bytes() == LIARS[name]
