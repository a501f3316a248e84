"""What first-level caches must count, written a second time: lists instead of the engine's C, and small programs whose blocks,
loads and stores are known.

    script = [("load", 3), ("flush", 0), ("load", 3)]
    bench = scripted("926", script, Shape())
    bench.finish()
    assert counted(bench) == Reference(Shape()).run(script)

A program runs in user mode, an op after the other; what user mode may not do is done by a routine of the kernel, which is entered
by svc. The MMU is off, so that addresses are physical.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.support.arm import ONE, V7, WAIT_WORD, Bench, assemble

MAIN, ROUTINES, DATA = 0x10_0000, 0x1_0000, 0x2_0000
OP_BYTES, ROUTINE_BYTES = 32, 64
TABLES = 0x8_0000
USER_MODE = 0x10
VECTOR = 8
Op = tuple[str, int]

OPS = {
    "load": "ldr r0, [r1, #4]",
    "store": "str r5, [r1, #8]",
    "byte": "ldrb r0, [r1, #15]",
    "many": "ldmia r1, {r0, r2, r3, r5}",
    "push": "stmia r1, {r2, r3}",
    "across": "ldr r0, [r1, #14]",
}
"""What user mode does at DATA + 16 * number."""
TOUCHES = {
    "load": [(4, 4, 0)],
    "store": [(8, 4, 1)],
    "byte": [(15, 1, 0)],
    "many": [(at, 4, 0) for at in range(0, 16, 4)],
    "push": [(0, 4, 1), (4, 4, 1)],
    "across": [(14, 4, 0)],
    "kernel_load": [(0, 4, 0), (64, 4, 0)],
    "kernel_store": [(0, 4, 1)],
}
"""Op -> what it loads and stores: offset, bytes, whether it is a store."""
ROUTINE_CODE = {
    "kernel_load": "ldr r0, [r1]; ldr r0, [r1, #64]",
    "kernel_store": "str r0, [r1]",
    "flush": "mcr p15, 0, r1, c7, c14, 0",
    "clean": "mcr p15, 0, r1, c7, c10, 0",
    "drop": "mcr p15, 0, r1, c7, c6, 0",
    "flush_code": "mcr p15, 0, r1, c7, c5, 0",
    "drop_both": "mcr p15, 0, r1, c7, c7, 0",
    "flush_line": "mcr p15, 0, r1, c7, c14, 1",
    "clean_line": "mcr p15, 0, r1, c7, c10, 1; add r1, r1, #64",
    "drop_line": "add r1, r1, #0; mcr p15, 0, r1, c7, c6, 1",
    "drop_code_line": "mcr p15, 0, r1, c7, c5, 1",
    "flush_if": "cmp r1, #0x20000; mcreq p15, 0, r1, c7, c14, 0; mcrne p15, 0, r1, c7, c10, 1; b flags; flags:",
    "walk": "mcr p15, 0, r1, c7, c14, 2",
    "switch": "mcr p15, 0, r1, c7, c14, 0; mcr p15, 0, r1, c7, c5, 0; mcr p15, 0, r1, c2, c0, 0",
    "forget": "mcr p15, 0, r1, c8, c7, 0",
    "forget_not": "cmp r1, r1; mcrne p15, 0, r1, c8, c7, 0",
    "wait": "mcr p15, 0, r1, c7, c0, 4",
}
"""What the kernel does, with DATA + 16 * number in r1."""
ENDS_BLOCK = ("flush_if", "switch", "forget", "forget_not", "wait")
"""Whose last instruction ends its block."""
COUNTED = (
    *(
        "svc",
        "kernel_entries",
        "switches",
        "tlb_flush_all",
        "dcache_flush",
        "dcache_lines",
        "icache_flush",
        "icache_lines",
    ),
    *("loads", "stores", "l1i_miss", "l1d_read_miss", "l1d_write_miss", "writebacks", "cold_i", "cold_d"),
    *("l1i_miss_user", "l1d_read_miss_user", "l1d_write_miss_user"),
    *("l1i_miss_kept", "l1d_read_miss_kept", "l1d_write_miss_kept", "writebacks_kept", "memory_cycles"),
)


@dataclass(frozen=True)
class Shape:
    """Both caches alike."""

    size: int = 256
    line: int = 32
    ways: int = 2
    random: int = 0
    write_allocate: int = 0
    fill_cycles: int = 0
    store_cycles: int = 0

    def given(self) -> dict[str, int]:
        """One cache."""
        return {name: getattr(self, name) for name in ("size", "line", "ways", "random")}

    def more(self) -> dict[str, int]:
        """What both have."""
        return {name: getattr(self, name) for name in ("write_allocate", "fill_cycles", "store_cycles")}


# ---- Programs


def scripted(model: str, script: Sequence[Op], shape: Shape | None) -> Bench:
    """A bench about to run the script, which ends with a wait in the kernel. `shape` None: nothing is counted."""
    bench = Bench(model, ONE, ram_size=2 << 20)
    if shape is not None:
        bench.engine.count(dcache_lines=shape.size // shape.line)
        bench.engine.count_caches(shape.given(), shape.given(), kept=1, **shape.more())
    bench.load(VECTOR, "mov pc, r4")
    for number, (name, code) in enumerate(ROUTINE_CODE.items()):
        wait = name == "wait" and model in V7
        bench.load(ROUTINES + number * ROUTINE_BYTES, ("wfi" if wait else code) + "; movs pc, lr")
    for number, op in enumerate([*script, ("wait", 0)]):
        bench.load(MAIN + number * OP_BYTES, _code(*op))
    bench.engine.reset(MAIN)
    bench.engine.write_register("CPSR", USER_MODE)
    return bench


def _code(what: str, value: int) -> str:
    setting = f"mov r1, #{DATA:#x}; orr r1, r1, #{value * 16:#x}; "
    if what in OPS:
        return f"{setting}{OPS[what]}; b next; .balign {OP_BYTES}; next:"
    number = list(ROUTINE_CODE).index(what)
    routine = f"mov r4, #{ROUTINES:#x}; orr r4, r4, #{number * ROUTINE_BYTES:#x}; "
    return f"{setting}{routine}mov r7, #0; svc #0; b next; .balign {OP_BYTES}; next:"


def counted(bench: Bench) -> dict[str, int]:
    """What the engine has counted, of what the reference counts."""
    found = bench.engine.counts()
    return {name: found[name] for name in COUNTED}


# ---- The reference


@dataclass
class Cache:
    """Sets that replace in turn, or by chance; a line that is in the cache maps to whether it is dirty."""

    shape: Shape
    sets: list[list[list[int] | None]] = field(default_factory=list)
    turn: list[int] = field(default_factory=list)
    chance: int = 0x926

    def __post_init__(self) -> None:
        self.empty()

    def empty(self) -> None:
        number = self.shape.size // self.shape.line // self.shape.ways
        self.sets = [[None] * self.shape.ways for _ in range(number)]
        self.turn = [0] * number

    def find(self, line: int) -> list[int] | None:
        return next((way for way in self.sets[line % len(self.sets)] if way and way[0] == line), None)

    def enter(self, line: int, dirty: int) -> int:
        """Whether a dirty line has gone out."""
        at = line % len(self.sets)
        ways = self.sets[at]
        if None in ways:
            ways[ways.index(None)] = [line, dirty]
            return 0
        way = self._drawn() % len(ways) if self.shape.random else self.turn[at]
        gone = ways[way]
        ways[way] = [line, dirty]
        self.turn[at] = (self.turn[at] + 1) % len(ways)
        assert gone is not None
        return gone[1]

    def _drawn(self) -> int:
        for shift in (13, -17, 5):
            self.chance ^= self.chance << shift if shift > 0 else self.chance >> -shift
            self.chance &= 0xFFFFFFFF
        return self.chance

    def written(self) -> int:
        """Dirty lines are written."""
        dirty = [way for ways in self.sets for way in ways if way and way[1]]
        for way in dirty:
            way[1] = 0
        return len(dirty)

    def drop(self, line: int) -> None:
        ways = self.sets[line % len(self.sets)]
        ways[:] = [None if way and way[0] == line else way for way in ways]


class Reference:
    """Both caches, and both as if no switch flushed them."""

    def __init__(self, shape: Shape) -> None:
        self.shape, self.n = shape, Counter[str]()
        self.real, self.kept = (Cache(shape), Cache(shape)), (Cache(shape), Cache(shape))
        self.kernel, self.seen, self.walked, self.table = False, set[tuple[str, int]](), 0, 0
        self.due: list[str] = []

    def _lines(self, address: int, size: int) -> range:
        return range(address // self.shape.line, (address + size - 1) // self.shape.line + 1)

    def _cold(self, name: str, address: int, size: int) -> None:
        if self.kernel:
            found = {(name, line) for line in range(address // 32, (address + size - 1) // 32 + 1)}
            self.n[name] += len(found - self.seen)
            self.seen |= found

    def fetch(self, address: int, words: int) -> None:
        for line in self._lines(address, 4 * words):
            for caches, suffix in ((self.real, ""), (self.kept, "_kept")):
                if caches[0].find(line) is None:
                    caches[0].enter(line, 0)
                    self._miss("l1i_miss", suffix, self.shape.fill_cycles)
        self._cold("cold_i", address, 4 * words)

    def _miss(self, name: str, suffix: str, cycles: int) -> None:
        self.n[name + suffix] += 1
        if not suffix:
            self.n[name + "_user"] += not self.kernel
            self.n["memory_cycles"] += cycles

    def _written(self, lines: int, suffix: str) -> None:
        self.n["writebacks" + suffix] += lines
        self.n["memory_cycles"] += 0 if suffix else lines * self.shape.store_cycles

    def data(self, address: int, size: int, store: int) -> None:
        self.n["stores" if store else "loads"] += 1
        for line in self._lines(address, size):
            for caches, suffix in ((self.real, ""), (self.kept, "_kept")):
                way = caches[1].find(line)
                if way:
                    way[1] |= store
                    continue
                enters = not store or self.shape.write_allocate
                if enters:
                    self._written(caches[1].enter(line, store), suffix)
                cycles = self.shape.fill_cycles if enters else self.shape.store_cycles
                self._miss("l1d_write_miss" if store else "l1d_read_miss", suffix, cycles)
        self._cold("cold_d", address, size)

    def _cross(self, kernel: bool) -> None:
        self.kernel, self.seen = kernel, set()
        if kernel:
            self.n["kernel_entries"] += 1
            return
        strongest = next((how for how in ("flush", "clean", "drop") if how in self.due), "")
        if strongest:
            self._all(self.kept[1], strongest, "_kept")
        if "code" in self.due:
            self.kept[0].empty()
        self.due = []

    def _all(self, cache: Cache, how: str, suffix: str) -> None:
        if how != "drop":
            self._written(cache.written(), suffix)
        if how != "clean":
            cache.empty()

    def _flush(self, how: str) -> None:
        self._all(self.real[1], how, "")
        self.due.append(how)

    def _flush_code(self) -> None:
        self.n["icache_flush"] += 1
        self.real[0].empty()
        self.due.append("code")

    def _line(self, how: str, address: int, side: int) -> None:
        self.n["dcache_lines" if side else "icache_lines"] += 1
        line = address // self.shape.line
        for caches, suffix in ((self.real, ""), (self.kept, "_kept")):
            way = caches[side].find(line)
            if way and way[1] and how != "drop":
                self._written(1, suffix)
            if way and how == "clean":
                way[1] = 0
            elif way:
                caches[side].drop(line)

    def _kernel(self, what: str, address: int) -> None:
        kind, _, on = what.partition("_")
        if what == "flush_if":
            self._kernel("flush" if address == DATA else "clean_line", address)
        elif what in TOUCHES:
            self._touch(what, address)
        elif on == "line":
            self._line(kind, address, 1)
        elif what == "drop_code_line":
            self._line("drop", address, 0)
        elif what in ("flush", "clean", "drop", "drop_both", "switch"):
            self.n["dcache_flush"] += 1
            self._flush("flush" if what == "switch" else kind)
        if what in ("flush_code", "drop_both", "switch"):
            self._flush_code()
        if what == "switch" and address != self.table:
            self.n["switches"] += 1
            self.table, self.due = address, []
        self.n["tlb_flush_all"] += what == "forget"
        if what == "walk":
            self.walked += 1
            if self.walked == self.shape.size // self.shape.line:
                self.walked = 0
                self.n["dcache_flush"] += 1
                self._flush("flush")

    def _touch(self, what: str, address: int) -> None:
        for offset, size, store in TOUCHES[what]:
            self.data(address + offset, size, store)

    def _op(self, what: str, value: int, here: int) -> None:
        address = DATA + 16 * value
        if what in OPS:
            self.fetch(here, 4)
            self._touch(what, address)
            return
        self.fetch(here, 6)
        self.n["svc"] += 1
        self._cross(True)
        self.fetch(VECTOR, 1)
        routine = ROUTINES + list(ROUTINE_CODE).index(what) * ROUTINE_BYTES
        words = len(assemble(ROUTINE_CODE[what])) // 4
        self.fetch(routine, words if what in ENDS_BLOCK else words + 1)
        self._kernel(what, address)
        if what == "wait":
            return
        if what in ENDS_BLOCK:
            self.fetch(routine + 4 * words, 1)
        self._cross(False)
        self.fetch(here + 24, 1)

    def run(self, script: Sequence[Op]) -> dict[str, int]:
        """What the script must count."""
        for number, op in enumerate([*script, ("wait", 0)]):
            self._op(*op, MAIN + number * OP_BYTES)
        return {name: self.n[name] for name in COUNTED}


assert int.from_bytes(assemble("mcr p15, 0, r0, c7, c0, 4"), "little") == WAIT_WORD
