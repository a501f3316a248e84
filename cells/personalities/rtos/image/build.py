"""Builds the images of tasks: `python -m cells.personalities.rtos.image.build [--check | FILE.c]`.

The compiler and its flags are those of wren's user land (`cells.wren.user.build`), at the pinned version: the same bytes
on every host. `--check` says which committed file differs; `FILE.c` is an image of one's own, written beside it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from cells.personalities.rtos.image import NAMES
from cells.programs.arm.build import SIZE_LIMIT, BuildError, check_toolchain, deliver, manifest_of, zig
from cells.wren.user.build import COMPILE, LINK

SOURCES = Path(__file__).parent
IMAGES = SOURCES / "images"
COMMON = ("start.S", "library.c")


def image(source: Path) -> bytes:
    """The image of one C file.

    Raises:
        BuildError: the tool chain is missing, is another version, or refused the source.
        OSError: there is no such file.
    """
    check_toolchain()
    with tempfile.TemporaryDirectory(prefix="cellvisor-build-") as directory:
        work = Path(directory)
        (work / "src").symlink_to(SOURCES, target_is_directory=True)
        (work / "own.c").write_bytes(source.read_bytes())
        files = [*(f"src/{name}" for name in COMMON), "own.c"]
        for file in files:
            zig([*COMPILE, "-Isrc", file, "-o", f"{Path(file).name}.o"], work)
        zig([*LINK, *(f"{Path(file).name}.o" for file in files), "-o", "linked.elf"], work)
        made = (work / "linked.elf").read_bytes()
    if len(made) >= SIZE_LIMIT:
        raise BuildError(f"{source.name} becomes {len(made)} bytes; the limit is {SIZE_LIMIT}")
    return made


def build_all() -> dict[Path, bytes]:
    """Every file that a build writes, by path.

    Raises:
        BuildError: see above.
    """
    made = {f"{name}.elf": image(SOURCES / f"{name}.c") for name in NAMES}
    return {IMAGES / name: data for name, data in {**made, "manifest.json": manifest_of(made).encode()}.items()}


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 1: a committed file is out of date, 2: the build failed."""
    parser = argparse.ArgumentParser(
        prog="python -m cells.personalities.rtos.image.build", description="Build the images of tasks."
    )
    parser.add_argument("--check", action="store_true", help="only say which committed files differ")
    parser.add_argument("source", nargs="?", type=Path, help="one C file of your own: its image is written beside it")
    chosen = parser.parse_args(arguments)
    own: Path | None = chosen.source
    return deliver(lambda: {own.with_suffix(".elf"): image(own)} if own else build_all(), check=chosen.check)


if __name__ == "__main__":
    sys.exit(main())
