"""What a cell with a real-time kernel is made of: plain data from the board, the topology and the flavour.

    Guest(RtosSpec(**settings["rtos"]), ram, shared)

Images of ARM code come one after another at the beginning of the cell's RAM, as the topology names them; `arm.spec.take_files`
takes them from there before any page is given out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cells.personalities.arm.spec import ArmSpec


@dataclass(frozen=True, kw_only=True)
class RtosSpec(ArmSpec):
    """One real-time cell. `run`: what makes its tasks, in order: "module:function" in Python, or the name of an image.

    `images`: name and bytes of each image in RAM. `args`: what the functions get beside the kernel.
    """

    run: Sequence[str]
    args: Sequence[str | int | float] = ()
    images: Sequence[tuple[str, int]] = ()


def is_python(program: str) -> bool:
    """Whether an entry of `run` is a function and not an image.

    >>> is_python("cells.programs.amss:main"), is_python("blink"), is_python("./images/blink.elf")
    (True, False, False)
    """
    module, colon, function = program.partition(":")
    return bool(colon) and function.isidentifier() and all(part.isidentifier() for part in module.split("."))
