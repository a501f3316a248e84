"""A fault campaign in real processes: verdicts, a run directory that can be replayed, and going on where one ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import pytest

from hypervisor.shell.campaigns.campaign import load_campaign
from hypervisor.shell.campaigns.one import Task, carry_out
from hypervisor.shell.campaigns.runner import Directory, Result, run_campaign
from hypervisor.shell.files import RunDirError
from hypervisor.shell.rerun import rerun
from tests.support.live import gone, until
from tests.support.patience import PATIENCE_S
from tests.support.session import COMMAND, cellvisor, environment

pytestmark = pytest.mark.slow

CAMPAIGN = """
topology = "ping"
flavours = ["okl4"]
for = "50ms"

[[fault]]
action = "kill9"
cell = "pong"
point = "exit"
visit = 5

[[fault]]
action = "kill"
cell = "pong"
at = "40ms"                  # it has ended long before

[[fault]]
action = "nothing"
cell = "pong"
at = "30us"
"""


BROKEN = """
from cells.port import RefusedError

def liar(port):
    try:
        while True:
            port.connections.channels["echo"].send(b"?")
            port.connections.channels["echo"].receive()
    except RefusedError:
        port.print("all is well")       # which it never says otherwise

def echo(port):
    while True:
        port.connections.channels["liar"].send(port.connections.channels["liar"].receive())
"""
DEVICE = """
board = "arm926"
[cells.liar]
guest = "broken:liar"
[cells.echo]
guest = "broken:echo"
[[channels]]
between = ["liar", "echo"]
class = "message"
"""
BREAKS = """
topology = "device.toml"
flavours = ["okl4"]
for = "1ms"
[[fault]]
action = "kill"
cell = "echo"
at = "500us"
"""


class Counting(Executor):
    """An executor that says how much it was given."""

    def __init__(self, inner: Executor) -> None:
        self.inner, self.tasks = inner, list[Task]()

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.tasks += args
        return self.inner.submit(fn, *args, **kwargs)


def run(campaign: Path, out: Path) -> tuple[list[Result], list[Task]]:
    loaded = load_campaign(str(campaign))
    with ThreadPoolExecutor(2) as pool:
        executor = Counting(pool)
        results = run_campaign(loaded, Directory(out, loaded), executor)
    return results, executor.tasks


def test_a_campaign_gives_verdicts_that_can_be_replayed_and_is_taken_up_again(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(CAMPAIGN)
    out = tmp_path / "out"
    results, tasks = run(tmp_path / "mine.toml", out)

    assert [result.verdict for result in results] == ["degraded", "not-activated", "masked"]
    assert results[0].cells["pong"] == ("contained", "killed")
    assert results[0].detection is not None
    assert len(tasks) == 4
    kinds = [json.loads(line)["kind"] for line in (out / results[0].run / "inputs.jsonl").read_text().splitlines()]
    assert "died" in kinds
    assert rerun(out / results[0].run).difference is None

    lines = (out / "results.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 3
    (out / "results.jsonl").write_text(
        lines[0] + lines[2] + lines[1][:20]
    )  # as if it had been interrupted while it wrote
    again, tasks = run(tmp_path / "mine.toml", out)
    assert [(each.id, each.verdict) for each in again] == [(each.id, each.verdict) for each in results]
    assert [task.directory.rpartition("/")[2] for task in tasks] == [Result.from_json(lines[1]).id]


def test_a_peer_that_is_broken_on_purpose_has_been_escaped_to_and_the_command_says_so(tmp_path: Path) -> None:
    for name, content in {"broken.py": BROKEN, "device.toml": DEVICE, "mine.toml": BREAKS}.items():
        (tmp_path / name).write_text(content)
    done = cellvisor("inject", "mine.toml", "--out", "out", place=tmp_path, timeout=PATIENCE_S)

    assert done.returncode == 1, done.stderr
    assert "under okl4" in done.stdout
    assert 'liar: said "all is well"' in done.stdout
    replay = re.search(
        r"cellvisor (replay out/runs/\w+ --files \S+)</code>", (tmp_path / "out" / "report.html").read_text()
    )
    assert replay is not None
    again = cellvisor(*replay[1].split(), place=tmp_path)
    assert again.stdout.startswith("the same trace"), again.stderr
    assert (tmp_path / "out" / "matrix-device-okl4.svg").read_text().startswith("<svg")


def test_a_campaign_keeps_off_other_directories(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(CAMPAIGN)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").write_text("dear")
    with pytest.raises(RunDirError, match="not of this campaign"):
        Directory(tmp_path / "other", load_campaign(str(tmp_path / "mine.toml")))


def test_bad_input_is_a_line_and_status_2(tmp_path: Path) -> None:
    done = cellvisor("inject", "storage_kill", place=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "cellvisor: storage_kill: no such campaign, and no such file (did you mean storage_kills?)\n"
    assert cellvisor("inject", place=tmp_path).returncode == 2


def test_the_list_names_actions_and_campaigns(tmp_path: Path) -> None:
    listed = json.loads(cellvisor("inject", "--list", "--json", place=tmp_path).stdout)
    assert {"kill", "pause"} <= {action["name"] for action in listed["actions"]}
    assert "storage_kills" in listed["campaigns"]


def test_a_run_without_end_and_one_that_cannot_begin_are_told_apart(tmp_path: Path) -> None:
    endless = Task("hello", "okl4", 1, "1ms", (), str(tmp_path / "a"), limit=0.01, patience=10.0)
    assert carry_out(endless).overdue
    seen = carry_out(Task("nothing_like_it", "okl4", 1, "1ms", (), str(tmp_path / "b"), limit=60.0, patience=10.0))
    assert "no built-in topology has this name" in seen.trouble


SMALL = """
topology = "hello"
flavours = ["okl4"]
for = "1ms"
[[fault]]
action = "nothing"
cell = "hello"
at = "10us"
[[fault]]
action = "kill"
cell = "hello"
within = ["1us", "60us"]
"""


class AtOnce(Executor):
    """One that somebody made himself: it does what it is given before it answers."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = Future[Any]()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.long
