"""Jobs in process groups of their own: whatever becomes of one, there is an answer, and the next is done."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hypervisor.shell.runs import group, starter
from hypervisor.shell.runs.group import Claim, carry, end_all
from hypervisor.shell.sweeps import point
from hypervisor.shell.sweeps.point import CRASH, DONE, HANG, Task, carry_out
from tests.support.live import until

JOB = "tests.support.dying_jobs"


def task(tmp_path: Path, how: str, limit: float = 60.0) -> Task:
    return Task(how, "okl4", 1, "1ms", (), str(tmp_path / how), limit)


@pytest.mark.slow
def test_a_point_that_crashes_or_hangs_is_told_and_the_next_one_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point, "JOB", JOB)
    with ThreadPoolExecutor(1) as pool:
        found = list(pool.map(carry_out, (task(tmp_path, how) for how in ("killed", "wrong"))))
        (stuck,) = pool.map(carry_out, [task(tmp_path, "stuck", 0.2)])
        (well,) = pool.map(carry_out, [task(tmp_path, "well")])
    assert [each.status for each in found] == [CRASH, CRASH]
    assert found[0].why == "the monitor ended with status -9: without a word"
    assert found[1].why == "the monitor ended with status 1: ValueError: the wrong sort of job"
    assert (stuck.status, stuck.why) == (HANG, "it did not end within 0.2 s of the host, and was ended")
    assert (well.status, well.figures) == (DONE, {"time": 5})


@pytest.mark.slow
def test_who_is_interrupted_ends_what_is_under_way_and_waits_for_nothing(tmp_path: Path) -> None:
    errors = []

    def do() -> None:
        try:
            carry(JOB, {"topology": "stuck"}, tmp_path / "stuck", 60.0)
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=do)
    thread.start()
    assert until(lambda: any(starter._child for starter in group._all), 30.0)
    end_all()
    thread.join(10.0)
    assert errors == ["the process that starts runs is gone"]


@pytest.mark.slow
def test_workers_end_what_they_have_under_way_when_something_is_raised(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), group.workers(1) as pool:
        under_way = pool.submit(carry, JOB, {"topology": "stuck"}, tmp_path / "stuck", 60.0)
        waits = pool.submit(carry, JOB, {"topology": "stuck"}, tmp_path / "waits", 60.0)
        assert until(lambda: any(starter._child for starter in group._all))
        raise KeyboardInterrupt
    assert isinstance(under_way.exception(), RuntimeError)
    assert waits.cancelled()


def test_a_run_that_has_ended_before_its_beginning_was_read_is_no_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = 1 << 22  # above what Linux numbers processes by
    both = f"import sys; sys.stdin.readline(); print('{nobody}\\n7', flush=True); sys.stdin.read()"
    start = subprocess.Popen
    monkeypatch.setattr(starter.subprocess, "Popen", lambda _words, **more: start([sys.executable, "-c", both], **more))
    server, answer = starter.Starter(), tmp_path / "answer"
    starter.errors_of(answer).write_text("it was quick")
    assert server.run(JOB, tmp_path / "order", answer, 5.0) == (7, "it was quick")
    server.close()


def test_threads_get_cpus_in_turn_and_one_alone_is_left_where_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group.os, "sched_getaffinity", lambda _pid: {4, 5})
    claim, found = Claim(3), []
    for _ in range(3):
        claim()
        found.append(group._mine.cpus)
    del group._mine.cpus
    assert found == [{4}, {5}, {4}]
    Claim(1)()
    assert not hasattr(group._mine, "cpus")
