"""What a cell is to count (`[cells.X.counting]`), as the cell is told it and as the monitor expects it.

names_of(cell)                     # names of the counts of its marks, none if it does not count
counting_settings(topology, cell)  # plain data for cells/engines/counting.py, None if it does not count
"""

from __future__ import annotations

from typing import Any

from boards import Board
from boards.schema import Cache
from hypervisor.abi import counts
from hypervisor.shell.topology import CellSpec, Topology

INTEL = 0x69
"""The maker of XScale, in the identity of a CPU."""


def names_of(cell: CellSpec) -> tuple[str, ...]:
    """The counts of a mark, in order."""
    asked = cell.counting
    if asked is None:
        return ()
    names = [name for name, _ in asked.functions]
    return counts.names(names, caches=asked.caches, translations=asked.caches and _owns_tables(cell))


def counting_settings(topology: Topology, cell: CellSpec) -> dict[str, Any] | None:
    """What the engine needs."""
    asked, board = cell.counting, topology.board
    if asked is None:
        return None
    return {
        "functions": {name: list(addresses) for name, addresses in asked.functions},
        "dcache_lines": _walk(board),
        "caches": _caches(board, charge=asked.charge) if asked.caches else None,
        "tlb": _tlb(board) if asked.caches and _owns_tables(cell) else None,
    }


def _walk(board: Board) -> int:
    """Steps in which a kernel flushes the data cache: by what the CPU says of itself (0), but XScale's by what is known of it."""
    l1d = board.cpu.caches.l1d
    return l1d.size // l1d.line if board.cpu.midr >> 24 == INTEL else 0


def _owns_tables(cell: CellSpec) -> bool:
    """Elsewhere it is we who change the tables, and the model of the TLB does not see that."""
    return cell.kind in ("kernel", "image") and not cell.paravirtual


def _caches(board: Board, *, charge: bool) -> dict[str, Any]:
    """The board's first-level caches, and what they cost."""
    caches, memory = board.cpu.caches, board.cpu.memory
    return {
        "l1i": _shape(caches.l1i),
        "l1d": _shape(caches.l1d),
        "write_allocate": int(caches.l1d.write_allocate),
        "kept": int(caches.l1d.kind == "VIVT"),
        "fill_cycles": memory["line_fill"].cycles if charge else 0,
        "store_cycles": memory["store"].cycles if charge else 0,
    }


def _shape(cache: Cache) -> dict[str, int]:
    random = int(cache.replacement == "random")
    return {"size": cache.size, "line": cache.line, "ways": cache.ways, "random": random}


def _tlb(board: Board) -> dict[str, int]:
    """The board's TLB, watched and not charged."""
    tlb = board.cpu.tlb
    shape = {"entries": tlb.entries, "ways": tlb.ways, "split": int(tlb.split), "asid": int(tlb.asid)}
    return {**shape, "virtual_entries": 0, "miss_cycles": 0, "upkeep_cycles": 0, "flush_cycles": 0}
