"""Debian's armmp kernel in many lives: without its unpacking, nine tenths of a boot's instructions, and talked to by a shell.

debians = Debians(tmp_path)                                    # skips the test where scripts/fetch_guests has not run
run = live(debians.table({"linux": debians.kernel("cellvisor.modules=xen_blkfront")}, ...))
until_it_says(run, "linux", PROMPT)
asked(run, "linux", "uname -r")

The kernel is Debian's, byte for byte, as its own decompressor would leave it in RAM; the board is beagle, loading it there.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.packed_kernel import TEXT_OFFSET, unpacked
from hypervisor.api import Run
from hypervisor.core.cell import CellState
from hypervisor.shell.guests import GuestMissing, resolve
from tests.support.live import ROOT

PROMPT = b"# "
MKE2FS, E2FSCK = (shutil.which(name, path="/usr/bin:/sbin:/usr/sbin") or "" for name in ("mke2fs", "e2fsck"))
LIMIT = "120s"


def need_guests(*names: str) -> None:
    """Skip the test where scripts/fetch_guests has not fetched them."""
    try:
        for name in names:
            resolve(name)
    except GuestMissing as missing:
        pytest.skip(str(missing))


def need_disk_tools() -> None:
    """Skip the test where no file system can be made and checked."""
    if not MKE2FS or not E2FSCK:
        pytest.skip("e2fsprogs is not on this host")


class Debians:
    """Kernels, boards and disks of one test, in its directory."""

    def __init__(self, directory: Path) -> None:
        need_guests("debian:armmp", "debian:drivers")
        zimage = resolve("debian:armmp", None)
        self.directory = directory
        self._kernel, self._board = directory / "Image", directory / "board.toml"
        self._kernel.write_bytes(unpacked(zimage.path.read_bytes()))
        board = (ROOT / "boards" / "beagle.toml").read_text()
        self._board.write_text(board.replace('load_offset = "32MiB"', f"load_offset = {TEXT_OFFSET}"))

    def kernel(self, append: str, *, run: str = "", ram: str = "64MiB", **more: Any) -> dict[str, Any]:
        """A cell; `run`: what it does instead of giving a shell."""
        words = f'quiet {append} cellvisor.run="{run}"' if run else f"quiet {append}"
        return {"kernel": str(self._kernel), "initrd": "debian:drivers", "append": words, "ram": ram, **more}

    def table(self, cells: dict[str, Any], *channels: tuple[str, str, str], disks: dict[str, str] | None = None) -> Any:
        """A topology; a channel is (class, front, back), a disk a file by its name."""
        return {
            "name": "debians",
            "board": str(self._board),
            "flavour": "xen",
            "cells": cells,
            "disks": [{"name": name, "file": file} for name, file in (disks or {}).items()],
            "channels": [{"class": kind, "between": [front, back]} for kind, front, back in channels],
        }

    def ext4(self, name: str, files: dict[str, bytes], size: str = "32M") -> Path:
        """A disk with a file system that has these files."""
        need_disk_tools()
        tree, image = self.directory / f"{name}.tree", self.directory / name
        tree.mkdir()
        for file, content in files.items():
            (tree / file).write_bytes(content)
        subprocess.run([MKE2FS, "-q", "-t", "ext4", "-d", str(tree), str(image), size], check=True)
        return image


def is_clean(image: Path) -> bool:
    """What e2fsck says of a disk; that its journal is still to be played back is no error to it."""
    done = subprocess.run([E2FSCK, "-fn", str(image)], capture_output=True, check=False)
    return done.returncode == 0 and b"recovery" not in done.stdout


def advance(run: Run, time: str) -> None:
    """Go on for a stretch of virtual time."""
    run.until(run.now + run.cycles(time))


def until_it_says(run: Run, cell: str, text: bytes, times: int = 1, limit: str = LIMIT, step: str = "20ms") -> None:
    """Go on until something stands on a console so many times."""
    end = run.now + run.cycles(limit)
    while run.console(cell).count(text) < times:
        assert run.now < end, run.console(cell)[-1000:]
        assert run.until(run.now + run.cycles(step)).why != "finished", run.cell(cell).why


def asked(run: Run, cell: str, command: str) -> str:
    """Type a command at a shell; what it says, behind the command itself as the shell shows it."""
    begin = len(run.console(cell))
    mark = f"done-{begin}"
    run.type_text(cell, f"{command}; echo do''ne-{begin}\n")
    until_it_says(run, cell, mark.encode())
    return run.console(cell)[begin:].decode(errors="replace").partition(mark)[0]


def until_off(run: Run, cell: str) -> None:
    """Go on until a cell has powered off."""
    end = run.now + run.cycles(LIMIT)
    while run.state(cell) is not CellState.SHUT_DOWN:
        assert run.now < end, run.console(cell)[-1000:]
        advance(run, "100ms")
