"""What a user gets wrong at `python -m benchmarks.*` is one line and status 2, before anything is measured."""

from __future__ import annotations

import signal
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import command_line, context, events, floods, latency, machine_runs, marks, sweep_scaling
from benchmarks.command_line import Children, guarded
from benchmarks.host import __main__ as host
from hypervisor.shell.problems import InputError

JOBS = "is no number of runs at once from 1 to 64"
TURNS = "is no number of turns from 1 to 1000"
WRONG: list[tuple[Callable[[list[str]], int], str, str]] = [
    (sweep_scaling.main, "--rounds 0", f'"0" {TURNS}'),
    (sweep_scaling.main, "--rounds -1", f'"-1" {TURNS}'),
    (sweep_scaling.main, "--out /proc/x", "/proc/x: "),
    (host.main, "virtual_tlb --rounds -1", f'"-1" {TURNS}'),
    (host.main, "virtual_tlb --rounds 0", f'"0" {TURNS}'),
    (host.main, "virtual_tlb --out /proc/x", "host: /proc/x: "),
    (host.main, "kernel_boot --probe /nowhere --quick", '"/nowhere" is no folder'),
    (host.main, "ab HEAD --rounds 0", f'"0" {TURNS}'),
    (host.main, "ab HEAD --out /proc/x", "ab: /proc/x: "),
    (context.main, "--board nope", "there is no such board"),
    (context.main, "--out /proc/x", "context: /proc/x: "),
    (context.main, "--svg /proc/x/y.svg", "context: /proc/x: "),
    (events.main, "null --board nope", "there is no such board"),
    (events.main, "null --flavour native --out /proc/x", "events: /proc/x: "),
    (latency.main, "--samples /proc/x/y", "latency: /proc/x: "),
    (latency.main, "--jobs 0", f'"0" {JOBS}'),
    (latency.main, "--jobs -2", f'"-2" {JOBS}'),
    (machine_runs.main, "debian:rpi null --jobs 0", f'"0" {JOBS}'),
    (machine_runs.main, "debian:rpi null --jobs -1", f'"-1" {JOBS}'),
    (floods.main, "--flavours=", '"" is none of l4, xen, okl4'),
    (floods.main, "--seconds nan", '"nan" is no number of seconds'),
    (marks.main, "/nowhere", "marks: /nowhere/trace.jsonl: No such file"),
]


@pytest.mark.parametrize(
    ("main", "words", "said"), WRONG, ids=[f"{main.__module__} {words}" for main, words, _ in WRONG]
)
def test_bad_input_is_one_line_and_status_2(
    main: Callable[[list[str]], int],
    words: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "500")
    try:
        status = main(words.split())
    except SystemExit as ended:
        assert ended.code == 2
        status = 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("usage: ")]
    assert status == 2 and len(lines) == 1 and said in lines[0], lines
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["0", "-1", "65", "1.5", "x", "", "\u0663"])
def test_a_number_of_jobs_is_a_plain_one(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="no number of runs"):
        command_line.jobs(text)
    assert command_line.jobs("64") == 64


def test_output_has_its_folder_before_it_is_written(tmp_path: Path) -> None:
    command_line.openable(tmp_path / "a" / "samples.jsonl")
    assert (tmp_path / "a" / "samples.jsonl").read_bytes() == b""
    command_line.openable(None)
    (tmp_path / "b").write_text("kept")
    command_line.openable(tmp_path / "b")
    assert (tmp_path / "b").read_text() == "kept"


def test_what_is_no_mistake_of_the_users_is_not_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(error: BaseException) -> Callable[[], int]:
        def command() -> int:
            raise error

        return command

    assert guarded("x", fails(InputError("two\nlines"))) == 2
    assert capsys.readouterr().err == "x: two\nx: lines\n"
    assert guarded("x", fails(KeyboardInterrupt())) == 130
    with pytest.raises(ZeroDivisionError):
        guarded("x", fails(ZeroDivisionError()))


def test_sigterm_interrupts_and_is_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def command() -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    assert guarded("x", command) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_children_end_together_and_none_comes_after() -> None:
    children = Children()
    with children.started([sys.executable, "-S", "-c", "import signal; signal.pause()"]) as child:
        children.end()
        assert child.wait() == -signal.SIGKILL
    with pytest.raises(RuntimeError), children.started(["true"]):
        pass


def test_a_child_does_not_outlive_who_started_it() -> None:
    order = [sys.executable, "-S", "-c", "import signal; signal.pause()"]
    with pytest.raises(KeyError), Children().started(order, stdin=subprocess.DEVNULL) as child:
        raise KeyError
    assert child.returncode == -signal.SIGKILL
