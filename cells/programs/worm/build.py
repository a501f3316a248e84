"""Builds the program: `python -m cells.programs.worm.build [--check]`. Compiler and library are those of wren's user land.

`--check` writes nothing and says whether the committed file is what the source makes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from cells.programs.arm.build import TOOLCHAIN, BuildError
from cells.wren.user.build import own

SOURCE = Path(__file__).parent / "worm.c"
IMAGES = SOURCE.parent / "images"


def build() -> dict[Path, bytes]:
    """Every file that a build writes, by path.

    Raises:
        BuildError: the tool chain is missing, is another version, or refused the source.
    """
    elf = own(SOURCE)
    sums = {"worm.elf": {"sha256": hashlib.sha256(elf).hexdigest(), "size": len(elf)}}
    manifest = json.dumps({"toolchain": f"ziglang=={TOOLCHAIN}", "images": sums}, indent=2) + "\n"
    return {IMAGES / "worm.elf": elf, IMAGES / "manifest.json": manifest.encode()}


def main(arguments: list[str] | None = None) -> int:
    """The command. Exit status 1: a committed file is out of date, 2: the build failed."""
    parser = argparse.ArgumentParser(prog="python -m cells.programs.worm.build", description="Build the worm.")
    parser.add_argument("--check", action="store_true", help="only say which committed files differ")
    check = parser.parse_args(arguments).check
    try:
        made = build()
    except BuildError as error:
        print(f"build: {error}", file=sys.stderr)
        return 2
    if check:
        stale = [path.name for path, data in made.items() if not path.exists() or path.read_bytes() != data]
        print("\n".join(f"{name} differs" for name in stale) or "the image is up to date")
        return 1 if stale else 0
    for path, data in made.items():
        path.write_bytes(data)
    print("\n".join(f"{path.name}: {len(data)} bytes" for path, data in made.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
