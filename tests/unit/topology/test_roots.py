"""Roots of personalities: what a cell gets is one archive, the same for the same content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cells.personalities.arm.errno import Errno
from cells.personalities.arm.frames import Frames
from cells.personalities.linux.initramfs import unpack
from cells.personalities.linux.vfs import Vfs
from cells.wren import IMAGES
from hypervisor.shell.topology import Topology, load, roots

ARCHIVE = IMAGES / "initramfs.cpio"


def topology(directory: Path, **cell: object) -> Topology:
    table = {"personality": "linux", "run": ["/bin/sh"], **cell}
    return load({"name": "x", "board": "arm926", "cells": {"a": table}}, directory=directory)


def test_our_own_user_land_is_the_default(tmp_path: Path) -> None:
    cell = topology(tmp_path).cell("a")
    assert roots.archive(cell) == ARCHIVE.read_bytes()


def test_files_come_behind_what_the_root_has_with_the_folders_that_lead_to_them(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"content")
    made = topology(tmp_path, files={"/opt/deep/mine": "mine", "/bin/sh": "mine"})
    (tmp_path / "made.cpio").write_bytes(roots.archive(made.cell("a")))
    names = roots.names(tmp_path / "made.cpio")
    assert names[: len(roots.names(ARCHIVE))] == roots.names(ARCHIVE)
    assert names[len(roots.names(ARCHIVE)) :] == ["opt", "opt/deep", "opt/deep/mine", "bin", "bin/sh"]
    assert {"cells.a.root", "cells.a.files./opt/deep/mine", "cells.a.files./bin/sh"} <= set(made.hashes)


def test_a_directory_gives_the_same_bytes_whenever_it_was_made(tmp_path: Path) -> None:
    made = []
    for name, order in (("one", ["b", "a"]), ("two", ["a", "b"])):
        top = tmp_path / name
        (top / "dir").mkdir(parents=True)
        for file in order:
            (top / "dir" / file).write_text(file)
            os.utime(top / "dir" / file, (len(made), len(made)))
        (top / "link").symlink_to("dir/a")
        os.mkfifo(top / "pipe")
        made.append(topology(tmp_path, root=name))
    assert roots.archive(made[0].cell("a")) == roots.archive(made[1].cell("a"))
    assert made[0].digest == made[1].digest
    assert roots.names(tmp_path / "one") == ["dir", "link", "dir/a", "dir/b"]


def test_what_is_in_a_root_decides_about_the_digest(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    digests = []
    for text in ("a", "b"):
        (tmp_path / "root" / "file").write_text(text)
        digests.append(topology(tmp_path, root="root").digest)
    assert digests[0] != digests[1]
    assert topology(tmp_path, run=["/bin/ls"]).digest != topology(tmp_path).digest


@pytest.mark.parametrize("cut", [0, 1, 60, 109, 111, 500])
def test_an_archive_that_is_cut_is_none(cut: int) -> None:
    with pytest.raises(ValueError, match="is no root"):
        roots.end_of(ARCHIVE.read_bytes()[:cut])


def test_a_number_that_is_none_ends_an_archive() -> None:
    data = bytearray(ARCHIVE.read_bytes())
    data[54:62] = b"notahex!"
    with pytest.raises(ValueError, match="is no root"):
        roots.end_of(bytes(data))


def test_a_directory_among_the_files_is_a_view_and_nothing_of_it_is_packed(tmp_path: Path) -> None:
    (tmp_path / "src" / "deep").mkdir(parents=True)
    (tmp_path / "src" / "deep" / "a.c").write_bytes(b"int a;")
    (tmp_path / "tool").write_bytes(b"#!")
    made = topology(tmp_path, files={"/mnt/src": "src", "/bin/tool": "tool"})
    cell = made.cell("a")
    assert (cell.views, cell.view_paths) == (("/mnt/src",), (tmp_path / "src",))
    vfs = Vfs(Frames(bytearray(4096), 0, 0, 4096), lambda: 0)
    unpack(vfs, roots.archive(cell))
    assert vfs.find(b"/bin/tool").mode & 0o777
    with pytest.raises(Errno):
        vfs.find(b"/mnt/src/deep/a.c")
