"""One topology, one seed, one hash: whatever the transport, the host's load and the number of runs at once.

Each comparison is runs here, one after the other, then in processes at once of two runs each, while others compete for the host's
processors: four runs that go a part of the way, or ten that go all of it (`-m long`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cells.machine.images import recognise
from hypervisor.api import Run
from tests.support.live import ROOT, Live, Loaded, alone, cells

pytestmark = pytest.mark.slow

LINKS = ["shm", "zmq"]
TWO_CORES = ["board.cores=2"]
IMAGES = ROOT / "cells/programs/arm/images"


class Case(NamedTuple):
    """A topology, with changes, and how far it runs (None: to its end)."""

    topology: str
    overrides: list[str]
    time: str | None

    def over(self, link: str) -> dict[str, Any]:
        return {**self._asdict(), "link": link}


def on_one_and_two_cores(topology: str, time: str | None = None) -> list[Case]:
    return [Case(topology, [], time), Case(topology, TWO_CORES, time)]


def hashes_of_runs(live: Live, cases: list[Case], processes: int = 1) -> list[set[str]]:
    """For each case the hashes of two runs here and two in each of so many processes."""
    wanted = [case.over(link) for case in cases for link in LINKS]
    lists = [[live.hash(**one) for one in wanted]]
    with Loaded():
        several = [alone("tests.support.hashes", json.dumps(wanted)) for _ in range(processes)]
        lists += [json.loads(process.communicate()[0]) for process in several]
    assert len(lists) == 1 + processes
    found: list[set[str]] = [set() for _ in cases]
    for hashes in lists:
        for at, one in enumerate(hashes):
            found[at // len(LINKS)].add(one)
    return found


def one_each(hashes: list[set[str]]) -> bool:
    return all(len(found) == 1 for found in hashes)


def test_four_runs_have_one_hash(live: Live) -> None:
    assert one_each(hashes_of_runs(live, [*on_one_and_two_cores("hello"), *on_one_and_two_cores("ticker", "100ms")]))


@pytest.mark.guests
@pytest.mark.parametrize("topology", ["rtos_and_linux", "two_linux"])
def test_four_runs_of_a_kernel_have_one_hash(live: Live, topology: str) -> None:
    assert one_each(hashes_of_runs(live, on_one_and_two_cores(topology, "60ms")))


@pytest.mark.long
@pytest.mark.guests
@pytest.mark.parametrize("topology", ["hello", "ticker", "rtos_and_linux", "two_linux"])
def test_ten_runs_all_the_way_have_one_hash(live: Live, topology: str) -> None:
    assert one_each(hashes_of_runs(live, on_one_and_two_cores(topology), processes=4))


def test_the_command_gives_the_hash_of_the_python_interface(live: Live, tmp_path: Path) -> None:
    with alone("hypervisor.cli", "run", "ticker", "--for", "100ms", "--json", cwd=tmp_path) as command:
        summary = json.load(command.stdout)  # type: ignore[arg-type]
    assert summary["trace_sha256"] == live.hash("ticker", "100ms")


def test_another_seed_another_number_of_cores_or_another_slice_is_another_run(live: Live) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"seed": 2},
        {"overrides": TWO_CORES},
        {"overrides": ["scheduler.slice=3ms"]},
    ]
    hashes = {live.hash(cells(a="gambler", b="gambler"), "20ms", **change) for change in changes}
    assert len(hashes) == len(changes)


# One instruction.


def patched(image: str, tmp_path: Path, find: bytes, instead: bytes) -> Path:
    """A copy of an image with one instruction changed: the first occurrence of `find`."""
    content = (IMAGES / f"{image}.elf").read_bytes()
    assert find in content
    changed = content.replace(find, instead, 1)
    assert len(changed) == len(content)
    path = tmp_path / f"{image}.elf"
    path.write_bytes(changed)
    return path


ROUND = (bytes.fromhex("811621e0"), bytes.fromhex("011721e0"))
"""In hog's round: eor r1, r1, r1, lsl #13, and the same with lsl #14 (as many cycles, another checksum)."""


@pytest.mark.parametrize("arguments", ["rounds=20", ""], ids=["that shows in its output", "that shows nowhere"])
def test_changing_one_instruction_of_a_guest_changes_the_hash(live: Live, tmp_path: Path, arguments: str) -> None:
    other = patched("hog", tmp_path, *ROUND)
    same = tmp_path / "same.elf"
    same.write_bytes((IMAGES / "hog.elf").read_bytes())
    assert recognise("a", other.read_bytes()).entry == recognise("b", same.read_bytes()).entry

    def hash_of(image: Path | str) -> str:
        cell = {"image": str(image), "args": arguments}
        return live.hash({"name": "one", "board": "arm926", "cells": {"hog": cell}}, "10ms")

    assert hash_of("hog") == hash_of(same)
    assert hash_of("hog") != hash_of(other)


# Sessions at a console.

