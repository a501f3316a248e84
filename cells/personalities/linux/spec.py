"""What a Linux-like cell is made of: plain data from the board, the topology and the flavour.

    Kernel(LinuxSpec(**settings["linux"]), ram, root)

`root` are the bytes of a newc cpio. They come at the beginning of the cell's RAM, as an initial RAM disk does, and
`take_root` takes them from there before any page is given out.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass

from cells.personalities.arm.spec import ArmSpec

STREAMS = ("stdin", "stdout", "stderr")
"""Names of the first three descriptors."""


@dataclass(frozen=True, kw_only=True)
class LinuxSpec(ArmSpec):
    """One personality. `program`: the first process, its path first; `environment`: its "NAME=value". `root_size`: of the
    archive at the beginning of the RAM, in bytes."""

    root_size: int
    program: tuple[str, ...]
    environment: tuple[str, ...] = ()
    terminal: tuple[int, int] = (24, 80)
    """Rows and columns of the console; 0 rows: nobody sits there, so that it neither echoes nor changes ends of lines."""
    pipes: tuple[str, ...] = ()
    """Which of the first process's standard streams are pipes and not the terminal (streams.py)."""
    views: tuple[str, ...] = ()
    """Where it may look into directories of the host, by their numbers (served.py)."""


def take_root(spec: LinuxSpec, ram: mmap.mmap) -> bytes:
    """The root's archive, taken out of the RAM: its pages are as new afterwards."""
    root = ram[: spec.root_size]
    whole = -(-spec.root_size // mmap.PAGESIZE) * mmap.PAGESIZE
    if whole:
        ram[:whole] = bytes(whole)
    return root
