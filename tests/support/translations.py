"""What a TLB and a virtual TLB must count, written a second time: dictionaries and lists instead of the engine's C, and small
programs of single accesses whose order is known.

    script = [("load", 65), ("call", 17), ("invalidate", 65)]
    bench = scripted("926", script, shape(ways=2, entries=8))
    bench.finish()
    assert counts(bench) == expected("926", script, shape(ways=2, entries=8))
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.support.arm import ONE, V7, WAIT_WORD, Bench, assemble

WINDOW = 0x4000_0000
"""Small pages from here on are RAM from 0 on."""
MAIN = 0x10_0000
"""Where the program lies, in a section of its own."""
VECTORS = 0
NO_PAGE = 200
"""A page without a descriptor."""
STUBS = range(16, 48)
"""Pages that can be called."""
_STUB = 0x40
"""In the same KiB as what is loaded: the emulator's own pages are that small on some CPUs."""
_LINE = 32
_CACHE = {"size": 512, "line": 32, "ways": 2}
Op = tuple[str, int]


def shape(**changes: int) -> dict[str, int]:
    """A real TLB of 8 entries in 4 sets and a virtual one of 64; a miss costs 100 cycles, upkeep 300."""
    usual = {"entries": 8, "ways": 2, "split": 0, "asid": 0, "virtual_entries": 64, "miss_cycles": 100}
    return {**usual, "upkeep_cycles": 300, **changes}


class Counts(NamedTuple):
    """What the engine tells."""

    hits: int
    misses: int
    upkeep: int
    cycles: int


def counts(bench: Bench) -> Counts:
    """What it has counted."""
    vcpu = bench.engine.vcpu
    return Counts(vcpu.vtlb_hits, vcpu.vtlb_misses, vcpu.vtlb_upkeep, vcpu.vtlb_cycles)


def results(bench: Bench) -> tuple[Any, ...]:
    """What a program leaves behind but for time."""
    state = bench.engine.snapshot()
    state.pop("vtlb", None)
    state_counters = state.pop("counters").items()
    timeless = ("cycles", "memory_cycles")
    counters = {name: n for name, n in state_counters if name not in timeless and not name.startswith("vtlb")}
    return state, counters, bytes(bench.ram)


# ---- Programs


def scripted(model: str, script: Sequence[Op], vtlb: dict[str, int] | None, *, counting: bool | None = None) -> Bench:
    """A bench about to run the script, one block for each op; it ends with a wait. `counting`: of events, or of caches too."""
    bench = Bench(model, ONE, ram_size=4 << 20)
    if vtlb is not None:
        bench.engine.count_translations(vtlb)
    if counting is not None:
        bench.engine.count()
    if counting:
        bench.engine.count_caches(_CACHE, _CACHE, kept=1)
    for page in STUBS:
        bench.load((page << 12) + _STUB, "add r6, r6, #1; mov pc, lr")
    for number, (what, value) in enumerate(script):
        bench.load(MAIN + number * _LINE, _CODE[what](value))
    bench.poke(MAIN + len(script) * _LINE, int.from_bytes(assemble("wfi"), "little") if model in V7 else WAIT_WORD)
    bench.engine.reset(MAIN)
    translated(bench)
    return bench


def _page(value: int) -> str:
    return f"mov r1, #{WINDOW:#x}; orr r1, r1, #{value << 12:#x}; "


def _section(value: int) -> str:
    return f"mov r1, #{value << 20:#x}; "


def _filled(source: str) -> str:
    """To the end of the op's line, so that the next begins a block."""
    return f"{source}; b next; .balign {_LINE}; next:"


_CODE = {
    "load": lambda n: _filled(_page(n) + "ldr r0, [r1, #8]; eor r5, r5, r0"),
    "store": lambda n: _filled(_page(n) + "add r5, r5, #7; str r5, [r1, #8]"),
    "closed": lambda n: _filled(_page(n) + "orr r1, r1, #0x100000; ldr r0, [r1]; eor r5, r5, #1"),
    "far": lambda n: _filled(_section(n) + "ldr r0, [r1, #0x800]; eor r5, r5, r0"),
    "call": lambda n: _filled(_page(n) + f"orr r1, r1, #{_STUB}; mov lr, pc; mov pc, r1"),
    "invalidate": lambda n: _filled(_page(n) + "mcr p15, 0, r1, c8, c7, 1"),
    "invalidate_all": lambda n: _filled("mcr p15, 0, r1, c8, c7, 0"),
    "invalidate_space": lambda n: _filled(f"mov r1, #{n}; mcr p15, 0, r1, c8, c7, 2"),
    "space": lambda n: _filled(f"mov r1, #{n}; mcr p15, 0, r1, c13, c0, 1"),
    "not_now": lambda n: _filled("cmp r1, r1; mcrne p15, 0, r1, c8, c7, 0"),
}


