"""The command `inject`, without its options."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hypervisor.faults import ACTIONS, POINTS, Action, GuestKind, Verdict
from hypervisor.faults.actions import ANYTHING, ARM
from hypervisor.faults.verdict import BAD
from hypervisor.shell.campaigns import schema
from hypervisor.shell.campaigns.account import count
from hypervisor.shell.campaigns.campaign import load_campaign
from hypervisor.shell.campaigns.report_files import write_report
from hypervisor.shell.campaigns.report_text import show
from hypervisor.shell.campaigns.result import Result
from hypervisor.shell.campaigns.runner import Directory, run_campaign
from hypervisor.shell.problems import InputError
from hypervisor.shell.runs.group import Claim
from hypervisor.shell.runs.telling import Telling


@dataclass(frozen=True)
class InjectOptions:
    """What `inject` is told. `seeds`: 1 to that, None for the file's; `jobs`: runs at once, None for one per CPU of the host;
    `sample`: so many injections of all.
    """

    campaign: str
    seeds: int | None = None
    jobs: int | None = None
    out: Path | None = None
    as_json: bool = False
    sample: int | None = None


def inject(options: InjectOptions) -> int:
    """Run a campaign; 1 if anything escaped or a monitor failed."""
    campaign = load_campaign(options.campaign, options.seeds)
    campaign = campaign.sample(options.sample) if options.sample else campaign
    jobs = options.jobs or len(os.sched_getaffinity(0))
    with ExitStack() as stack:
        out = options.out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cellvisor-inject-")))
        directory = Directory(out.absolute(), campaign)
        telling = stack.enter_context(Telling(options.campaign, "injections", quiet=options.as_json))
        executor = stack.enter_context(ThreadPoolExecutor(jobs, initializer=Claim(jobs)))
        try:
            results = run_campaign(
                campaign, directory, executor, lambda result, done, of: telling(done, of, before=result is None)
            )
        except BaseException:
            executor.shutdown(wait=True, cancel_futures=True)
            raise
        telling.end()
        if options.out is not None:
            write_report(campaign, results, options.out)
        if options.as_json:
            json.dump(_as_dict(results), sys.stdout, indent=2)
            print()
        else:
            show(campaign, results, options.out, Console(highlight=False))
            where = options.out / "report.html" if options.out else "none was kept; --out DIR keeps it, and every run"
            print(f"report: {where}")
    return 1 if any(Verdict(result.verdict) in BAD for result in results) else 0


def _as_dict(results: list[Result]) -> dict[str, object]:
    return {"counts": [asdict(each) for each in count(results)], "injections": [asdict(each) for each in results]}


def list_all(as_json: bool) -> int:
    """What can be injected, and the built-in campaigns."""
    campaigns = {name: schema.read(name)[2].description for name in schema.built_in()}
    if as_json:
        actions = [_described(each) for each in ACTIONS.values()]
        points = [asdict(each) for each in POINTS.values()]
        json.dump({"actions": actions, "points": points, "campaigns": campaigns}, sys.stdout, indent=2)
        print()
        return 0
    console = Console(highlight=False)
    actions_table, points_table, campaigns_table = (
        Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False)
        for title in ("actions", "points", "built-in campaigns")
    )
    for point in POINTS.values():
        points_table.add_row(point.name, point.layer, point.what)
    for action in ACTIONS.values():
        actions_table.add_row(action.name, action.kind, action.what + _whom(action) + _keys_of(action))
    for name, description in campaigns.items():
        campaigns_table.add_row(name, description)
    for table in (actions_table, points_table):
        console.print(table)
        console.print()
    console.print(campaigns_table)
    return 0


def _described(action: Action) -> dict[str, object]:
    """A row of the table as plain data. `guests`: kinds in which it makes sense, none for the host."""
    keys = {key.name: key.what for key in action.keys}
    known = {"name": action.name, "kind": action.kind, "what": action.what, "keys": keys}
    return {**known, "guests": sorted(action.guests), "points": list(action.points)}


def _whom(action: Action) -> str:
    """Where it makes sense, if that is not everywhere."""
    told = {ANYTHING: "", ARM: " (ARM guests)", frozenset({GuestKind.PYTHON}): " (Python guests)"}
    return told.get(action.guests, "")


def _keys_of(action: Action) -> str:
    """Keys that only its lines have."""
    return "".join(f"\n  {key.name} = {key.what}" for key in action.keys)


def required(campaign: str | None) -> str:
    """The campaign that was named.

    Raises:
        InputError: none was.
    """
    if campaign is None:
        raise InputError("inject: say which campaign, or --list to see what there is")
    return campaign
