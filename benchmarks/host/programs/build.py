"""Builds work.elf: `python -m benchmarks.host.programs.build [--check]`.

The tool chain and the library are those of wren's user land (`cells.wren.user.build.own`): the same bytes on every host.
"""

from __future__ import annotations

import sys

from benchmarks.host.programs import IMAGE, SOURCE, image
from cells.wren.user.build import own


def main(arguments: list[str]) -> int:
    """The command: writes the image; `--check` writes nothing and says whether it differs."""
    made = own(SOURCE)
    if "--check" in arguments:
        same = made == image()
        print(f"{IMAGE.name}: {'as its source' if same else 'differs from its source'}")
        return 0 if same else 1
    IMAGE.write_bytes(made)
    print(f"{IMAGE.name}: {len(made)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
