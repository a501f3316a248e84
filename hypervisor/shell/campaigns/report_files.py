"""A campaign's outcome as files: a drawing of each containment matrix (SVG), and a page with all lines (HTML), each linked to
what repeats it. Both stand alone: no script, nothing fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from textwrap import shorten

from hypervisor.faults import Verdict
from hypervisor.shell.campaigns.account import count, matrices, worst_first
from hypervisor.shell.campaigns.campaign import Campaign
from hypervisor.shell.campaigns.chosen import lines_of
from hypervisor.shell.campaigns.claims import judge_claims
from hypervisor.shell.campaigns.coverage import coverage, missed_pairs, never_used
from hypervisor.shell.campaigns.drawing import FILLS, LEGEND, anchor, draw
from hypervisor.shell.campaigns.report_text import headline
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.files import RunDirError, replacing
from hypervisor.shell.human import human_percent, human_time

STYLE = """body { font: 14px/1.45 Helvetica, Arial, sans-serif; color: #1a202c; margin: 2em auto; max-width: 1500px; }
body { padding: 0 1em; } table { border-collapse: collapse; } .wide { overflow-x: auto; } h2 { margin-top: 1.8em; }
td, th { padding: 4px 8px; text-align: left; border-bottom: 1px solid #e2e8f0; vertical-align: top; }
th, td.v { white-space: nowrap; } details { margin: .4em 0; }
code { font-size: 12px; user-select: all; } :target td { box-shadow: inset 0 2px #2b6cb0; }"""
CLAIM_FILLS = {"holds": "#a7e3b5", "does not hold": "#f59b9b", "not tried": "#edf2f7"}


def write_report(campaign: Campaign, results: Sequence[Result], out: Path) -> list[Path]:
    """`matrix-TOPOLOGY-FLAVOUR.svg` for each, and `report.html`, in the campaign's directory.

    Raises:
        RunDirError: they cannot be written.
    """
    drawn = [(matrix, draw(campaign.name, matrix)) for matrix in matrices(results)]
    written = [(out / f"matrix-{matrix.topology}-{matrix.flavour}.svg", svg) for matrix, svg in drawn]
    written.append((out / "report.html", page(campaign, results, [svg for _, svg in drawn], out)))
    for path, text in written:
        try:
            with replacing(path) as file:
                file.write(text.encode())
        except OSError as error:
            raise RunDirError.because(path, error) from error
    return [path for path, _ in written]


def page(campaign: Campaign, results: Sequence[Result], drawings: Sequence[str], out: Path) -> str:
    """The page: counts, claims, matrices, what was never tried, and every injection with the command that repeats it."""
    title = f"{campaign.name}: {len(results)} injections into {campaign.title}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
        f"<p>{escape(campaign.file.description)}</p>",
        *_counts(results),
        *_claims(campaign, results, out),
        "<h2>Containment</h2>",
        "<p>Each row is a fault and the cell that it struck; a square says what came of the cell above it, the worst first.</p>",
        *(f'<p class="wide">{drawing}</p>' for drawing in drawings),
        *_uncovered(campaign, results),
        *_devices(campaign),
        '<h2>Injections</h2><div class="wide"><table>',
        "<tr><th>verdict<th>fault<th>at<th>topology<th>flavour<th>seed<th>why<th>detected<th>running again<th>repeat</tr>",
    ]
    seen: set[str] = set()
    parts += [_line(campaign, result, seen, out) for result in worst_first(results)]
    return "\n".join([*parts, "</table></div></body></html>\n"])


def _counts(results: Sequence[Result]) -> Iterator[str]:
    yield "<table><tr><th>verdict<th>means<th>times<th>share<th>95 % interval</tr>"
    for each in count(results):
        share = human_percent(100 * each.times / each.of) if each.of else ""
        bounds = f"{human_percent(100 * each.low)} .. {human_percent(100 * each.high)}"
        fill = FILLS[each.verdict]
        yield f'<tr><td class="v" style="background:{fill}">{each.verdict}<td>{LEGEND[each.verdict]}'
        yield f"<td>{each.times}<td>{share}<td>{bounds}</tr>"
    yield "</table><p>Detection and recovery are virtual times. Intervals are Wilson's, of each verdict's share alone.</p>"


def _claims(campaign: Campaign, results: Sequence[Result], out: Path) -> Iterator[str]:
    findings = judge_claims(campaign.file, results)
    if not findings:
        return
    yield "<h2>Claims</h2><table><tr><th>outcome<th>what is said<th>tried<th>the worst that was seen<th>repeat</tr>"
    for finding in findings:
        shown = finding.shown_by
        line = f"{headline(shown)}: {finding.seen}" if shown else finding.seen
        repeat = escape(campaign.replay(shown, out)) if shown else ""
        yield f'<tr><td class="v" style="background:{CLAIM_FILLS[finding.word]}">{finding.word}<td>{escape(finding.says)}'
        yield f"<td>{finding.tried}<td>{escape(shorten(line, 240))}<td><code>{repeat}</code></tr>"
    yield "</table>"


def _uncovered(campaign: Campaign, results: Sequence[Result]) -> Iterator[str]:
    yield "<h2>Never exercised</h2>"
    parts = coverage(campaign, results)
    yield from (f"<p>{escape(line)}</p>" for line in never_used(parts))
    for part in parts:
        yield f"<p>{escape(part.line())}</p>"
        yield f"<details><summary>all {len(part.untried)} combinations</summary><p>"
        yield (
            "; ".join(escape(f"{each.action} at {each.place} in {each.victim}") for each in part.untried)
            + "</p></details>"
        )
    if campaign.wanted:
        missed = missed_pairs(campaign, results)
        yield f"<p>Of {len(campaign.wanted)} pairs {len(campaign.wanted) - len(missed)} were covered.</p>"
        yield f"<details><summary>the {len(missed)} others</summary><ul>"
        yield from (f"<li>{escape(line)}" for line in lines_of(missed))
        yield "</ul></details>"


def _devices(campaign: Campaign) -> Iterator[str]:
    """What was injected into, so that the same can be had again."""
    yield "<h2>Devices</h2><p>A digest is of board, programs and wiring: the same one, the same device.</p>"
    yield "<table><tr><th>topology<th>flavour<th>seeds<th>virtual time of a run<th>digest</tr>"
    for (name, flavour), seeds in _seeds(campaign).items():
        device = campaign.devices[name, flavour, seeds[0]]
        told = ", ".join(map(str, seeds[:8])) + (f" ... {len(seeds)} in all" if len(seeds) > 8 else "")
        digests = sorted({campaign.devices[name, flavour, seed].digest[:16] for seed in seeds})
        length = human_time(device.duration, device.hz)
        yield f"<tr><td>{escape(name)}<td>{flavour}<td>{told}<td>{length}<td><code>{escape(', '.join(digests[:4]))}</code></tr>"
    yield "</table>"


def _seeds(campaign: Campaign) -> dict[tuple[str, str], list[int]]:
    found: dict[tuple[str, str], list[int]] = {}
    for name, flavour, seed in campaign.devices:
        found.setdefault((name, flavour), []).append(seed)
    return found


def _line(campaign: Campaign, result: Result, seen: set[str], out: Path) -> str:
    """A row; the first of its kind is what the drawing's squares lead to."""
    hz = campaign.device(result).hz
    name = anchor(result.topology, result.flavour, result.action, result.victim)
    mark = "" if name in seen else f' id="{escape(name)}"'
    seen.add(name)
    times = ["" if time is None else human_time(time, hz) for time in (result.at, result.detection, result.recovery)]
    place = f"{result.point} {result.visit}" if result.point else (times[0] or "never")
    cells = [f"{result.action} {result.victim}", place, result.topology, result.flavour, str(result.seed)]
    cells += [shorten(result.why, 160), *times[1:]]
    told = "".join(f"<td>{escape(cell)}" for cell in cells)
    repeat, fill = escape(campaign.replay(result, out)), FILLS[Verdict(result.verdict)]
    return f'<tr{mark}><td class="v" style="background:{fill}">{result.verdict}{told}<td><code>{repeat}</code></tr>'
