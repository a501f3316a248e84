"""Ctrl-C and SIGTERM end a benchmark and all that it has started, and it waits for nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.live import until
from tests.support.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
UNDER_WAY = 4
"""Processes below a command that has begun a run: of what starts runs, the run, and those of its cells."""
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def listening() -> Iterator[None]:
    """To Ctrl-C, which who runs tests in the background may have turned off for all that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def started(tmp_path: Path, listening: None) -> Iterator[Start]:
    """Commands of a session of their own, with an empty cache; none outlives its test."""
    all_: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CELLVISOR_GUESTS": str(tmp_path / "guests")}
        with (tmp_path / "said").open("wb") as said:
            all_.append(
                subprocess.Popen(
                    [sys.executable, "-m", *words],
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=True,
                )
            )
        return all_[-1]

    yield start
    for process in all_:
        process.kill()
        process.wait()


def below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


LATENCY = ("benchmarks.latency", "--jobs", "2")
BENCH = ("hypervisor.cli", "bench", "latency")
FLOODS = ("benchmarks.floods", "--seconds", "3600", "--flavours", "okl4,l4", "--jobs", "2")
SCALING = ("benchmarks.sweep_scaling", "--quick")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "number"),
    [
        (LATENCY, signal.SIGINT),
        (LATENCY, signal.SIGTERM),
        (BENCH, signal.SIGINT),
        (FLOODS, signal.SIGINT),
        (FLOODS, signal.SIGTERM),
        (SCALING, signal.SIGINT),
        (FLOODS, signal.SIGKILL),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else each.name,
)
def test_whoever_is_interrupted_leaves_nothing(
    started: Start, tmp_path: Path, words: tuple[str, ...], number: signal.Signals
) -> None:
    process = started(*words)
    said = (tmp_path / "said").read_text
    assert until(lambda: len(below(process)) >= UNDER_WAY or process.poll() is not None, PATIENCE_S), said()
    assert process.poll() is None, said()
    children = below(process)
    os.killpg(process.pid, number)
    assert process.wait(PATIENCE_S) == (-number if number == signal.SIGKILL else 130), said()
    _, left = psutil.wait_procs(children, PATIENCE_S)
    assert not left
    assert "Traceback" not in said()
