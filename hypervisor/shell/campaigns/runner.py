"""A campaign from beginning to end: the fault-free runs, then the injections, in parallel on any executor; verdicts as they come.

A campaign's directory:

    campaign.json            the campaign's name and topologies: marks the directory as ours
    results.jsonl            a line per injection that is done: what, to whom, when, the verdicts, detection and recovery
    reference/TOPOLOGY-FLAVOUR-SEED/    run directories without a fault
    runs/ID/                 run directories of the injections, for `cellvisor replay`
    report.html, matrix-TOPOLOGY-FLAVOUR.svg

Who starts the same campaign there again goes on where it ended: lines of injections that the campaign still has are kept, but
for those that the host did not carry out. A run that was cut short is done anew in its directory.

The executor may be any of `concurrent.futures` (hypervisor/shell/runs/spread.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from hypervisor.faults import Injection, Judgement, Seen, judge
from hypervisor.faults.points import is_compiled_in
from hypervisor.shell.campaigns.campaign import Campaign, Where
from hypervisor.shell.campaigns.one import Task, carry_out, visit_time
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.problems import InputError
from hypervisor.shell.runs.book import Book
from hypervisor.shell.runs.group import ANSWER
from hypervisor.shell.runs.spread import spread

MARK = "campaign.json"
FORMAT = "cellvisor-campaign-1"


class Directory:
    """A campaign's directory, made or taken up again.

    Raises:
        RunDirError: it cannot be written, or holds something else.
    """

    def __init__(self, path: Path, campaign: Campaign) -> None:
        told = {"format": FORMAT, "name": campaign.name, "topology": campaign.title}
        self._book = Book(path, MARK, told, "campaign")
        self.path = path

    def finished(self, injections: tuple[Injection, ...]) -> list[Result]:
        """What is done already; a line that is cut short, and what the campaign has no more, is dropped from the file."""
        wanted = {injection.id for injection in injections}
        found: dict[str, Result] = {}
        for line in self._book.lines():
            try:
                result = Result.from_json(line)
            except ValueError:
                continue
            if result.id in wanted and result.is_final:
                found[result.id] = result
        self._book.keep(result.to_json() for result in found.values())
        return list(found.values())

    def add(self, result: Result) -> None:
        """One more, on the disk before the next is told."""
        self._book.add(result.to_json())


def run_campaign(
    campaign: Campaign,
    directory: Directory,
    executor: Executor,
    told: Callable[[Result | None, int, int], None] = lambda _result, _done, _all: None,
) -> list[Result]:
    """All injections that are not done yet; every result, in the campaign's order. `told`: after each, with how many are done.

    Raises:
        InputError: a run without any fault fails.
        RunDirError: a result cannot be written.
    """
    injections = campaign.injections
    results = {result.id: result for result in directory.finished(injections)}
    told(None, len(results), len(injections))
    left = [injection for injection in injections if injection.id not in results]
    references = _references(campaign, directory, executor, {_where(each) for each in left})
    located = [_located(injection, directory) for injection in left]
    for injection, seen in _runs(campaign, directory, executor, located):
        rules = campaign.rules[injection.topology, injection.flavour]
        judgement = judge(injection.cell, references[_where(injection)], seen, rules)
        results[injection.id] = result = _result(injection, seen, judgement)
        directory.add(result)
        told(result, len(results), len(injections))
    return [results[injection.id] for injection in injections]


def _where(injection: Injection) -> Where:
    return injection.topology, injection.flavour, injection.seed


def _references(campaign: Campaign, directory: Directory, executor: Executor, wanted: set[Where]) -> dict[Where, Seen]:
    """The runs without a fault, those of an earlier start if they are of the same device."""
    found: dict[Where, Seen] = {}
    tasks: dict[Where, Task] = {}
    for key in sorted(wanted):
        place = _reference(directory, *key)
        old = _kept(place.with_suffix(ANSWER), campaign.devices[key].digest)
        if old is not None:
            found[key] = old
        else:
            tasks[key] = _task(campaign, key, place)
    for key, seen in spread(executor, carry_out, tasks):
        why = seen.trouble or "; ".join((*seen.broken, *seen.held)) or ("it does not end" if seen.overdue else "")
        if why:
            raise InputError(f"{campaign.name}: under {key[1]} {key[0]} fails without any fault: {why}")
        found[key] = seen
    return found


def _located(injection: Injection, directory: Directory) -> Injection:
    """With the cycle at which its cell comes to its point, by the run without a fault: up to there both are the same."""
    if not injection.point or is_compiled_in(injection.point):
        return injection
    trace = _reference(directory, *_where(injection)) / "trace.jsonl"
    return injection.begun_at(visit_time(trace, injection.cell, injection.point, injection.visit))


def _reference(directory: Directory, topology: str, flavour: str, seed: int) -> Path:
    return directory.path / "reference" / f"{topology}-{flavour}-{seed}"


def _kept(path: Path, digest: str) -> Seen | None:
    try:
        seen = Seen.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return None
    return seen if seen.digest == digest and not (seen.trouble or seen.broken or seen.held) else None


def _runs(
    campaign: Campaign, directory: Directory, executor: Executor, left: list[Injection]
) -> Iterator[tuple[Injection, Seen]]:
    """Each injection with what was seen, as they come; one that never strikes needs no run."""
    tasks: dict[Injection, Task] = {}
    for injection in left:
        if injection.steps:
            tasks[injection] = _task(campaign, _where(injection), directory.path / "runs" / injection.id, injection)
        else:
            yield injection, Seen({})
    yield from spread(executor, carry_out, tasks)


def _task(campaign: Campaign, where: Where, place: Path, injection: Injection | None = None) -> Task:
    topology, flavour, seed = where
    section, path = campaign.sections[topology], campaign.places[topology]
    cell, steps = (injection.cell, injection.steps) if injection else ("", ())
    return Task(
        path, flavour, seed, section.for_ or "", section.set, str(place), section.limit, section.patience, cell, steps
    )


def _result(injection: Injection, seen: Seen, judgement: Judgement) -> Result:
    victim: Any = seen.cells.get(injection.cell)
    return Result(
        id=injection.id,
        topology=injection.topology,
        flavour=injection.flavour,
        seed=injection.seed,
        fault=injection.fault,
        action=injection.action,
        cell=injection.cell,
        at=injection.at,
        verdict=judgement.verdict.value,
        why=judgement.why,
        cells={name: (verdict.value, why) for name, (verdict, why) in judgement.cells.items()},
        detection=_since(seen.struck, seen.noticed),
        recovery=_since(seen.noticed, seen.recovered),
        restarts=victim.restarts if victim else 0,
        host_seconds=round(seen.host_seconds, 3),
        run=f"runs/{injection.id}" if injection.steps else "",
        point=injection.point,
        visit=injection.visit,
        held=seen.held,
    )


def _since(start: int | None, end: int | None) -> int | None:
    return end - start if start is not None and end is not None else None
