"""A containment matrix as a drawing (SVG): a square in words and colour for each fault and cell, linked to what is behind it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from hypervisor.faults import Verdict
from hypervisor.shell.campaigns.account import Matrix, Square

FILLS = {
    Verdict.NOT_ACTIVATED: "#edf2f7",
    Verdict.NOT_INJECTED: "#e2e8f0",
    Verdict.MASKED: "#e6f6ea",
    Verdict.CONTAINED: "#a7e3b5",
    Verdict.DEGRADED: "#fdf0a6",
    Verdict.HANG: "#ddc8f7",
    Verdict.ESCAPED: "#f59b9b",
    Verdict.MONITOR_FAILURE: "#e05252",
}
LEGEND = {
    Verdict.NOT_ACTIVATED: "the fault never struck",
    Verdict.NOT_INJECTED: "the host did not carry it out",
    Verdict.MASKED: "nothing is to be seen of it",
    Verdict.CONTAINED: "the victim is not as it was, nobody else noticed",
    Verdict.DEGRADED: "a partner saw an error or a delay that its interface allows",
    Verdict.HANG: "a partner did not come to its end",
    Verdict.ESCAPED: "somebody was harmed who must not be",
    Verdict.MONITOR_FAILURE: "the monitor itself failed",
}
"""What each verdict says of a cell."""
WIDE, HIGH, GAP = 128, 32, 3
"""Pixels of a square."""
HEAD, SIDE, LETTER = 76, 16, 7
"""Room above and at the side; the width of a letter."""


def draw(title: str, matrix: Matrix) -> str:
    """The matrix as SVG. The whole injection's verdict stands apart, first; the victim's own square has a frame."""
    heads = ("injection", *matrix.cells)
    labels = [f"{row.action} {row.victim}" for row in matrix.rows]
    first = SIDE + LETTER * max((len(label) for label in labels), default=0) + 16
    wide = max(
        WIDE, LETTER * max(len(square.text) for row in matrix.rows for square in (row.whole, *row.cells) if square) + 12
    )
    width = max(first + wide * len(heads) + 12 + SIDE, LETTER * len(f"{title}: {matrix.title}") * 2)
    height = HEAD + HIGH * len(matrix.rows) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        '<g font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#1a202c">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{SIDE}" y="28" font-size="17" font-weight="bold">{escape(title)}: {escape(matrix.title)}</text>',
        f'<text x="{SIDE}" y="{HEAD - 10}" font-weight="bold">fault</text>',
    ]
    lefts = [first + wide * at + (12 if at else 0) for at in range(len(heads))]
    for left, head in zip(lefts, heads, strict=True):
        parts.append(f'<text x="{left + 8}" y="{HEAD - 10}" font-weight="bold">{escape(head)}</text>')
    for line, (row, label) in enumerate(zip(matrix.rows, labels, strict=True)):
        top = HEAD + HIGH * line
        parts.append(f'<text x="{SIDE}" y="{top + 20}">{escape(label)}</text>')
        link = escape(anchor(matrix.topology, matrix.flavour, row.action, row.victim))
        for left, head, square in zip(lefts, heads, (row.whole, *row.cells), strict=True):
            if square is not None:
                parts += _square(square, (left, top, wide), link, framed=head == row.victim)
    return "\n".join([*parts, *_legend(matrix, height), "</g></svg>\n"])


def _square(square: Square, place: tuple[int, int, int], link: str, *, framed: bool) -> Iterator[str]:
    left, top, wide = place
    told = escape(", ".join(f"{verdict} {times}" for verdict, times in square.counts.items()))
    frame = ' stroke="#4a5568" stroke-width="1.5"' if framed else ""
    yield f'<a href="report.html#{link}"><title>{told}</title>'
    size = f'width="{wide - GAP}" height="{HIGH - GAP}"'
    yield f'<rect x="{left}" y="{top}" {size} rx="3" fill="{FILLS[square.worst]}"{frame}/>'
    yield f'<text x="{left + 8}" y="{top + 20}">{escape(square.text)}</text></a>'


def _legend(matrix: Matrix, height: int) -> Iterator[str]:
    """The verdicts that occur, and what the frame is."""
    there = {
        Verdict(verdict)
        for row in matrix.rows
        for square in (row.whole, *row.cells)
        if square
        for verdict in square.counts
    }
    left = SIDE
    for verdict in (each for each in Verdict if each in there):
        yield f'<rect x="{left}" y="{height - 24}" width="12" height="12" rx="2" fill="{FILLS[verdict]}"/>'
        yield f'<text x="{left + 17}" y="{height - 14}" font-size="11">{verdict}</text>'
        left += LETTER * len(verdict) + 34
    yield f'<rect x="{left}" y="{height - 24}" width="12" height="12" rx="2" fill="none" stroke="#4a5568" stroke-width="1.5"/>'
    yield f'<text x="{left + 17}" y="{height - 14}" font-size="11">the cell that was struck</text>'


def anchor(*of: str) -> str:
    """The name of a place in the page."""
    return "-".join(of)
