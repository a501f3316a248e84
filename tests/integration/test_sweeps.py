"""Sweeps in real processes: the command, its files, going on; and on the workers of a cluster."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from hypervisor.shell.rerun import rerun
from tests.support.live import gone, until
from tests.support.session import COMMAND, cellvisor, environment

pytestmark = pytest.mark.slow

SWEEP = """
topology = "device.toml"
for = "100ms"
metrics = ["a.console_bytes", "share.guest"]
[grid]
"cells.a.image" = ["hello", "hog", "gone"]
"""
DEVICE = """
board = "arm926"
[cells.a]
image = "hello"
heartbeat = "5ms"           # of which hog knows nothing
"""


def test_a_sweep_keeps_what_failed_runs_the_rest_and_is_taken_up_again(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(SWEEP)
    (tmp_path / "device.toml").write_text(DEVICE)
    done = cellvisor("sweep", "mine.toml", "--jobs", "1", "--json", place=tmp_path)
    assert done.returncode == 1, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["status"] for row in rows] == ["done", "failed", "bad"]
    assert rows[0]["a.console_bytes"] > 0
    assert rows[1]["why"].startswith("a failed (")
    assert "gone" in rows[2]["why"]
    out = tmp_path / "sweep-mine"
    with (out / "results.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done", "failed", "bad"]
    runs = [path for path in (out / "runs").iterdir() if path.is_dir()]
    assert sorted(path.name for path in runs) == sorted(row["from.id"] for row in rows[:2])
    assert rerun(out / "runs" / rows[0]["from.id"]).sha256 == rows[0]["from.trace_sha256"]

    (tmp_path / "mine.toml").write_text(SWEEP.replace(', "gone"', ""))
    again = cellvisor("sweep", "mine.toml", "--jobs", "1", place=tmp_path)
    assert again.returncode == 1, again.stderr
    assert "2 of 2 points, done before" in again.stderr
    assert "1 of 2 points failed" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sweep",), "cellvisor: sweep: say which sweep, or --list to see what there is"),
        (
            ("sweep", "quantum", "--cluster", "here"),
            'cellvisor: --cluster: "here" is no address; write for example tcp',
        ),
        (("sweep", "quantum", "--cluster", "tcp://127.0.0.1:1"), "cellvisor: --cluster: "),
    ],
)
@pytest.mark.long
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = cellvisor(*arguments, place=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


# ---- a cluster on the loopback

POINTS = """
topology = "ping"
for = "100ms"
seeds = [1, 2, 3, 4, 5, 6]
metrics = ["ipc.round_trip.p50"]
[grid]
flavour = ["l4", "okl4"]
"""


@pytest.mark.long
@pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra: pip install 'cellvisor[cluster]'")
def test_a_worker_that_is_killed_in_the_middle_loses_no_point(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(POINTS)
    address, started = tmp_path / "scheduler.json", list[subprocess.Popen[bytes]]()

    def start(*words: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "distributed.cli.dask_" + words[0],
            *words[1:],
            "--scheduler-file",
            str(address),
        ]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path, **quiet))
        return started[-1]

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
        assert until(address.exists, 180.0)
        workers = [start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard") for _ in range(2)]
        where = json.loads(address.read_text())["address"]
        results = tmp_path / "out" / "results.jsonl"
        order = [*COMMAND, "sweep", "mine.toml", "--cluster", where, "--out", "out", "--json"]
        assert until(lambda: _workers(where) == 2, 180.0)
        sweep = subprocess.Popen(order, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE)
        started.append(sweep)
        assert until(lambda: results.exists() and results.read_bytes().count(b"\n") >= 2, 300.0)
        family = [os.pidfd_open(each.pid) for each in psutil.Process(workers[0].pid).children(recursive=True)]
        workers[0].send_signal(signal.SIGKILL)
        said, _ = sweep.communicate(timeout=600)
        assert gone(family, 30.0)
    finally:
        for process in started:
            process.kill()
            process.wait()
    rows = json.loads(said)["rows"]
    assert [row["status"] for row in rows] == ["done"] * 12
    assert sweep.returncode == 0


def _workers(address: str) -> int:
    from distributed import Client

    with Client(address, timeout=5, set_as_default=False) as client:
        return len(client.scheduler_info()["workers"])
