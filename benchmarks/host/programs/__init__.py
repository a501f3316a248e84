"""ARM Linux programs that are measured: `image()` gives the committed ELF of `work.c`."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
SOURCE, IMAGE = HERE / "work.c", HERE / "work.elf"


def image() -> bytes:
    """The static ELF: ARM EABI, without an interpreter."""
    return IMAGE.read_bytes()
