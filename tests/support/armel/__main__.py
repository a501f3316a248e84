"""Records what Debian's kernel says, or compares the personality with what was recorded."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.support.armel import EXPECTED, debian, differences, expected, personality, write


def main() -> int:
    """Record; with the word `compare`: compare, 1 if there are differences."""
    if sys.argv[1:] != ["compare"]:
        with tempfile.TemporaryDirectory() as place:
            EXPECTED.write_text(write(debian(Path(place))), encoding="utf-8")
        return 0
    found = differences(expected(), personality())
    for name, (debians, ours) in found.items():
        print(f"#: {name}\n--- Debian's kernel\n{debians}\n+++ the personality\n{ours}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
