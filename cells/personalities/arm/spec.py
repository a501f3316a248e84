"""What the CPU of a personality's cell is made of: plain data from the board, the topology and the flavour.

    spec = ArmSpec(name="brew", hz=..., ram_base=..., ram_size=..., unicorn_model="926", architecture="v5te", layout=..., ...)
    cpu = Cpu(spec, ram)

A personality adds fields of its own in a subclass (all by keyword).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cells.personalities.port import reserved
from hypervisor.abi.pv import L1_SIZE


@dataclass(frozen=True, kw_only=True)
class ArmSpec:
    """One personality's CPU and RAM. `cycles` and `code_buffer` as the ARM engine takes them; `layout` a
    `hypervisor.abi.pv.TableFormat`.

    `architecture`: the CPU's, as boards name it ("v5te", "v6k", "v7a"). `redirection`: what the flavour takes for each event of
    a process (`hypervisor.abi.redirection.EVENTS`) in cycles; nothing where the personality is the kernel itself. `boot`: what
    the cell was told of its connections (`Port.boot`). `heartbeat`: cycles after which the personality says that it is alive; 0:
    it does not, or its programs do.
    """

    name: str
    hz: int
    ram_base: int
    ram_size: int
    unicorn_model: str
    architecture: str
    layout: int
    cycles: Mapping[str, int]
    code_buffer: int
    seed: int = 1
    redirection: Mapping[str, int] = field(default_factory=dict)
    boot: Mapping[str, Any] = field(default_factory=dict)
    heartbeat: int = 0
    counting: Mapping[str, Any] | None = None
    """What is counted for marks (`cells.engines.counting.Tally`); None: marks are system calls like others."""

    @property
    def own_size(self) -> int:
        """Bytes of RAM that are the personality's: what is behind is for the cell's connections."""
        return (self.ram_size - reserved(self.boot)) & -L1_SIZE  # tables lie at its end


def take_files(files: Iterable[tuple[str, int]], ram: mmap.mmap) -> dict[str, bytes]:
    """Files that lie one after another at the beginning of the RAM, by name; their pages are as new afterwards.

    `files`: name and bytes of each, in that order.
    """
    found, at = {}, 0
    for name, size in files:
        found[name] = ram[at : at + size]
        at += size
    whole = -(-at // mmap.PAGESIZE) * mmap.PAGESIZE
    if whole:
        ram[:whole] = bytes(whole)
    return found
