"""A run is done again from what it left: with its kills, to the end or up to a time before them; what differs is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hypervisor.api import Run
from hypervisor.shell.rerun import rerun
from tests.support.live import Live
from tests.support.session import cellvisor

pytestmark = pytest.mark.slow

FIRST, SECOND, END = "20ms", "35ms", "60ms"


def killed_twice(live: Live, out: Path) -> Run:
    """A file copied through a driver domain which is killed, comes back, and is killed again."""
    run = live("storage", out=out)
    for time in (FIRST, SECOND):
        run.until(time)
        run.kill("storage")
    run.until(END)
    assert run.cell("storage").account.restarts == 2
    run.close()
    return run


def records(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / "trace.jsonl").read_text().splitlines()]


def test_a_run_with_kills_is_the_same_again_over_the_other_transport(live: Live, tmp_path: Path) -> None:
    run = killed_twice(live, tmp_path / "out")
    outcome = rerun(tmp_path / "out", link="zmq")
    assert outcome.whole
    assert outcome.difference is None
    assert outcome.sha256 == run.trace_hash
    assert outcome.lines == len(records(tmp_path / "out"))


@pytest.mark.parametrize(("until", "deaths"), [(FIRST, 0), ("20001us", 1), (SECOND, 1)])
def test_until_stops_before_the_fault(live: Live, tmp_path: Path, until: str, deaths: int) -> None:
    run = killed_twice(live, tmp_path / "out")
    seen: list[bytes] = []
    outcome = rerun(tmp_path / "out", until=until, started=lambda again: again.trace.on_chunk.append(seen.append))
    assert outcome.difference is None
    assert outcome.time == run.cycles(until)
    compared = records(tmp_path / "out")[: outcome.lines]
    assert [record["k"] for record in compared].count("dead") == deaths
    following = records(tmp_path / "out")[outcome.lines]["t"]
    assert isinstance(following, int)
    assert following >= run.cycles(until)


def test_a_kill_that_comes_elsewhere_is_the_first_difference(live: Live, tmp_path: Path) -> None:
    killed_twice(live, tmp_path / "out")
    inputs = tmp_path / "out" / "inputs.jsonl"
    kept = [line for line in inputs.read_text().splitlines(keepends=True) if '"kill"' not in line]
    inputs.write_text("".join(kept))
    done = cellvisor("replay", "out", place=tmp_path)
    assert done.returncode == 1, done.stderr
    first, recorded, replayed = done.stdout.splitlines()
    assert first.endswith("is the first difference")
    assert '"kill' in recorded
    assert replayed == "replayed: nothing more"


def test_what_a_failed_test_prints_does_its_run_again(tmp_path: Path) -> None:
    """Also a run for which the test asked for no directory."""
    live = Live(tmp_path)
    run = live("ping")
    run.until("3ms")
    live.finish()
    (line,) = live.replays()
    command, *arguments = line.split()
    assert command == "cellvisor"
    done = cellvisor(*arguments, place=tmp_path)
    assert done.stdout.startswith("the same trace"), done.stderr
    assert run.trace_hash in done.stdout
