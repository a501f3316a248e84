"""The graph as text: three tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hypervisor.core.trust import Hold, Trust
from hypervisor.shell.graph.gather import Picture

HOLDS = {
    Hold.WHOLE: "all of it: the other can read and change the cell",
    Hold.DATA: "data: the other can read, change or lose what goes between them",
    Hold.SERVICE: "service: the other can leave it without an answer",
}
"""What each hold means."""
NOT_THE_SAME = (
    "  This model: lines of Python in hypervisor/abi and hypervisor/core, without blank lines, comments and documentation;",
    "  of a monitor for processes, which stands on the host's kernel. The survey: thousands of lines of C and assembler, as its",
    "  sources count them, of kernels that stand on the bare machine. They are not measures of the same thing.",
)


def as_text(picture: Picture) -> str:
    """Everything, for a terminal or a file."""
    parts = [_reach(picture), _trust(picture), _sizes(picture)]
    return "\n".join(line.rstrip() for part in parts for line in [*part, ""])


def word(hold: Hold) -> str:
    """A hold in one word."""
    return HOLDS[hold].partition(":")[0]


def way(trust: Trust) -> str:
    """How an indirect hold comes about, "" for a direct one."""
    return f"through {' and '.join(trust.through)}, which must trust it too: " if trust.through else ""


def _reach(picture: Picture) -> Iterator[str]:
    yield f"{picture.topology} under {picture.flavour} ({picture.title}): who reaches whom, by which right"
    yield ""
    rows = [(edge.cell, edge.target, edge.rights.replace("+", ", "), edge.by) for edge in picture.edges]
    yield from _table(("who", "whom", "rights", "by"), rows or [("nobody", "", "", "")])


def _trust(picture: Picture) -> Iterator[str]:
    yield "Whom each cell must trust besides the monitor, under each flavour"
    for meaning in HOLDS.values():
        yield f"  {meaning}"
    for cell in picture.cells:
        yield ""
        yield cell
        yield from _table(("", "whom", "with", "because"), list(_trusted_by(picture, cell)), indent=2)


def _trusted_by(picture: Picture, cell: str) -> Iterator[tuple[str, ...]]:
    for flavour, found in picture.trust.items():
        if isinstance(found, str):
            yield flavour, "-", "-", f"not possible: {found}"
            continue
        if not found.get(cell):
            yield flavour, "nobody", "-", ""
        for number, trust in enumerate(found.get(cell, ())):
            yield flavour if number == 0 else "", trust.on, word(trust.hold), f"{way(trust)}{trust.why}"


def _sizes(picture: Picture) -> Iterator[str]:
    yield "How large what everybody trusts is"
    yield ""
    head = ("", "this model: the monitor", "and its mechanism", "the survey, of the real kernel")
    rows = [
        (size.flavour, f"{size.ours.monitor:,}", f"{size.ours.mechanism:,}", size.survey or "gives no figure")
        for size in picture.sizes
    ]
    yield from _table(head, rows)
    yield ""
    yield from NOT_THE_SAME


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], indent: int = 0) -> Iterator[str]:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for number, line in enumerate(lines):
        yield " " * indent + "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        if number == 0:
            yield " " * indent + "  ".join("-" * width for width in widths)
