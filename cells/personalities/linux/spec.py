"""What a Linux-like cell is made of: plain data from the board, the topology and the flavour.

    Kernel(LinuxSpec(**settings["linux"]), ram, root)

`root` are the bytes of a newc cpio. They come at the beginning of the cell's RAM, as an initial RAM disk does, and
`take_root` takes them from there before any page is given out.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LinuxSpec:
    """One personality. `cycles` and `code_buffer` as the ARM engine takes them; `layout` a `hypervisor.abi.pv.TableFormat`.

    `architecture`: the CPU's, as boards name it ("v5te", "v6k", "v7a"). `program`: the first process, its path first;
    `environment`: its "NAME=value". `redirection`: what the flavour takes for each event of a process
    (`hypervisor.abi.redirection.EVENTS`) in cycles; nothing where the personality is the kernel itself. `hypervisor`: whether
    the account of these events goes to the monitor. `exits`: the end of the first process, with its status, ends the cell.
    """

    name: str
    hz: int
    ram_base: int
    ram_size: int
    root_size: int
    unicorn_model: str
    architecture: str
    layout: int
    cycles: Mapping[str, int]
    code_buffer: int
    program: tuple[str, ...]
    environment: tuple[str, ...] = ()
    seed: int = 1
    redirection: Mapping[str, int] = field(default_factory=dict)
    terminal: tuple[int, int] = (24, 80)
    """Rows and columns of the console; 0 rows: nobody sits there, so that it neither echoes nor changes ends of lines."""


def take_root(spec: LinuxSpec, ram: mmap.mmap) -> bytes:
    """The root's archive, taken out of the RAM: its pages are as new afterwards."""
    root = ram[: spec.root_size]
    whole = -(-spec.root_size // mmap.PAGESIZE) * mmap.PAGESIZE
    if whole:
        ram[:whole] = bytes(whole)
    return root
