"""Builds the program: `python -m cells.programs.worm.build [--check]`. Compiler and library are those of wren's user land.

`--check` writes nothing and says whether the committed file is what the source makes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cells.programs.arm.build import deliver, manifest_of
from cells.wren.user.build import own

SOURCE = Path(__file__).parent / "worm.c"
IMAGES = SOURCE.parent / "images"


def build() -> dict[Path, bytes]:
    """Every file that a build writes, by path.

    Raises:
        BuildError: the tool chain is missing, is another version, or refused the source.
    """
    made = {"worm.elf": own(SOURCE)}
    return {IMAGES / name: data for name, data in {**made, "manifest.json": manifest_of(made).encode()}.items()}


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 1: a committed file is out of date, 2: the build failed."""
    parser = argparse.ArgumentParser(prog="python -m cells.programs.worm.build", description="Build the worm.")
    parser.add_argument("--check", action="store_true", help="only say which committed files differ")
    return deliver(build, check=parser.parse_args(arguments).check)


if __name__ == "__main__":
    sys.exit(main())
