"""From trace records to the steps that people see. Pure: each step comes from one record, and says which.

>>> costs = Costs(hypercall=300)
>>> step = steps_of([(7, {"t": 90, "k": "exit", "cell": "a", "start": 40, "why": "hypercall", "call": 2, "n": 0})], costs)[0]
>>> step.serial, step.cell, step.ran, step.cycles
(7, 'a', 50, 300)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from hypervisor.abi.hypercalls import XEN_CALLS, Hypercall
from hypervisor.abi.pv import Trap
from hypervisor.abi.records import EventKind
from hypervisor.core.costs import Costs
from hypervisor.shell.explain.sides import MONITOR, enters_process, leaves_process, sides_of

MARK = "explain"
"""The name under which a guest of a story reports where the part to be drawn begins (1) and ends (0)."""
BEGIN, END = ".begin", ".end"
"""Ends of the names under which a process of our kernel reports the same (cells/wren/user/bench.c)."""
COUNTS = "counts."
"""Begins the names under which the kernel reports its own counters at both."""

ADDRESSES = ("pc", "vspsr", "address", "virtual")
"""Facts that people read in hexadecimal."""

Record = Mapping[str, Any]

SHORT: Mapping[str, str] = {
    "cache_flush": "the caches are cleaned",
    "capability": "a capability is looked up",
    "channel": "the bounded channel",
    "copy": "bytes are copied",
    "copy_word": "words are copied",
    "exception": "a process's registers go to its kernel, or come from it",
    "exchange": "another thread's registers are exchanged",
    "grant": "a grant is checked",
    "hypercall": "a call of the kernel",
    "ipc": "the message goes over",
    "ipc_word": "words beyond the registers",
    "map": "pages appear",
    "notify": "the partner is rung",
    "page_fault": "a fault becomes a message",
    "policy": "access control decides",
    "space_switch": "another address space",
    "store": "a request to the store",
    "task": "a task is made or ended",
    "page_table": "page-table updates, validated",
    "t01": "t01: the monitor enters the kernel",
    "t02": "t02: the monitor enters the user process",
    "t10": "t10: the kernel leaves for the monitor",
    "t20": "t20: the user process leaves for the monitor",
    "tlb_flush": "translations are forgotten",
    "unmap": "pages are taken back",
    "upcall": "an exception is delivered",
    "virq": "a virtual interrupt",
    "vtlb": "the virtual TLB missed",
}
"""What a step of a mechanism is called in a drawing; the summary below it says what the cause means."""


@dataclass(frozen=True)
class Step:
    """One step. `serial`: line of the trace, from 1; `time`, `cycles` (what the mechanism took) and `ran` (what the cell itself
    had run before) in cycles; `cell`: on whose behalf; `other`: a second cell that it is about, "" for none; `cause`: a ledger's.
    `side`: of a de-privileged guest, whether its kernel or a process ran up to here, or MONITOR for a step in between (sides.py);
    `enters`: which of them goes on after it.
    """

    serial: int
    time: int
    cell: str
    what: str
    cause: str
    cycles: int = 0
    ran: int = 0
    other: str = ""
    side: str = ""
    enters: str = ""

    @property
    def who(self) -> str:
        """Its lane: the cell, or of a de-privileged guest the side that ran, or the monitor."""
        return self.side or self.cell


def between_marks(records: Iterable[tuple[int, Record]]) -> Iterator[tuple[int, Record]]:
    """The records after the first mark and before the last one's exit."""
    inside: list[tuple[int, Record]] | None = None
    for serial, record in records:
        if _is_mark(record):
            if inside is not None:
                yield from _of_the_process(inside) if _is_of_a_process(record) else inside
                return
            inside = []
        elif inside is not None:
            inside.append((serial, record))


def counts_between(records: Iterable[tuple[int, Record]]) -> dict[str, int]:
    """Differences of counters from one mark of a process to the other: the CPU's, and those that its kernel reports at both.

    >>> exits = [("counts.runs", 4, 7, 9), ("x.begin", 1, 8, 10), ("x.end", 1, 18, 15), ("counts.runs", 6, 20, 16)]
    >>> counts_between((1, {"data": n, "args": [0, v, 0], "t": t, "insns": i}) for n, v, t, i in exits)
    {'cycles': 10, 'instructions': 5, 'runs': 2}
    """
    marks: list[tuple[int, int]] = []
    told: dict[str, list[int]] = {}
    for _, record in records:
        name = str(record.get("data", ""))
        if name.endswith((BEGIN, END)):
            marks.append((record["t"], record["insns"]))
        elif name.startswith(COUNTS):
            told.setdefault(name.removeprefix(COUNTS), []).append(record["args"][1])
    spent = (
        {name: marks[-1][place] - marks[0][place] for place, name in enumerate(("cycles", "instructions"))}
        if marks
        else {}
    )
    return spent | {name: values[-1] - values[0] for name, values in told.items()}


def _of_the_process(records: list[tuple[int, Record]]) -> list[tuple[int, Record]]:
    """The same less the ways of the marks themselves: a process of a paravirtual kernel has set them, by system calls.

    It begins with the first stop of the process after the first of these, and ends before its stop for the second.
    """
    exits = [place for place, (_, record) in enumerate(records) if record["k"] == "exit"]
    entered = [place for place, (_, record) in enumerate(records) if enters_process(record)]
    left = [place for place, (_, record) in enumerate(records) if leaves_process(record)]
    if not entered or not left:
        return []
    first = next((place for place in exits if place > entered[0]), len(records))
    last = max((place for place in exits if place < left[-1]), default=0)
    return records[first:last]


