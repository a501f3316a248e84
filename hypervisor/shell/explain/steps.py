"""From trace records to the steps that people see. Pure: each step comes from one record, and says which.

>>> costs = Costs(hypercall=300)
>>> step = steps_of([(7, {"t": 90, "k": "exit", "cell": "a", "start": 40, "why": "hypercall", "call": 2, "n": 0})], costs)[0]
>>> step.serial, step.cell, step.ran, step.cycles
(7, 'a', 50, 300)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hypervisor.abi.hypercalls import XEN_CALLS, Hypercall
from hypervisor.abi.pv import Trap
from hypervisor.abi.records import EventKind
from hypervisor.core.costs import Costs

MARK = "explain"
"""The name under which a guest of a story reports where the part to be drawn begins (1) and ends (0)."""

Record = Mapping[str, Any]

SHORT: Mapping[str, str] = {
    "capability": "a capability is looked up",
    "channel": "the bounded channel",
    "copy": "bytes are copied",
    "copy_word": "words are copied",
    "grant": "a grant is checked",
    "ipc": "the message goes over",
    "ipc_word": "words beyond the registers",
    "map": "pages appear",
    "notify": "the partner is rung",
    "page_fault": "a fault becomes a message",
    "policy": "access control decides",
    "store": "a request to the store",
    "page_table": "page-table updates, validated",
    "t01": "t01: the monitor enters the kernel",
    "t02": "t02: the monitor enters the user process",
    "t10": "t10: the kernel leaves for the monitor",
    "t20": "t20: the user process leaves for the monitor",
    "tlb_flush": "translations are forgotten",
    "unmap": "pages are taken back",
    "upcall": "an exception is delivered",
    "vtlb": "the virtual TLB missed",
}
"""What a step of a mechanism is called in a drawing; the summary below it says what the cause means."""


@dataclass(frozen=True)
class Step:
    """One step. `serial`: line of the trace, from 1; `time`, `cycles` (what the mechanism took) and `ran` (what the cell itself
    had run before) in cycles; `cell`: on whose behalf; `other`: a second cell that it is about, "" for none; `cause`: a ledger's.
    """

    serial: int
    time: int
    cell: str
    what: str
    cause: str
    cycles: int = 0
    ran: int = 0
    other: str = ""


def between_marks(records: Iterable[tuple[int, Record]]) -> Iterator[tuple[int, Record]]:
    """The records after the first mark and before the last one's exit."""
    inside: list[tuple[int, Record]] | None = None
    for serial, record in records:
        if _is_mark(record):
            if inside is not None:
                yield from _of_the_process(inside) if record["k"] == "call" else inside
                return
            inside = []
        elif inside is not None:
            inside.append((serial, record))


def _of_the_process(records: list[tuple[int, Record]]) -> list[tuple[int, Record]]:
    """The same less the ways of the marks themselves: a process of a paravirtual kernel has set them, by system calls."""
    kinds = [record["k"] for _, record in records]
    if "t02" not in kinds or "t20" not in kinds:
        return []
    first, last = kinds.index("t02") + 1, len(kinds) - 1 - kinds[::-1].index("t20")
    while last > first and kinds[last] != "exit":
        last -= 1
    return records[first:last]


def _is_mark(record: Record) -> bool:
    return record.get("call") == Hypercall.REPORT and record.get("data") == MARK


def steps_of(records: Iterable[tuple[int, Record]], costs: Costs) -> list[Step]:
    """The steps of these (serial, record) pairs, in their order."""
    return [step for serial, record in records for step in _step(serial, record, costs)]


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
    names = [EventKind(kind).name.lower() for _, kind, _ in record.get("ev", ())]
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
    level = "rises" if record["level"] else "falls"
    text = f"interrupt line {record['line']} of {record['cause']} {level}"
    return Step(serial, record["t"], record["cell"], text, "virq", costs.virq if record["level"] else 0)


def _operation(serial: int, record: Record, _costs: Costs) -> Step:
    """What a mechanism wrote down: `k` is a cause of the ledger."""
    kind = str(record["k"])
    left_out = ("t", "k", "cell", "cycles")
    facts = ", ".join(f"{key} {value}" for key, value in record.items() if key not in left_out)
    meaning = SHORT.get(kind, kind.replace("_", " "))
    other = next((str(record[key]) for key in ("to", "peer", "from") if isinstance(record.get(key), str)), "")
    cell = str(record.get("cell", ""))
    text = f"{meaning} ({facts})" if facts else meaning
    return Step(
        serial, record["t"], cell, text, kind, int(record.get("cycles", 0)), other=other if other != cell else ""
    )


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
