"""What a BREW-like cell is made of: plain data from the board, the topology and the flavour.

    Kernel(BrewSpec(**settings["brew"]), ram, take_files(spec.modules, ram))

The modules' files lie one after another at the beginning of the cell's RAM, where `arm.spec.take_files` finds them before any
page is given out.
"""

from __future__ import annotations

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
