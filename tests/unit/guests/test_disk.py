"""A root as a disk image, made by a plain user's tools: the files, their owners, and the same bytes each time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hypervisor.shell.guests import disk
from hypervisor.shell.guests.disk import NoToolsError, build_disk
from hypervisor.shell.guests.initramfs import Entry, character_device, folder, link, newc, program

TOOLS = [shutil.which(name, path="/usr/bin:/sbin:/usr/sbin") for name in disk.TOOLS]
needs_tools = pytest.mark.skipif(not all(TOOLS), reason="e2fsprogs is not on this host")
SIZE = 40 << 20
ENTRIES = [
    folder("bin"),
    program("bin/one", b"#!/bin/sh\n" * 1000),
    Entry("bin/su", 0o104755, b"set-uid"),
    link("bin/sh", "one"),
    folder("etc"),
    Entry("etc/closed", 0o40000),
    Entry("etc/secret", 0o100600, b"hidden"),
    character_device("dev/console", (5, 1)),
]


def debugfs(image: Path, request: str) -> str:
    tool = TOOLS[1]
    assert tool is not None
    return subprocess.run([tool, "-R", request, str(image)], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("disk") / "disk.img"
    build_disk(newc(ENTRIES), SIZE, path)
    return path


@needs_tools
def test_it_holds_the_files_and_everything_is_roots(image: Path) -> None:
    assert image.stat().st_size == SIZE
    assert debugfs(image, "cat /bin/one") == "#!/bin/sh\n" * 1000
    rows = {row.split()[-1]: row.split() for row in debugfs(image, "ls -l /bin").splitlines() if row.strip()}
    assert (rows["su"][1], rows["one"][1]) == ("104755", "100755")
    assert all(row[3:5] == ["0", "0"] for row in rows.values())
    assert "Mode:  0600" in debugfs(image, "stat /etc/secret")
    assert "Mode:  0000" in debugfs(image, "stat /etc/closed")
    assert 'Fast link dest: "one"' in debugfs(image, "stat /bin/sh")


@needs_tools
def test_the_same_archive_gives_the_same_bytes(image: Path, tmp_path: Path) -> None:
    build_disk(newc(ENTRIES), SIZE, tmp_path / "again.img")
    assert (tmp_path / "again.img").read_bytes() == image.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.img"]


@needs_tools
def test_files_that_do_not_fit_are_told_in_one_line_and_leave_nothing(tmp_path: Path) -> None:
    large = Entry("large", 0o100644, bytes(range(256)) * (SIZE // 256))
    with pytest.raises(NoToolsError, match=r"^mke2fs: [^\n]+$"):
        build_disk(newc([large]), SIZE, tmp_path / "disk.img")
    assert list(tmp_path.iterdir()) == []


@needs_tools
@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([Entry("../out", 0o100644, b"x")], 'the path "../out" is refused'),
        ([Entry('a"b', 0o100644, b"x")], "is refused"),
        ([link("lib", "/tmp"), Entry("lib/x", 0o100644, b"x")], '"lib/x" leads through a link'),
    ],
)
def test_an_archive_that_leads_out_of_its_root_is_refused(entries: list[Entry], why: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=why):
        build_disk(newc(entries), SIZE, tmp_path / "disk.img")
    assert list(tmp_path.iterdir()) == []


def test_a_host_without_the_tools_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_name, **_path: None)
    with pytest.raises(NoToolsError, match=r"mke2fs is not on this host \(install the package e2fsprogs\)"):
        build_disk(b"", SIZE, tmp_path / "disk.img")