def _is_mark(record: Record) -> bool:
    return record.get("call") == Hypercall.REPORT and (record.get("data") == MARK or _is_of_a_process(record))


def _is_of_a_process(record: Record) -> bool:
    name = str(record.get("data", ""))
    return name.endswith((BEGIN, END)) or (record["k"] == "call" and name == MARK)


def steps_of(records: Iterable[tuple[int, Record]], costs: Costs) -> list[Step]:
    """The steps of these (serial, record) pairs, in their order."""
    inside = list(records)
    found = []
    sides = sides_of([record for _, record in inside])
    two_sided = any(side for side, _ in sides)
    for (serial, record), (side, enters) in zip(inside, sides, strict=True):
        who = side or (MONITOR if two_sided else "")
        found += [replace(step, side=who, enters=enters) for step in _step(serial, record, costs)]
    return found


def totals(steps: Sequence[Step]) -> dict[str, int]:
    """Cycles by cause, in order of appearance."""
    sums: dict[str, int] = {}
    for step in steps:
        if step.ran:
            sums["guest"] = sums.get("guest", 0) + step.ran
        if step.cycles:
            sums[step.cause] = sums.get(step.cause, 0) + step.cycles
    return sums


def _step(serial: int, record: Record, costs: Costs) -> Iterator[Step]:
    make = _KINDS.get(record["k"], _operation)
    step = make(serial, record, costs)
    if step is not None:
        yield step


def _exit(serial: int, record: Record, costs: Costs) -> Step | None:
    what, cause, cycles = _EXITS.get(record["why"], _plain)(record, costs)
    came = _arrivals(record)
    text = f"{came}, {what}" if came else what
    return Step(serial, record["t"], record["cell"], text, cause, cycles, record["t"] - record["start"])


def _arrivals(record: Record) -> str:
    told = record.get("ev", ()) if record["why"] != "exception" else ()  # there it is the registers to go on with
    names = [EventKind(kind).name.lower() for _, kind, _ in told]
    return f"takes {' and '.join(dict.fromkeys(names))}" if names else ""


def _hypercall(record: Record, costs: Costs) -> tuple[str, str, int]:
    return f"calls the monitor: {call_name(record['call'])}", "hypercall", costs.hypercall


def _access(record: Record, costs: Costs) -> tuple[str, str, int]:
    verb = "loads" if record["why"] == "read" else "stores"
    return f"{verb} a device register at {record['addr']:#x}: trapped", "device_exit", costs.device_exit


def _exception(record: Record, _costs: Costs) -> tuple[str, str, int]:
    return f"stops by an exception: {Trap(record['trap']).name.lower().replace('_', ' ')}", "guest", 0


def _waits(_record: Record, _costs: Costs) -> tuple[str, str, int]:
    return "waits for an interrupt", "guest", 0


def _plain(record: Record, _costs: Costs) -> tuple[str, str, int]:
    return f"stops: {record['why']}", "guest", 0


def _switch(serial: int, record: Record, costs: Costs) -> Step:
    whence = record["from"] or "idle"
    text = f"the core goes over from {whence} ({record['cause']})"
    return Step(serial, record["t"], record["cell"], text, "world_switch", costs.world_switch, other=record["from"])


def _irq(serial: int, record: Record, costs: Costs) -> Step:
    if "level" not in record:  # of a virtual CPU, which has no lines
        text = f"a virtual interrupt: {record['cause']} ({record['told']})"
        return Step(serial, record["t"], record["cell"], text, "virq", costs.virq)
    level = "rises" if record["level"] else "falls"
    text = f"interrupt line {record['line']} of {record['cause']} {level}"
    return Step(serial, record["t"], record["cell"], text, "virq", costs.virq if record["level"] else 0)


def _operation(serial: int, record: Record, _costs: Costs) -> Step:
    """What a mechanism wrote down: `k` is a cause of the ledger."""
    kind = str(record["k"])
    left_out = ("t", "k", "cell", "cycles")
    facts = ", ".join(f"{key} {_fact(key, value)}" for key, value in record.items() if key not in left_out)
    meaning = SHORT.get(kind, kind.replace("_", " "))
    other = next((str(record[key]) for key in ("to", "peer", "from") if isinstance(record.get(key), str)), "")
    cell = str(record.get("cell", ""))
    text = f"{meaning} ({facts})" if facts else meaning
    return Step(
        serial, record["t"], cell, text, kind, int(record.get("cycles", 0)), other=other if other != cell else ""
    )


def _fact(key: str, value: Any) -> str:
    return f"{value:#x}" if key in ADDRESSES and isinstance(value, int) else str(value)


def call_name(number: int) -> str:
    """A hypercall's name, as documentation has it."""
    with suppress(ValueError):
        return Hypercall(number).name
    return f"xen hypercall {number - XEN_CALLS}" if number >= XEN_CALLS else f"number {number}"


_EXITS: Mapping[str, Callable[[Record, Costs], tuple[str, str, int]]] = {
    "hypercall": _hypercall,
    "read": _access,
    "write": _access,
    "wait": _waits,
    "exception": _exception,
}
_KINDS: Mapping[str, Callable[[int, Record, Costs], Step | None]] = {
    "exit": _exit,
    "switch": _switch,
    "irq": _irq,
}
