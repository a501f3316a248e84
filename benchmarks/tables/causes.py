"""The main cause of a row's overhead, or of its gain: the largest of what events add and of what spared flushes take away.

Under a flavour that does not flush at a switch (`unflushed` of protocol.toml) a row starts from less than its native time; where
that is more than any event adds, it is the cause.

>>> from benchmarks.tables.cases import Case
>>> from benchmarks.tables.figures import Row
>>> main(Answer(Case(Row("fig21", "pipe", "us", 757.0, 85.0), {}), 60.0, {"entry": 17.0}))[0]
'spared'
"""

from __future__ import annotations

from benchmarks.tables.model import Answer
from benchmarks.tables.parts import term

SPARED = "spared"
TITLE = "flushes spared at switches"
"""Of `SPARED`, which is no term: no price is fitted to it in the virtualized column."""


def spared(answer: Answer) -> float:
    """Microseconds that the native column has and this one never pays; 0 for an answer of a native column."""
    return max(answer.case.row.native_us - answer.given, 0.0) if answer.given > 0 else 0.0


def main(answer: Answer) -> tuple[str, float]:
    """The cause's name, and its share (0 to 1) of all that is added and spared; ("", 0.0) if there is nothing."""
    changes = {name: time for name, time in answer.parts.items() if time > 0}
    if spared(answer) > 0:
        changes[SPARED] = spared(answer)
    largest = max(changes, key=lambda name: changes[name], default="")
    return (largest, changes[largest] / sum(changes.values())) if largest else ("", 0.0)


def title(name: str) -> str:
    """For people; "" for no cause."""
    return TITLE if name == SPARED else term(name).title if name else ""
