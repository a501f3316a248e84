"""What a BREW-like cell is made of: plain data from the board, the topology and the flavour.

    Kernel(BrewSpec(**settings["brew"]), ram, take_modules(spec, ram))

The modules' files lie one after another at the beginning of the cell's RAM, where `take_modules` finds them before any page is
given out.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass

from cells.personalities.arm.spec import ArmSpec


@dataclass(frozen=True, kw_only=True)
class BrewSpec(ArmSpec):
    """One personality. `modules`: name and size of each file, in the order in which they lie in RAM; `python`: name and
    "module:Class" of each that is written in Python; `run`: names of modules whose first applet starts at boot.
    """

    modules: Sequence[tuple[str, int]] = ()
    python: Sequence[tuple[str, str]] = ()
    run: Sequence[str] = ()


def take_modules(spec: BrewSpec, ram: mmap.mmap) -> dict[str, bytes]:
    """The modules' files by name, taken out of the RAM: its pages are as new afterwards."""
    found, at = {}, 0
    for name, size in spec.modules:
        found[name] = ram[at : at + size]
        at += size
    whole = -(-at // mmap.PAGESIZE) * mmap.PAGESIZE
    if whole:
        ram[:whole] = bytes(whole)
    return found
