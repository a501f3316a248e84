"""The initramfs: a cpio that Linux reads, the same bytes everywhere."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from hypervisor.shell.guests.catalog import DATA
from hypervisor.shell.guests.initramfs import FOLDERS, Entry, folder, initramfs, link, newc, program


def parse(image: bytes) -> dict[str, tuple[list[int], bytes]]:
    """Name -> (the 13 header fields, content), read by the kernel's rules, independently of the writer."""
    found: dict[str, tuple[list[int], bytes]] = {}
    at = 0
    while True:
        assert image[at : at + 6] == b"070701"
        fields = [int(image[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = image[at + 110 : at + 110 + fields[11] - 1].decode()
        assert image[at + 110 + fields[11] - 1] == 0
        start = (at + 110 + fields[11] + 3) & ~3
        if name == "TRAILER!!!":
            return found
        found[name] = fields, image[start : start + fields[6]]
        at = (start + fields[6] + 3) & ~3


def test_it_holds_busybox_init_console_and_mount_points() -> None:
    entries = parse(initramfs(b"\x7fELF", b"#!/bin/busybox sh\n"))
    assert entries["bin/busybox"][1] == b"\x7fELF"
    assert entries["init"][1] == b"#!/bin/busybox sh\n"
    assert entries["bin/sh"][1] == b"busybox"
    console = entries["dev/console"][0]
    assert stat.S_ISCHR(console[1])
    assert console[9:11] == [5, 1]
    assert {"dev", "proc", "sys", "tmp"} <= {name for name, (head, _) in entries.items() if stat.S_ISDIR(head[1])}


def test_everything_belongs_to_root_and_has_no_time() -> None:
    heads = [head for head, _ in parse(initramfs(b"x", b"y")).values()]
    assert {(head[2], head[3], head[5]) for head in heads} == {(0, 0, 0)}


def test_init_and_busybox_can_be_executed() -> None:
    entries = parse(initramfs(b"x", b"y"))
    assert [stat.S_IMODE(entries[name][0][1]) for name in ("init", "bin/busybox")] == [0o755, 0o755]


def test_the_bytes_are_pinned() -> None:
    image = initramfs(b"busybox", b"init")
    assert hashlib.sha256(image).hexdigest() == "cf1ac01550aee1e9ae4d30876994271d7e988891ba1fc65eab9d4dfa2866b34b"


def test_every_folder_comes_before_what_is_in_it() -> None:
    for path in FOLDERS:
        parent = path.rpartition("/")[0]
        assert not parent or FOLDERS.index(parent) < FOLDERS.index(path)


@pytest.mark.parametrize("size", range(9))
def test_names_and_contents_of_any_length_are_aligned(size: int) -> None:
    entries = [folder("d" * (size + 1)), program("p", b"c" * size), link("l", "t" * (size + 1)), Entry("e", 0o100644)]
    image = newc(entries)
    assert len(image) % 512 == 0
    assert [content for _, content in parse(image).values()] == [b"", b"c" * size, b"t" * (size + 1), b""]


@pytest.mark.skipif(shutil.which("cpio") is None, reason="this machine has no cpio")
def test_the_cpio_program_reads_it(tmp_path: Path) -> None:
    listing = subprocess.run(["cpio", "-t", "--quiet"], input=initramfs(b"x", b"y"), capture_output=True, check=True)
    assert listing.stdout.decode().split() == [*FOLDERS, "bin/busybox", "bin/sh", "dev/console", "init"]


def test_init_is_a_script_that_a_shell_understands() -> None:
    script = (DATA / "init").read_text(encoding="utf-8")
    assert script.startswith("#!/bin/busybox sh\n")
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ('quiet cellvisor.run="ls -l /; exit 3" root=x', "cellvisor.run", "ls -l /; exit 3"),
        ("cellvisor.run=/bin/true quiet", "cellvisor.run", "/bin/true"),
        ("a cellvisor.hypercalls=0x3F000000", "cellvisor.hypercalls", "0x3F000000"),
        ("quiet xcellvisor.run=no", "cellvisor.run", ""),
        ("", "cellvisor.run", ""),
    ],
)
def test_init_reads_its_keys_from_the_command_line(tmp_path: Path, line: str, key: str, value: str) -> None:
    script = (DATA / "init").read_text(encoding="utf-8")
    function = script[script.index("option() {") : script.index("\n}\n") + 3]
    (tmp_path / "cmdline").write_text(line + "\n")
    program = function.replace("/proc/cmdline", str(tmp_path / "cmdline")) + f"option {key}\n"
    done = subprocess.run(["sh"], input=program, text=True, capture_output=True, check=True)
    assert done.stdout.rstrip("\n") == value
