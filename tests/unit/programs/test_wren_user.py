"""wren's user land: what is committed is what the sources give, and the tables name what is there."""

from __future__ import annotations

import io
import re

import pytest
from elftools.elf.elffile import ELFFile

from cells.machine.initrd import check_initrd
from cells.wren import IMAGES, initramfs
from cells.wren.user import CRIMES, KITS, NAMES
from cells.wren.user.build import SOURCES

ARCHIVE = (IMAGES / "initramfs.cpio").read_bytes()
PROGRAM = re.compile(r'\{"(\w+)", \w+\}')
HIDDEN = {"check": ["echo_arguments"]}
"""Programs for other programs only: no links."""


def files() -> dict[str, tuple[int, bytes]]:
    """Path -> (mode, content) of the committed archive, read by the kernel's rules."""
    found, at = {}, 0
    while True:
        fields = [int(ARCHIVE[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = ARCHIVE[at + 110 : at + 109 + fields[11]].decode()
        start = at + 110 + fields[11] + 3 & ~3
        if name == initramfs.TRAILER:
            return found
        found[name] = fields[1], ARCHIVE[start : start + fields[6]]
        at = start + fields[6] + 3 & ~3


@pytest.mark.slow
def test_the_committed_archive_is_what_its_sources_give() -> None:
    pytest.importorskip("ziglang", reason="the tool chain is optional: pip install 'cellvisor[toolchain]'")
    assert initramfs.build_user() == {"initramfs.cpio": ARCHIVE}, "run python -m cells.wren.build user"


def test_it_is_whole_and_small() -> None:
    assert check_initrd("initramfs.cpio", ARCHIVE) == ("cpio",)
    assert len(ARCHIVE) < initramfs.SIZE_LIMIT


def test_it_has_every_program_every_link_and_every_script() -> None:
    links = {f"bin/{link}": elf for elf, names in NAMES.items() for link in names} | {"init": "bin/init"}
    found = files()
    assert {name: content.decode() for name, (mode, content) in found.items() if mode >> 12 == 0o12} == links
    assert {f"bin/{elf}" for elf in KITS} <= set(found)
    assert {name: found[f"etc/{name}"][1].decode() for name in initramfs.scripts()} == initramfs.scripts()


@pytest.mark.parametrize("elf", KITS)
def test_a_program_has_segments_of_different_rights_at_fixed_places(elf: str) -> None:
    image = ELFFile(io.BytesIO(files()[f"bin/{elf}"][1]))
    segments = [part for part in image.iter_segments() if part["p_type"] == "PT_LOAD"]
    assert (image["e_type"], image["e_machine"], image["e_flags"] >> 24) == ("ET_EXEC", "EM_ARM", 5)
    assert [part["p_flags"] for part in segments] == [5, 6]
    assert segments[0]["p_vaddr"] == 0x10000
    for part in segments:
        assert part["p_offset"] % 4096 == part["p_vaddr"] % 4096
    code, data = segments
    assert (code["p_vaddr"] + code["p_memsz"] - 1) // 4096 < data["p_vaddr"] // 4096, "no page has both"


@pytest.mark.parametrize("elf", [elf for elf, names in NAMES.items() if names])
def test_the_table_of_names_is_that_of_the_c_file(elf: str) -> None:
    source = (SOURCES / f"{elf}.c").read_text()
    table = source[source.index("const struct program programs[]") :]
    assert PROGRAM.findall(table) == [*NAMES[elf], *HIDDEN.get(elf, [])]


def test_every_crime_is_one() -> None:
    source = (SOURCES / "crash.c").read_text()
    table = source[source.index("} crimes[] = {") :]
    assert PROGRAM.findall(table) == [*CRIMES, "memory_hog", "file_hog", "crash"]


def test_every_source_is_linked_somewhere() -> None:
    from cells.wren.user import LIBRARY

    named = {*LIBRARY, "call.S", *(source for kit in KITS.values() for source in kit)}  # the second is part of start.S
    assert named == {path.name for path in SOURCES.iterdir() if path.suffix in {".c", ".S"}}