Script = list[tuple[str, str]]
"""(virtual time, what is typed then)."""


def typed(run: Run, cell: str, script: Script, end: str) -> None:
    for time, text in script:
        run.until(time)
        run.type_text(cell, text)
    run.until(end)


ECHO: Script = [("5ms", "hel"), ("5ms", "lo\n"), ("9ms", "a\nb\n"), ("30ms", "again\n"), ("30ms", "and again\n")]


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("company", [{}, {"busy": "sleeper"}, {"busy": "hog"}], ids=["alone", "a sleeper", "a hog"])
def test_a_session_is_replayed_over_either_transport(
    live: Live, tmp_path: Path, cores: int, company: dict[str, str]
) -> None:
    table = cells(shell="shell", **company) | {"scheduler": {"policy": "round_robin", "slice": "1ms"}}
    overrides = [f"board.cores={cores}"]
    first = live(table, out=tmp_path / "first", overrides=overrides)
    typed(first, "shell", ECHO, "50ms")
    assert first.console("shell").count(b"? at") == 6
    first.close()
    for link in LINKS:
        again = live(table, link=link, replay=tmp_path / "first/inputs.jsonl", out=tmp_path / link, overrides=overrides)
        again.run()
        assert again.trace_hash == first.trace_hash
        again.close()
        for file in ("trace.jsonl", "inputs.jsonl", "console/shell.log"):
            assert (tmp_path / link / file).read_bytes() == (tmp_path / "first" / file).read_bytes(), file


def test_a_script_that_is_run_again_as_a_replay_stops_where_it_stopped(live: Live, tmp_path: Path) -> None:
    def follow(run: Run) -> list[object]:
        seen: list[object] = [run.until("10ms")]
        run.type_text("shell", "one\n")
        seen += [run.until("20ms"), run.console("shell")]
        run.type_text("shell", "two\n")
        run.pause("shell")
        seen += [run.until("30ms"), run.console("shell"), run.state("shell")]
        run.unpause("shell")
        seen += [run.until("40ms"), run.console("shell"), run.trace_hash]
        return seen

    first = live(cells(shell="shell"), out=tmp_path / "out")
    seen = follow(first)
    first.close()
    assert follow(live(cells(shell="shell"), replay=tmp_path / "out/inputs.jsonl")) == seen


TOPOLOGY = """
name = "session"
board = "arm926"
for = "60ms"
[cells.shell]
guest = "tests.support.guests:shell"
"""


def replay(directory: Path, *options: str) -> tuple[int, str]:
    with alone("hypervisor.cli", "replay", "out", *options, cwd=directory) as command:
        said = command.communicate()[0]
    return command.returncode, said


def test_the_command_replays_a_run_directory(live: Live, tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(TOPOLOGY)
    run = live(tmp_path / "session.toml", out=tmp_path / "out")
    typed(run, "shell", ECHO, "60ms")
    run.close()
    for link in LINKS:
        status, said = replay(tmp_path, "--link", link)
        assert (status, run.trace_hash in said) == (0, True), said


def test_the_command_says_where_a_replay_goes_another_way(live: Live, tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text(TOPOLOGY)
    run = live(tmp_path / "session.toml", out=tmp_path / "out")
    typed(run, "shell", ECHO, "60ms")
    run.close()
    inputs = tmp_path / "out/inputs.jsonl"
    inputs.write_text(inputs.read_text().replace("again", "never", 1))
    status, said = replay(tmp_path)
    assert status == 1
    assert "never" in said


LINUX_SESSION: Script = [
    ("5900ms", "echo $((6 * 7)); uname -m\n"),
    ("6000ms", "cat /proc/uptime; i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; echo counted\n"),
    ("6050ms", "echo typed ahead\n"),
]


def linux_session(live: Live, directory: Path, overrides: list[str], links: list[str]) -> None:
    run = live("rtos_and_linux", out=directory / "out", overrides=overrides)
    typed(run, "linux", LINUX_SESSION, "6300ms")
    run.close()
    said = run.console("linux")
    assert b"42\r\narmv5tel\r\n" in said
    assert b"counted\r\n" in said
    assert b"\ntyped ahead\r\n" in said
    for link in links:
        status, said_of_it = replay(directory, "--link", link)
        assert (status, run.trace_hash in said_of_it) == (0, True), said_of_it


@pytest.mark.guests
@pytest.mark.long
def test_a_session_in_a_linux_shell_is_replayed_over_the_other_transport(live: Live, tmp_path: Path) -> None:
    linux_session(live, tmp_path, [], ["zmq"])


@pytest.mark.guests
@pytest.mark.long
@pytest.mark.parametrize("overrides", [[], TWO_CORES], ids=["one core", "two cores"])
def test_a_session_in_a_linux_shell_is_replayed_over_both(live: Live, tmp_path: Path, overrides: list[str]) -> None:
    linux_session(live, tmp_path, overrides, LINKS)