def test_any_executor_gives_the_same_verdicts_and_a_fault_that_does_nothing_is_masked(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SMALL)
    campaign = load_campaign(str(tmp_path / "mine.toml"))
    found = []
    for number, executor in enumerate((AtOnce(), ThreadPoolExecutor(1), ProcessPoolExecutor(1, get_context("spawn")))):
        with executor:
            results = run_campaign(campaign, Directory(tmp_path / str(number), campaign), executor)
        found.append([(each.id, each.verdict, each.cells, each.detection) for each in results])
    assert found[0] == found[1] == found[2]
    assert [verdict for _, verdict, _, _ in found[0]] == ["masked", "contained"]


@pytest.mark.long
def test_a_campaign_that_was_killed_goes_on_where_it_was_and_leaves_no_run_behind(tmp_path: Path) -> None:
    many = SMALL + "count = 6\n"
    (tmp_path / "mine.toml").write_text(many)
    place, done = tmp_path / "out", tmp_path / "out" / "results.jsonl"
    order = [*COMMAND, "inject", "mine.toml", "--jobs", "1", "--out", "out"]
    killed = subprocess.Popen(order, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.DEVNULL)
    try:
        assert until(lambda: done.exists() and done.read_bytes().count(b"\n") >= 2)
        family = [os.pidfd_open(child.pid) for child in psutil.Process(killed.pid).children(recursive=True)]
    finally:
        killed.kill()
        killed.wait()
    assert gone(family)
    before = [Result.from_json(line) for line in done.read_bytes().splitlines()[:2]]
    results, tasks = run(tmp_path / "mine.toml", place)
    assert len(results) == 7
    assert {each.id for each in before}.isdisjoint(Path(task.directory).name for task in tasks)
    assert [each for each in results if each.id in {one.id for one in before}] == before
    assert all(each.verdict in ("masked", "contained", "not-activated") for each in results)
    assert not any(each.held for each in results)


@pytest.mark.long
def test_of_a_thousand_kills_these_45_let_nothing_escape_and_take_no_voice_frame_along(tmp_path: Path) -> None:
    done = cellvisor("inject", "kills", "--sample", "45", "--json", place=tmp_path, timeout=900.0)
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    counts = {each["verdict"]: each["times"] for each in told["counts"]}
    assert counts["escaped"] == counts["monitor-failure"] == 0
    assert not any(each["held"] for each in told["injections"])
    assert {
        each["cells"]["amss"][0] for each in told["injections"] if "amss" in each["cells"] and each["cell"] != "amss"
    } == {"masked"}


@pytest.mark.long
def test_what_the_survey_claims_is_held_against_what_is_seen(tmp_path: Path) -> None:
    done = cellvisor("inject", "claims", "--out", "out", place=tmp_path, timeout=600.0)
    assert done.returncode == 0, done.stdout
    words = [
        line.partition(":")[0]
        for line in done.stdout.splitlines()
        if re.match(r"(holds|does not hold|not tried): ", line)
    ]
    yes, no = (
        "holds",
        "does not hold",
    )  # drivers: l4, xen in Dom0 twice, in a domain twice, okl4; pagers twice; store twice; Dom0
    assert words == [yes, yes, no, yes, yes, yes, no, no, yes, no, yes]


@pytest.mark.long
@pytest.mark.parametrize("name", ["storage_kills", "net_kills", "phone_kills"])
def test_nothing_escapes_in_a_built_in_campaign(name: str, tmp_path: Path) -> None:
    done = cellvisor("inject", name, "--json", place=tmp_path, timeout=600.0)
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    counts = {each["verdict"]: each["times"] for each in told["counts"]}
    assert counts["escaped"] == counts["monitor-failure"] == 0
    assert sum(counts.values()) == len(told["injections"]) >= 18