def translated(bench: Bench) -> None:
    """MMU on: the first 4 MiB as sections, small pages at WINDOW, of which odd ones belong to the address space (ARMv6 on); 1 MiB
    further on the same pages in a domain without access."""
    v7, v6 = bench.model in V7, bench.model in (*V7, "1176", "1136")
    section, page = (0xC02, 0x032) if v6 else (0xC12, 0xFF2)
    table, small, closed = 0x8_4000, 0x8_8000, 0x8_8400
    for megabyte in range(4):
        bench.poke(table + 4 * megabyte, megabyte << 20 | section)
    bench.poke(table + 4 * (WINDOW >> 20), small | (1 if v6 else 0x11))
    bench.poke(table + 4 * ((WINDOW >> 20) + 1), closed | (1 if v6 else 0x11) | 1 << 5)
    for number in range(256):
        private = 0x800 if v6 and number % 2 else 0
        bench.poke(small + 4 * number, 0 if number == NO_PAGE else number << 12 | page | private)
        bench.poke(closed + 4 * number, number << 12 | page)
    bench.engine.write_cp15(2, 0, 0, 0, table)
    bench.engine.write_cp15(3, 0, 0, 0, 1)
    control = bench.engine.read_cp15(1, 0, 0, 0)
    assert control is not None
    bench.engine.write_cp15(1, 0, 0, 0, control | 1 | (0 if v7 or not v6 else 1 << 23))
    bench.engine.flush()


# ---- The reference


class Reference:
    """A TLB that replaces in turn, and a virtual one that drops the least recently used."""

    def __init__(self, vtlb: dict[str, int], *, private: bool) -> None:
        self.shape, self.private, self.space = vtlb, private and bool(vtlb["asid"]), 0
        sets = vtlb["entries"] // vtlb["ways"]
        self.sets = sets
        banks = 2 if vtlb["split"] else 1
        self.banks: list[list[list[tuple[int, int, int] | None]]] = [
            [[None] * vtlb["ways"] for _ in range(sets)] for _ in range(banks)
        ]
        self.turn = [[0] * sets for _ in range(banks)]
        self.virtual: OrderedDict[tuple[int, int, int], None] = OrderedDict()
        self.hits = self.misses = self.upkeep = 0

    def entry(self, address: int) -> tuple[int, int, int] | None:
        """(number, log2 of size, space or -1) of what the tables have there."""
        if address < 4 << 20:
            return address >> 20, 20, -1
        number = address >> 12
        page = number - (WINDOW >> 12)
        if page == NO_PAGE:
            return None
        return number, 12, self.space if self.private and page % 2 and page < 256 else -1

    def touch(self, address: int, side: int) -> None:
        entry, bank = self.entry(address), side % len(self.banks)
        if entry is not None and entry in self.banks[bank][entry[0] % self.sets]:
            return
        if entry is not None and entry in self.virtual:
            self.virtual.move_to_end(entry)
            self.hits += 1
        else:
            self.misses += 1
            if entry is not None and self.shape["virtual_entries"]:
                self.virtual[entry] = None
                if len(self.virtual) > self.shape["virtual_entries"]:
                    self.virtual.popitem(last=False)
        if entry is not None:
            self._enter(bank, entry)

    def _enter(self, bank: int, entry: tuple[int, int, int]) -> None:
        at = entry[0] % self.sets
        ways = self.banks[bank][at]
        if None in ways:
            ways[ways.index(None)] = entry
        else:
            ways[self.turn[bank][at]] = entry
            self.turn[bank][at] = (self.turn[bank][at] + 1) % len(ways)

    def drop(self, goes: Any) -> None:
        self.upkeep += 1
        for bank in self.banks:
            for ways in bank:
                ways[:] = [None if entry is not None and goes(entry) else entry for entry in ways]
        for entry in [entry for entry in self.virtual if goes(entry)]:
            del self.virtual[entry]

    def run(self, script: Sequence[Op]) -> Counts:
        for number, op in enumerate(script):
            here = MAIN + number * _LINE
            self.touch(here, 1)
            self._op(*op, here)
        self.touch(MAIN + len(script) * _LINE, 1)
        cycles = self.misses * self.shape["miss_cycles"] + self.upkeep * self.shape["upkeep_cycles"]
        return Counts(self.hits, self.misses, self.upkeep, cycles)

    def _op(self, what: str, value: int, here: int) -> None:
        if what in ("load", "store", "far", "closed"):
            address = value << 20 if what == "far" else WINDOW + (value << 12) + (what == "closed") * (1 << 20)
            self.touch(address, 0)
            if what == "closed" or (what != "far" and value == NO_PAGE):
                self.touch(VECTORS, 1)
                self.touch(here, 1)
            return
        if what == "call":
            self.touch(WINDOW + (value << 12), 1)
        elif what == "invalidate":
            page = (WINDOW >> 12) + value
            spaces = (-1, 0) if self.private else (-1,)
            self.drop(lambda entry: entry[:2] == (page, 12) and entry[2] in spaces)
        elif what == "invalidate_all":
            self.drop(lambda entry: True)
        elif what == "invalidate_space":
            self.drop(lambda entry: entry[2] == value)
        elif what == "space":
            self.space = value
            self.upkeep += 1
        self.touch(here, 1)  # the op's second block


def expected(model: str, script: Sequence[Op], vtlb: dict[str, int]) -> Counts:
    """What a script must count."""
    return Reference(vtlb, private=model in (*V7, "1176", "1136")).run(script)
