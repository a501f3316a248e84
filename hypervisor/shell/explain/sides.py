"""Who of a de-privileged guest runs when: its kernel, or a process of it. Pure.

The CPU knows one unprivileged mode for both, and the cell is one; which of them it is only the monitor's own steps tell. What a
trace says of them is the same question under each architecture: when does the kernel go on, when a process?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PROCESS, KERNEL, MONITOR = "process", "kernel", "monitor"

Record = Mapping[str, Any]


def enters_process(record: Record) -> bool:
    """The kernel lets a process go on: by its return, its RUN, its reply."""
    how = record.get("call") or record.get("why")
    return record["k"] == "t02" or (record["k"], how) in (("hypercall", "run"), ("exception", "reply"))


def leaves_process(record: Record) -> bool:
    """A process has left for its kernel."""
    return record["k"] == "t20" or (record["k"] == "exception" and not enters_process(record))


def enters_kernel(record: Record) -> bool:
    """The kernel goes on: by an upcall, a message, the return of its RUN."""
    return record["k"] == "t01" or (record["k"] == "exception" and not enters_process(record))


def sides_of(records: Sequence[Record]) -> list[tuple[str, str]]:
    """For each record of a story that begins in a process: who ran up to it, and who goes on after it ("" if not the next thing).

    A monitor's step has nobody that ran up to it. All "" if there is no such kernel in the story.

    >>> story = [{"k": "exit"}, {"k": "t20"}, {"k": "t01"}, {"k": "exit"}, {"k": "t10"}, {"k": "t02"}]
    >>> [side or after for side, after in sides_of(story)]
    ['process', '', 'kernel', 'kernel', '', 'process']
    >>> sides_of([{"k": "exit"}])
    [('', '')]
    """
    if not any(leaves_process(record) for record in records):
        return [("", "")] * len(records)
    side, found = PROCESS, []
    for record, behind in zip(records, [*records[1:], {"k": "exit"}], strict=True):
        stops = record["k"] == "exit"
        ran, side = side, PROCESS if enters_process(record) else KERNEL if enters_kernel(record) else side
        found.append((ran if stops else "", "" if stops or behind["k"] != "exit" else side))
    return found
