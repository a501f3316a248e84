"""Builds the user interface and its root: `python -m cells.programs.phone.build [--check]`.

Theory: the program is an ordinary static ARM EABI Linux program, made of these sources and of the small C library of
`cells/wren/user`, with that one's compiler and flags, so that the bytes are the same on every host. Its root is a cpio with
nothing else in it but the directories that a Linux mounts or fills.
"""

from __future__ import annotations

import argparse
import stat
import sys
import tempfile
from pathlib import Path

from cells.programs.arm.build import SIZE_LIMIT, BuildError, check_toolchain, deliver, manifest_of, zig
from cells.wren.initramfs import Entry, newc
from cells.wren.user import LIBRARY
from cells.wren.user import build as user

SOURCES = Path(__file__).parent
IMAGES = SOURCES / "images"
OWN = ("main.c", "actions.c", "calls.c", "views.c", "icons.c", "words.c", "draw.c", "devices.c", "log.c")
SHARED = tuple(name for name in LIBRARY if name not in ("folder.c", "heap.c", "multicall.c"))
FOLDERS = ("bin", "dev", "proc", "tmp")


def program() -> bytes:
    """The ELF.

    Raises:
        BuildError: the tool chain is missing or refused a source.
    """
    check_toolchain()
    with tempfile.TemporaryDirectory(prefix="cellvisor-build-") as directory:
        work = Path(directory)
        (work / "src").symlink_to(user.SOURCES, target_is_directory=True)
        (work / "programs").symlink_to(SOURCES.parent, target_is_directory=True)
        sources = [*(f"src/{name}" for name in SHARED), *(f"programs/phone/{name}" for name in OWN)]
        for source in sources:
            zig([*user.COMPILE, "-Isrc", source, "-o", f"{Path(source).name}.o"], work)
        zig([*user.LINK, *(f"{Path(source).name}.o" for source in sources), "-o", "phone"], work)
        return (work / "phone").read_bytes()


def root(elf: bytes) -> bytes:
    """The archive that the cell starts with.

    Raises:
        BuildError: it is too large.
    """
    entries = [Entry(path, stat.S_IFDIR | 0o755) for path in FOLDERS]
    entries += [
        Entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
        Entry("bin/phone", stat.S_IFREG | 0o755, elf),
    ]
    made = newc(entries)
    if len(made) >= SIZE_LIMIT:
        raise BuildError(f"phone.cpio has {len(made)} bytes; the limit is {SIZE_LIMIT}")
    return made


def build() -> dict[Path, bytes]:
    """Every file that a build writes, by path.

    Raises:
        BuildError: see above.
    """
    made = {"phone.cpio": root(program())}
    return {IMAGES / name: data for name, data in {**made, "manifest.json": manifest_of(made).encode()}.items()}


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 1: a committed file is out of date, 2: the build failed."""
    parser = argparse.ArgumentParser(
        prog="python -m cells.programs.phone.build", description="Build the phone's user interface."
    )
    parser.add_argument("--check", action="store_true", help="only say which committed files differ")
    return deliver(build, check=parser.parse_args(arguments).check)


if __name__ == "__main__":
    sys.exit(main())
