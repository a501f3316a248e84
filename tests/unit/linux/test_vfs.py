"""The tree of files by itself: names, links, pages, and archives good and bad."""

from __future__ import annotations

import pytest

from cells.personalities.arm import errno as e
from cells.personalities.arm.errno import Errno
from cells.personalities.linux.directory import NAME_COUNT, Directory
from cells.personalities.linux.initramfs import BadArchive, unpack
from cells.personalities.linux.inode import Inode, Link, Regular
from cells.wren.initramfs import Entry, newc
from tests.support.linux_process import PAGE, fake_kernel


def refused(code: int):  # type: ignore[no-untyped-def]
    return pytest.raises(Errno, match=e.NAMES[code])


@pytest.fixture
def vfs():  # type: ignore[no-untyped-def]
    return fake_kernel().vfs


def make(vfs, path: bytes, inode: Inode | None = None) -> Inode:  # type: ignore[no-untyped-def]
    return vfs.create(vfs.walk(vfs.root, path, False), inode or Regular(vfs, 0o644))


def test_a_path_leads_through_directories_dots_and_links(vfs) -> None:  # type: ignore[no-untyped-def]
    make(vfs, b"/a", Directory(vfs, 0o755))
    file = make(vfs, b"/a/f")
    make(vfs, b"/l", Link(vfs, b"a/../a"))
    assert vfs.find(b"//a/./../l/f") is file
    assert vfs.find(b"l/f") is file


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (b"", e.ENOENT),
        (b"/none/f", e.ENOENT),
        (b"/f/x", e.ENOTDIR),
        (b"/f/", e.ENOTDIR),
        (b"/loop", e.ELOOP),
        (b"/" + b"n" * 256, e.ENAMETOOLONG),
        (b"/x" * 2100, e.ENAMETOOLONG),
    ],
)
def test_a_wrong_path_is_refused(vfs, path: bytes, code: int) -> None:  # type: ignore[no-untyped-def]
    make(vfs, b"/f")
    make(vfs, b"/loop", Link(vfs, b"/loop"))
    with refused(code):
        vfs.find(path)


def test_a_link_to_nowhere_names_what_can_be_made_there(vfs) -> None:  # type: ignore[no-untyped-def]
    make(vfs, b"/l", Link(vfs, b"/tmp-file"))
    found = vfs.walk(vfs.root, b"/l")
    assert (found.inode, found.name, found.directory) == (None, b"tmp-file", vfs.root)


def test_rename_replaces_moves_and_refuses_to_make_circles(vfs) -> None:  # type: ignore[no-untyped-def]
    make(vfs, b"/d", Directory(vfs, 0o755))
    inner = make(vfs, b"/d/e", Directory(vfs, 0o755))
    make(vfs, b"/f").write(0, b"new")  # type: ignore[attr-defined]
    make(vfs, b"/g")
    walk = lambda path: vfs.walk(vfs.root, path, False)  # noqa: E731
    vfs.rename(walk(b"/f"), walk(b"/g"))
    assert vfs.find(b"/g").read(0, 9) == b"new"
    with refused(e.EINVAL):
        vfs.rename(walk(b"/d"), walk(b"/d/e/x"))
    with refused(e.ENOTEMPTY):
        vfs.rename(walk(b"/d/e"), walk(b"/dev"))
    vfs.rename(walk(b"/d/e"), walk(b"/e"))
    assert vfs.path_of(inner) == b"/e"
    assert vfs.find(b"/d").links == 2


def test_a_removed_directory_takes_no_names_and_has_no_path(vfs) -> None:  # type: ignore[no-untyped-def]
    gone = make(vfs, b"/d", Directory(vfs, 0o755))
    vfs.remove_directory(vfs.walk(vfs.root, b"/d"))
    with refused(e.ENOENT):
        vfs.create(vfs.walk(gone, b"x"), Regular(vfs, 0o644))
    with refused(e.ENOENT):
        vfs.path_of(gone)


def test_names_of_proc_are_nobodys_to_take_or_give(vfs) -> None:  # type: ignore[no-untyped-def]
    with refused(e.EPERM):
        vfs.unlink(vfs.walk(vfs.root, b"/proc/version"))
    with refused(e.EPERM):
        make(vfs, b"/proc/mine")


