"""What came of an injection: each cell against the fault-free run of the same seed and flavour. Pure.

Compared are outputs (what a cell printed, how it ended), deaths and misses of deadlines; not raw times, for a cell that is gone
leaves its CPU to the others. Who may be affected at all is a question of the wiring: a cell that talks to the victim, or that
is served by a driver domain which does, or talks to a cell that was itself affected by right. Such a cell may see errors and
delays; all others must do as if nothing had happened. Nobody may die of it, but of an error that it was told and does not
handle; and nobody may say what it never says without a fault, unless the campaign allows for it (`may_say`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hypervisor.faults.seen import CellSeen, Seen

REPORTED = re.compile(r"guest fault: \w*(Refused|Call|Split|TimedOut|StoreRefused|Connection)Error\b")
"""Deaths of guests that were told of an error by their interface and do not handle it."""
ENDED = "shut down"
"""The state of a cell that came to its own end."""


class Verdict(StrEnum):
    """From harmless to grave. The first two are about the experiment: the fault's place or time never came; the host did not
    carry it out, so that nothing is known.
    """

    NOT_ACTIVATED = "not-activated"
    NOT_INJECTED = "not-injected"
    MASKED = "masked"
    CONTAINED = "contained"
    DEGRADED = "degraded"
    HANG = "hang"
    ESCAPED = "escaped"
    MONITOR_FAILURE = "monitor-failure"


SEVERITY = list(Verdict)
BAD = frozenset({Verdict.ESCAPED, Verdict.MONITOR_FAILURE})
"""What makes a campaign fail."""


@dataclass(frozen=True)
class Rules:
    """What a campaign and the wiring say about cells.

    `talks`: cell -> whom it talks to, both ways. `relays`: those who pass on what others say or give (driver domains, pagers).
    `untouchable`: cells that nothing may affect, whatever the wiring. `may_say`: patterns of lines that an affected cell may
    print; `may_die`: of reasons for which it may die; `volatile`: of what differs from run to run, cut out before lines are
    compared. `figures`: reported figures that are results, and must be the same; `no_worse`: figures whose greatest value
    must not grow.
    """

    talks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    relays: frozenset[str] = frozenset()
    untouchable: frozenset[str] = frozenset()
    may_say: tuple[str, ...] = ()
    may_die: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    no_worse: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """The verdict of an injection, why, and (verdict, why) of each cell."""

    verdict: Verdict
    why: str
    cells: Mapping[str, tuple[Verdict, str]]


Finding = tuple[Verdict, str]


def judge(victim: str, reference: Seen, seen: Seen, rules: Rules) -> Judgement:
    """The verdicts of one injection. `victim`: a cell, "" for the host."""
    for bad, verdict, why in (
        (bool(seen.trouble), Verdict.MONITOR_FAILURE, seen.trouble),
        (seen.overdue, Verdict.HANG, "the run did not come to its end on the host"),
        (bool(seen.refused and seen.held), Verdict.ESCAPED, "; ".join(seen.held)),
        (bool(seen.refused), Verdict.MONITOR_FAILURE if victim else Verdict.DEGRADED, seen.refused),
        (bool(seen.undone), Verdict.NOT_INJECTED, seen.undone),
    ):
        if bad:
            return Judgement(verdict, why, {})
    if seen.struck is None:
        cells = dict.fromkeys(reference.cells, (Verdict.NOT_ACTIVATED, ""))
        return Judgement(Verdict.NOT_ACTIVATED, f"{victim or 'the host'} did not come there any more", cells)
    cells = _cells(victim, reference, seen, rules)
    wrong = [*seen.broken, *seen.held, *_grown(reference, seen)]
    if wrong:
        return Judgement(Verdict.ESCAPED, "; ".join(wrong), cells)
    worst = max(cells, key=lambda name: SEVERITY.index(cells[name][0]))
    verdict, why = cells[worst]
    return Judgement(verdict, f"{worst}: {why}" if why else "", cells)


def _grown(reference: Seen, seen: Seen) -> Iterator[str]:
    """Cells that own more memory after a restart than they did without one."""
    for name, cell in seen.cells.items():
        before = reference.cells[name]
        if cell.restarts > before.restarts and before.bytes and cell.bytes > before.bytes:
            yield f"leak: {name} owns {cell.bytes} bytes after its restart, and {before.bytes} without one"


def _cells(victim: str, reference: Seen, seen: Seen, rules: Rules) -> dict[str, Finding]:
    """Cell by cell, from the victim outwards: who is affected by right passes the right on."""
    struck = [victim] if victim else []
    found = {name: _victim(reference.cells[name], seen.cells[name], rules) for name in struck}
    passing = struck
    reached = set(struck)
    while passing:
        for name in sorted(rules.talks.get(passing.pop(), frozenset()) - reached - rules.untouchable):
            reached.add(name)
            found[name] = _affected(reference.cells[name], seen.cells[name], rules)
            if found[name][0] is not Verdict.MASKED or name in rules.relays:
                passing.append(name)
    for name in reference.cells:
        if name not in found:
            found[name] = _bystander(reference.cells[name], seen.cells[name], rules)
    return {name: found[name] for name in reference.cells}


def _victim(before: CellSeen, after: CellSeen, rules: Rules) -> Finding:
    """The cell that was struck: whether anything is to be seen of it in the end, a new life included."""
    same = before.state == after.state and before.restarts == after.restarts and not _deaths(before, after)
    same = same and _lines(before, rules) == _lines(after, rules)
    return (Verdict.MASKED, "") if same else (Verdict.CONTAINED, after.why or _restarts(after) or after.state)


def _restarts(cell: CellSeen) -> str:
    return f"started {cell.restarts + 1} times" if cell.restarts else ""


def _affected(before: CellSeen, after: CellSeen, rules: Rules) -> Finding:
    """A cell that has to do with the victim: errors and delays are allowed, anything else is not."""
    if new := _deaths(before, after):
        allowed = [REPORTED, *map(re.compile, rules.may_die)]
        told = all(any(pattern.search(why) for pattern in allowed) for why in new)
        return (Verdict.DEGRADED if told else Verdict.ESCAPED), f"died of it: {new[0]}"
    known, allowed = set(_lines(before, rules)), [re.compile(pattern) for pattern in rules.may_say]
    unknown = [line for line in _lines(after, rules) if line not in known]
    strange = [line for line in unknown if not any(pattern.search(line) for pattern in allowed)]
    if strange:
        return Verdict.ESCAPED, f'said "{strange[0]}"'
    if before.state == ENDED and after.state != ENDED:
        return Verdict.HANG, f"{after.state} in the end, and was to end by itself"
    why = f'said "{unknown[0]}"' if unknown else next(_differences(before, after, rules), "")
    return (Verdict.DEGRADED, why) if why else (Verdict.MASKED, "")


def _bystander(before: CellSeen, after: CellSeen, rules: Rules) -> Finding:
    """A cell that has nothing to do with the victim: no difference is allowed."""
    new = _deaths(before, after)
    why = f"died of it: {new[0]}" if new else next(_differences(before, after, rules), "")
    return (Verdict.ESCAPED, why) if why else (Verdict.MASKED, "")


def _deaths(before: CellSeen, after: CellSeen) -> list[str]:
    """Why it died, as often as it did not without the fault."""
    return [why for _, why in after.deaths[len(before.deaths) :]]


def _differences(before: CellSeen, after: CellSeen, rules: Rules) -> Iterator[str]:
    """What is not as it was."""
    ended = before.state == ENDED
    if ended and (before.state, before.why) != (after.state, after.why):
        yield f"{after.state} ({after.why})" if after.why else f"{after.state} in the end"
    old, new = _lines(before, rules), _lines(after, rules)
    if ended and old != new:
        yield (
            f"said {len(new)} lines, not the {len(old)} of the run without the fault"
            if len(old) != len(new)
            else ("said something else")
        )
    if not ended and new[: len(old)] != old:  # one that goes on may have got further: it had more of the CPU
        yield "said less" if old[: len(new)] == new else "said something else"
    for name in rules.figures:
        if before.figures.get(name) != after.figures.get(name):
            yield f"{name}: {after.figures.get(name)}, not {before.figures.get(name)}"
    for name in rules.no_worse:
        if name in after.worst and after.worst[name] > before.worst.get(name, 0):
            yield f"{name}: at worst {after.worst[name]}, not {before.worst.get(name, 0)}"
    for name, misses in after.misses.items():
        if misses > before.misses.get(name, 0):
            yield f"{name}: {misses}, not {before.misses.get(name, 0)}"


def _lines(cell: CellSeen, rules: Rules) -> list[str]:
    """What it said, without what differs anyway."""
    cut: list[Callable[[str], str]] = [_cutter(pattern) for pattern in rules.volatile]
    text = cell.said
    for each in cut:
        text = each(text)
    return text.splitlines()


def _cutter(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)
    return lambda text: compiled.sub("", text)
