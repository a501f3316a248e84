"""Two boards, each with a monitor of its own, joined by a cable: the same traces however the host lets them run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from hypervisor import launch
from hypervisor.api import Run
from hypervisor.shell import beside
from hypervisor.shell.netlink import LinkError
from hypervisor.shell.rerun import rerun
from tests.support.files import read_pcap
from tests.support.live import ROOT, Live, until
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.slow

FLAVOURS = ("okl4", "l4", "xen")
SHORT = ("cells.alice.args=[8, 100]",)
TIME = "40ms"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def both(live: Live, out: Path, *, flavour: str = "okl4", **more: Any) -> tuple[Run, dict[str, Any]]:
    """Run both to their end: this board's run, closed, and the other's account."""
    run = live("two_boards", flavour=flavour, out=out, overrides=SHORT, duration=TIME, **more)
    run.run()
    run.close()
    return run, json.loads((out / "boards/two_boards_b/summary.json").read_text())


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_cell_talks_to_one_on_another_board(live: Live, tmp_path: Path, flavour: str) -> None:
    run, other = both(live, tmp_path / "run", flavour=flavour)
    assert b"8 of 8 frames came back, 0 twice, 0 changed" in run.console("alice")
    assert (other["board"], other["flavour"]) == ("evoke_qa4", flavour)
    assert other["cells"]["bob"]["metrics"]["returned"]["last"] == 8
    here = read_pcap(tmp_path / "run/net/nic0.pcap")
    there = read_pcap(tmp_path / "run/boards/two_boards_b/net/nic1.pcap")
    assert sorted(data for _, data in here) == sorted(data for _, data in there)
    sent = {data: time for time, data in reversed(here)}
    got = {data: time for time, data in reversed(there)}
    gaps = {got[data] - sent[data] for data in sent}
    assert {abs(gap) // 1000 for gap in gaps} <= {99, 100}, "the latency, either way, but for rounding"


def test_traces_are_the_same_however_the_boards_are_joined_and_whoever_is_late(live: Live, tmp_path: Path) -> None:
    traces = set()
    for number, endpoint in enumerate(("tcp://127.0.0.1:*", "ipc://*", "tcp://127.0.0.1:*")):
        out = tmp_path / str(number)
        run = live(
            "two_boards",
            out=out / "a",
            overrides=SHORT,
            duration=TIME,
            cables={"nic0": f"{endpoint},{out}.cable"},
            link="zmq" if number == 2 else "shm",
        )
        line: Any = run.joined.links[0]
        command = [sys.executable, "-m", "hypervisor.cli", "run", "two_boards_b", "--for", TIME, "--json"]
        command += ["--cable", f"nic1={line._line.endpoint},{out}.cable", "--out", str(out / "b")]
        if number == 1:  # a slow start, and a slow process
            command = ["nice", "-n", "5", *command]
        other = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        if number == 2:
            run.until("1ms")  # in two stretches, with time for the other to wait
        run.run()
        run.close()
        assert other.wait(PATIENCE_S) == 0
        traces.add(((out / "b/trace.jsonl").read_bytes(), (out / "a/net/nic0.pcap").read_bytes()))
    assert len(traces) == 1


def test_two_runs_have_the_same_two_traces(live: Live, tmp_path: Path) -> None:
    hashes = []
    for number in range(2):
        run, other = both(live, tmp_path / str(number))
        hashes.append((run.trace_hash, other["trace_sha256"]))
    assert hashes[0] == hashes[1]


def test_one_of_the_boards_can_be_replayed_alone(live: Live, tmp_path: Path) -> None:
    both(live, tmp_path / "run")
    for directory in (tmp_path / "run", tmp_path / "run/boards/two_boards_b"):
        outcome = rerun(directory)
        assert outcome.difference is None
        assert outcome.whole


def test_a_board_whose_neighbour_dies_goes_on_without_it(live: Live, tmp_path: Path) -> None:
    run = live("two_boards", out=tmp_path / "run", overrides=SHORT, duration=TIME)
    run.until("500us")
    run.joined.boards[0]._process.kill()
    run.run()
    assert run.monitor.now == run.cycles(TIME)
    with pytest.raises(LinkError, match="ended without a word"):
        run.close()
    notes = [line for line in lines(tmp_path / "run/trace.jsonl") if line["k"] == "cable"]
    assert [(line["cell"], line["device"], line["why"]) for line in notes] == [
        ("netdom", "nic0", "the other board is gone")
    ]


def test_a_cable_that_leads_nowhere_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, live: Live, tmp_path: Path
) -> None:
    with pytest.raises(LinkError, match="no cable of two_boards leads from nic1"):
        launch("two_boards", cables={"nic1": "tcp://127.0.0.1:1"})
    with pytest.raises(LinkError, match="cannot be used for a cable"):
        launch("two_boards", cables={"nic0": "carrier://pigeon/*"})
    with pytest.raises(LinkError, match="needs the key that the other end has written: write ENDPOINT,FILE"):
        launch("two_boards", cables={"nic0": "tcp://127.0.0.1:1"})
    with pytest.raises(LinkError, match=r"nothing\.cable: no such file or directory"):
        launch("two_boards", cables={"nic0": f"tcp://127.0.0.1:1,{tmp_path}/nothing.cable"})
    (tmp_path / "silly.cable").write_text("sesame")
    with pytest.raises(LinkError, match="is no key of a cable"):
        launch("two_boards", cables={"nic0": f"tcp://127.0.0.1:1,{tmp_path}/silly.cable"})
    with pytest.raises(LinkError, match="say behind a comma where the key can be written"):
        launch("two_boards", cables={"nic0": f"tcp://127.0.0.1:*,{tmp_path}"})
    monkeypatch.setattr("hypervisor.shell.netlink.PATIENCE_S", 0.2)
    run = live("two_boards", cables={"nic0": f"tcp://127.0.0.1:*,{tmp_path}/nic0.cable"})
    assert (tmp_path / "nic0.cable").stat().st_mode & 0o777 == 0o600
    with pytest.raises(LinkError, match=re.escape("no other board at tcp://127.0.0.1:")):
        run.run()
    run.close()
    assert not (tmp_path / "nic0.cable").exists()


def test_a_board_that_cannot_come_up_says_why(monkeypatch: pytest.MonkeyPatch, live: Live, tmp_path: Path) -> None:
    text = (ROOT / "boards/topologies/two_boards.toml").read_text().replace('"two_boards_b"', '"./hello.toml"')
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "hello.toml").write_text((ROOT / "boards/topologies/hello.toml").read_text())
    monkeypatch.setattr(beside, "PATIENCE_S", 5.0)
    with pytest.raises(LinkError, match="has no cable that leads to another board"):
        live(tmp_path / "a.toml")


def test_boards_that_disagree_about_the_latency_are_told_so(tmp_path: Path) -> None:
    text = (ROOT / "boards/topologies/two_boards_b.toml").read_text().replace('"100us"', '"200us"')
    (tmp_path / "b.toml").write_text(text)
    other = (ROOT / "boards/topologies/two_boards.toml").read_text().replace('"two_boards_b"', '"./b.toml"')
    (tmp_path / "a.toml").write_text(other)
    with pytest.raises(LinkError, match="here it takes 100000 ns, there 200000 ns"), launch(tmp_path / "a.toml") as run:
        run.run()


def test_the_board_beside_ends_when_the_one_that_started_it_is_killed(tmp_path: Path) -> None:
    """With no end of its own it would go on for ever."""
    command = [sys.executable, "-m", "hypervisor.cli", "run", "two_boards", "--for", "9000s", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as board:
        host = psutil.Process(board.pid)
        assert until(lambda: any("two_boards_b" in child.cmdline() for child in host.children()))
        family = host.children(recursive=True)
        (beside,) = [child for child in family if "two_boards_b" in child.cmdline()]
        assert until(lambda: bool(beside.children()))
        family = host.children(recursive=True)
        board.kill()
    assert until(lambda: not any(process.is_running() for process in family))
