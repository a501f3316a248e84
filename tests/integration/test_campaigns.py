"""A fault campaign in real processes: verdicts, a run directory that can be replayed, and going on where one ended."""

from __future__ import annotations

import json
import re
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hypervisor.shell.campaigns.campaign import load_campaign
from hypervisor.shell.campaigns.one import Task, carry_out
from hypervisor.shell.campaigns.runner import Directory, Result, run_campaign
from hypervisor.shell.files import RunDirError
from hypervisor.shell.rerun import rerun
from tests.support.session import cellvisor

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

    assert [result.verdict for result in results] == ["degraded", "not-activated"]
    assert results[0].cells["pong"] == ("contained", "killed")
    assert results[0].detection is not None
    assert len(tasks) == 3
    kinds = [json.loads(line)["kind"] for line in (out / results[0].run / "inputs.jsonl").read_text().splitlines()]
    assert "died" in kinds
    assert rerun(out / results[0].run).difference is None

    lines = (out / "results.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 2
    (out / "results.jsonl").write_text(lines[0] + lines[1][:20])  # as if it had been interrupted while it wrote
    again, tasks = run(tmp_path / "mine.toml", out)
    assert [(each.id, each.verdict) for each in again] == [(each.id, each.verdict) for each in results]
    assert [task.directory.rpartition("/")[2] for task in tasks] == [Result.from_json(lines[1]).id]


def test_a_peer_that_is_broken_on_purpose_has_been_escaped_to_and_the_command_says_so(tmp_path: Path) -> None:
    for name, content in {"broken.py": BROKEN, "device.toml": DEVICE, "mine.toml": BREAKS}.items():
        (tmp_path / name).write_text(content)
    done = cellvisor("inject", "mine.toml", "--out", "out", place=tmp_path, timeout=60.0)

    assert done.returncode == 1, done.stderr
    assert "under okl4" in done.stdout
    assert 'liar: said "all is well"' in done.stdout
    replay = re.search(
        r"cellvisor (replay out/runs/\w+ --files \S+)</code>", (tmp_path / "out" / "report.html").read_text()
    )
    assert replay is not None
    again = cellvisor(*replay[1].split(), place=tmp_path)
    assert again.stdout.startswith("the same trace"), again.stderr
    assert (tmp_path / "out" / "matrix-okl4.svg").read_text().startswith("<svg")


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
    endless = Task("hello", "okl4", 1, "1ms", (), str(tmp_path / "a"), limit=0.01)
    assert carry_out(endless).overdue
    seen = carry_out(Task("nothing_like_it", "okl4", 1, "1ms", (), str(tmp_path / "b"), limit=60.0))
    assert "no built-in topology has this name" in seen.trouble


@pytest.mark.long
@pytest.mark.parametrize("name", ["storage_kills", "net_kills", "phone_kills"])
def test_nothing_escapes_in_a_built_in_campaign(name: str, tmp_path: Path) -> None:
    done = cellvisor("inject", name, "--json", place=tmp_path, timeout=600.0)
    assert done.returncode == 0, done.stdout
    told = json.loads(done.stdout)
    counts = {each["verdict"]: each["times"] for each in told["counts"]}
    assert counts["escaped"] == counts["monitor-failure"] == 0
    assert sum(counts.values()) == len(told["injections"]) >= 18
