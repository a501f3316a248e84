"""A campaign's outcome as files: a drawing of each containment matrix (SVG), and a page with all lines (HTML), each linked to
what repeats it. Both stand alone: no script, nothing fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from textwrap import shorten

from hypervisor.faults import Verdict
from hypervisor.shell.campaigns.account import Matrix, Square, count, matrices, worst_first
from hypervisor.shell.campaigns.campaign import Campaign
from hypervisor.shell.campaigns.runner import Result
from hypervisor.shell.files import RunDirError, replacing
from hypervisor.shell.human import human_percent, human_time

FILLS = {
    Verdict.NOT_ACTIVATED: "#edf2f7",
    Verdict.MASKED: "#c6f6d5",
    Verdict.CONTAINED: "#9ae6b4",
    Verdict.DEGRADED: "#fefcbf",
    Verdict.HANG: "#e9d8fd",
    Verdict.ESCAPED: "#feb2b2",
    Verdict.MONITOR_FAILURE: "#fc8181",
}
WIDE, HIGH, HEAD = 150, 34, 64
"""Pixels of a square, and room for the title."""
FIRST = 190
STYLE = """body { font: 14px Helvetica, Arial, sans-serif; color: #1a202c; margin: 2em; }
table { border-collapse: collapse; } td, th { padding: 4px 8px; text-align: left; border-bottom: 1px solid #e2e8f0; }
code { font-size: 12px; user-select: all; }"""


def write_report(campaign: Campaign, results: Sequence[Result], out: Path) -> list[Path]:
    """`matrix-FLAVOUR.svg` for each flavour and `report.html`, in the campaign's directory.

    Raises:
        RunDirError: they cannot be written.
    """
    drawn = [(matrix, draw(campaign.name, matrix)) for matrix in matrices(results)]
    written = [(out / f"matrix-{matrix.flavour}.svg", svg) for matrix, svg in drawn]
    written.append((out / "report.html", page(campaign, results, [svg for _, svg in drawn], out)))
    for path, text in written:
        try:
            with replacing(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise RunDirError.because(path, error) from error
    return [path for path, _ in written]


def draw(title: str, matrix: Matrix) -> str:
    """The matrix as SVG: a coloured square for each fault and cell, a link to the lines behind it."""
    heads = ("injection", *matrix.cells)
    width, height = FIRST + WIDE * len(heads) + 20, HEAD + HIGH * (len(matrix.rows) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        '<g font-family="Helvetica, Arial, sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="28" font-size="17" font-weight="bold">{escape(title)} under {escape(matrix.flavour)}</text>',
    ]
    parts += [
        f'<text x="{FIRST + WIDE * at + 8}" y="{HEAD - 8}" font-weight="bold">{escape(head)}</text>'
        for at, head in enumerate(heads)
    ]
    for line, row in enumerate(matrix.rows):
        top = HEAD + HIGH * line
        parts.append(f'<text x="16" y="{top + 21}">{escape(f"{row.action} {row.victim}")}</text>')
        anchor = escape(_anchor(matrix.flavour, row.action, row.victim))
        for at, square in enumerate((row.whole, *row.cells)):
            if square is not None:
                parts += _square(square, FIRST + WIDE * at, top, anchor)
    return "\n".join([*parts, "</g></svg>\n"])


def _square(square: Square, left: int, top: int, anchor: str) -> Iterator[str]:
    told = escape(", ".join(f"{verdict} {times}" for verdict, times in square.counts.items()))
    yield f'<a href="report.html#{anchor}"><title>{told}</title>'
    yield f'<rect x="{left}" y="{top}" width="{WIDE - 2}" height="{HIGH - 2}" fill="{FILLS[square.worst]}"/>'
    yield f'<text x="{left + 8}" y="{top + 21}">{escape(square.text)}</text></a>'


def page(campaign: Campaign, results: Sequence[Result], drawings: Sequence[str], out: Path) -> str:
    """The page: counts, matrices, and every injection with the command that repeats it."""
    title = f"{campaign.name}: {len(results)} injections into {campaign.file.topology}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
        f"<p>{escape(campaign.file.description)}</p>",
        "<table><tr><th>verdict<th>times<th>share<th>95 % interval</tr>",
    ]
    for each in count(results):
        share = human_percent(100 * each.times / each.of) if each.of else ""
        bounds = f"{human_percent(100 * each.low)} .. {human_percent(100 * each.high)}"
        parts.append(f"<tr><td>{each.verdict}<td>{each.times}<td>{share}<td>{bounds}</tr>")
    parts += ["</table>", *(f"<p>{drawing}</p>" for drawing in drawings), "<h2>Injections</h2><table>"]
    parts.append("<tr><th>verdict<th>fault<th>at<th>flavour<th>seed<th>why<th>detected<th>running again<th>repeat</tr>")
    seen: set[str] = set()
    for result in worst_first(results):
        parts.append(_line(campaign, result, seen, out))
    return "\n".join([*parts, "</table></body></html>\n"])


def _line(campaign: Campaign, result: Result, seen: set[str], out: Path) -> str:
    """A row; the first of its kind is what the drawing's squares lead to."""
    hz = campaign.devices[result.flavour, result.seed].hz
    anchor = _anchor(result.flavour, result.action, result.cell)
    mark = "" if anchor in seen else f' id="{escape(anchor)}"'
    seen.add(anchor)
    times = ["" if time is None else human_time(time, hz) for time in (result.at, result.detection, result.recovery)]
    repeat = campaign.replay(out / result.run) if result.run else ""
    fill = FILLS[Verdict(result.verdict)]
    cells = [f"{result.action} {result.cell}", times[0] or "never", result.flavour, str(result.seed)]
    cells += [shorten(result.why, 160), *times[1:]]
    told = "".join(f"<td>{escape(cell)}" for cell in cells)
    return f'<tr{mark}><td style="background:{fill}">{result.verdict}{told}<td><code>{escape(repeat)}</code></tr>'


def _anchor(flavour: str, action: str, victim: str) -> str:
    return f"{flavour}-{action}-{victim}"
