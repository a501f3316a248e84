"""Builds applets with the pinned tool chain: `python -m cells.programs.brew.build [--check | FILE.c [-o FILE.mod]]`.

The tool chain is that of the bare-metal images (cells/programs/arm/build.py). A module is one C file and `sdk/appgen.c`,
linked to the address where modules lie; the linker writes the file as the loader reads it
(cells/personalities/brew/image.py). `FILE.c` is a module of one's own, whose file is written beside it; `--thumb` for Thumb
code.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from cells.personalities.brew.header import HEADER, header
from cells.personalities.brew.image import parse
from cells.programs.arm.build import COMPILE, SIZE_LIMIT, BuildError, check_toolchain, deliver, zig
from cells.programs.brew import NAMES

SOURCES = Path(__file__).parent
IMAGES = SOURCES / "images"
_OTHER = {"-O2": "-Os", "-fPIE": "-fno-pic"}
FLAGS = (*(_OTHER.get(word, word) for word in COMPILE), "-Isdk")
LINK = ("ld.lld", "--oformat=binary", "--gc-sections", "--build-id=none", "--fatal-warnings", "-T", "sdk/module.ld")


def build(source: Path, *, thumb: bool = False) -> bytes:
    """The module of one C file.

    Raises:
        BuildError: the tool chain is missing, is another version, or refuses the source.
        OSError: there is no such file.
    """
    check_toolchain()
    flags = tuple("-mthumb" if thumb and word == "-marm" else word for word in FLAGS)
    with tempfile.TemporaryDirectory(prefix="cellvisor-build-") as directory:
        work = Path(directory)
        (work / "sdk").symlink_to(SOURCES / "sdk", target_is_directory=True)
        (work / "module.c").write_bytes(source.read_bytes())
        for name in ("module", "sdk/appgen"):
            zig([*flags, f"{name}.c", "-o", f"{Path(name).name}.o"], work)
        zig([*LINK, "module.o", "appgen.o", "-o", "module.mod"], work)
        made = (work / "module.mod").read_bytes()
    parse(made)
    if len(made) >= SIZE_LIMIT:
        raise BuildError(f"{source.name}: {len(made)} bytes; the limit is {SIZE_LIMIT}")
    return made


def build_all() -> dict[Path, bytes]:
    """Every module that comes with the project, by path. Raises as `build`."""
    return {IMAGES / f"{name}.mod": build(SOURCES / f"{name}.c") for name in NAMES}


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 1: a committed file is out of date, 2: the build failed."""
    parser = argparse.ArgumentParser(prog="python -m cells.programs.brew.build", description="Build applets.")
    parser.add_argument("--check", action="store_true", help="only say which committed files differ")
    parser.add_argument("--thumb", action="store_true", help="Thumb code")
    parser.add_argument("-o", dest="output", type=Path, help="where to write the module")
    parser.add_argument("source", nargs="?", type=Path, help="one C file of your own")
    chosen = parser.parse_args(arguments)
    if not chosen.check:
        HEADER.write_text(header())
    own: Path | None = chosen.source
    return deliver(
        lambda: {chosen.output or own.with_suffix(".mod"): build(own, thumb=chosen.thumb)} if own else build_all(),
        check=chosen.check,
        what="modules",
    )


if __name__ == "__main__":
    sys.exit(main())