def test_what_was_cut_off_does_not_come_back(vfs) -> None:  # type: ignore[no-untyped-def]
    file = Regular(vfs, 0o644, b"archive's")
    file.truncate(3)
    file.truncate(6)
    assert file.read(0, 9) == b"arc\0\0\0"
    file.write(PAGE - 1, b"ab")
    file.truncate(PAGE)
    file.truncate(PAGE + 1)
    assert file.read(PAGE - 1, 9) == b"a\0"


def test_pages_of_a_file_go_back_with_its_last_user(vfs) -> None:  # type: ignore[no-untyped-def]
    free = vfs.frames.free
    file = Regular(vfs, 0o644)
    file.write(0, bytes(3 * PAGE))
    assert vfs.frames.free == free - 3
    del file
    assert vfs.frames.free == free


def test_clean_pages_are_given_up_and_written_ones_kept(vfs) -> None:  # type: ignore[no-untyped-def]
    file = Regular(vfs, 0o755, b"x" * (2 * PAGE))
    file.page(0)
    file.write(PAGE, b"y")
    free = vfs.frames.free
    assert vfs.reclaim()
    assert vfs.frames.free == free + 1
    assert not vfs.reclaim()
    assert file.read(PAGE - 1, 3) == b"xyx"


def test_a_full_ram_is_no_space_on_the_device(vfs) -> None:  # type: ignore[no-untyped-def]
    file = Regular(vfs, 0o644)
    room = vfs.room() * PAGE
    assert 0 < room < vfs.frames.free * PAGE, "programs have theirs"
    assert file.write(0, bytes(room + 5)) == room
    with refused(e.ENOSPC):
        file.write(room, b"x")
    with refused(e.EFBIG):
        file.write((1 << 31) - 1, b"x")


def test_names_are_bounded_and_a_removed_one_makes_room(vfs) -> None:  # type: ignore[no-untyped-def]
    vfs.named += NAME_COUNT - vfs.named - 1
    make(vfs, b"/last")
    with refused(e.ENOSPC):
        make(vfs, b"/more")
    vfs.unlink(vfs.walk(vfs.root, b"/last"))
    make(vfs, b"/more")


# ---- archives


def test_an_archive_becomes_a_tree(vfs) -> None:  # type: ignore[no-untyped-def]
    unpack(
        vfs,
        newc(
            [
                Entry("bin", 0o040755),
                Entry("bin/sh", 0o100755, b"#!"),
                Entry("lib", 0o120777, b"bin"),
                Entry("lib/more/deep", 0o100644, b"1"),
                Entry("dev/tty", 0o020666, device=(5, 0)),
            ]
        ),
    )
    assert vfs.find(b"/bin/sh").read(0, 9) == b"#!"
    assert vfs.find(b"/bin/more/deep").size == 1
    assert vfs.find(b"/dev/tty").device == 0x500


def test_two_archives_one_behind_the_other_are_one_tree(vfs) -> None:  # type: ignore[no-untyped-def]
    unpack(vfs, newc([Entry("a", 0o100644, b"1")]) + newc([Entry("a", 0o100644, b"22"), Entry("b", 0o100644)]))
    assert vfs.find(b"/a").read(0, 9) == b"22"
    assert vfs.find(b"/b").size == 0


@pytest.mark.parametrize("cut", [1, 50, 109, 115, 120])
def test_a_cut_archive_is_refused_with_the_place(vfs, cut: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadArchive, match="byte 0"):
        unpack(vfs, newc([Entry("file", 0o100644, b"content that is long enough")])[:cut] or b"x")


@pytest.mark.parametrize("field", range(13))
def test_a_damaged_number_of_an_archive_is_refused(vfs, field: int) -> None:  # type: ignore[no-untyped-def]
    archive = bytearray(newc([Entry("file", 0o100644, b"content")]))
    archive[6 + 8 * field : 14 + 8 * field] = b"zzzzzzzz"
    with pytest.raises(BadArchive):
        unpack(vfs, bytes(archive))
