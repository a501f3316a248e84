"""wren: a small kernel of our own that runs with all of the CPU's privileges, or without any under each architecture."""

from __future__ import annotations

from pathlib import Path

from hypervisor.abi.info_page import FlavourNumber

FLAVOURS = tuple(number.name.lower() for number in FlavourNumber)
"""There is an image for each: `images/wren.FLAVOUR.elf`."""
IMAGES = Path(__file__).parent / "images"
