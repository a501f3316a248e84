"""The command as a user meets it: what it prints, how it ends, and that bad input is told in one clear line."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hypervisor import cli
from tests.support.house import furnish
from tests.support.live import ROOT
from tests.support.session import COMMAND, cellvisor, environment

BAD = ROOT / "tests" / "topologies" / "bad"

CAPBSET_DROP = 24
OVERRIDE = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: without them root needs permissions as everybody does."""

pytestmark = pytest.mark.slow


def told(done: subprocess.CompletedProcess[str], status: int = 2) -> str:
    """The one line of a command that was refused."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("cellvisor: ")
    return lines[0].removeprefix("cellvisor: ")


# ---- bad input, one crime each


CRIMES = {
    "unknown_key.toml": r"consol: unknown key; did you mean console\?",
    "image_file_missing.toml": r'cells\.hog\.image: there is no file "files/nowhere\.elf"',
    "memory_of_the_kernel_overlaps.toml": r"cells\.linux\.kernel: .* overlaps the initrd at .*",
    "device_with_two_owners.toml": r'cells\.other\.devices: "uart1" belongs to hog already \(a device has one owner\)',
    "kernel_is_no_kernel.toml": r"cells\.linux\.kernel: .*: is compressed \(gzip\): unpack it first",
    "initrd_truncated.toml": r"cells\.linux\.initrd: .*: is truncated: .*",
    "board_without_a_timer.toml": r"cells\.hog\.image: board no_timer has no timer \(choose another board\)",
    "ram_too_small_for_a_kernel.toml": r"cells\.linux\.ram: 16MiB is too small for a kernel \(give 32MiB or more\)",
    "native_with_two_cells.toml": r"flavour: native runs one cell, .*; here are 2 \(choose another flavour\)",
}


@pytest.mark.parametrize("topology", CRIMES)
def test_a_bad_topology_is_one_line_with_file_key_and_reason(topology: str, place: Path) -> None:
    line = told(cellvisor("run", topology, "--out", str(place / "out"), place=place, cwd=BAD))
    assert re.fullmatch(re.escape(topology) + ": " + CRIMES[topology], line)
    assert list(place.iterdir()) == []


def test_an_unknown_cpu_is_told_of_the_board_that_names_it(place: Path) -> None:
    line = told(cellvisor("run", "board_with_an_unknown_cpu.toml", place=place, cwd=BAD))
    assert re.fullmatch(r'.*/strange_cpu\.toml: cpu: "arm927": there is no such CPU; did you mean "arm926"\?.*', line)


def without_privileges() -> None:
    """In the child: permissions hold for root too."""
    libc = ctypes.CDLL(None)
    for capability in OVERRIDE if os.getuid() == 0 else ():
        assert libc.prctl(CAPBSET_DROP, capability, 0, 0, 0) == 0


def without_memory_files() -> None:
    """In the child: no file may grow, in memory neither."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, 64 << 10))


def test_a_host_without_shared_memory_is_one_line(place: Path) -> None:
    line = told(cellvisor("run", "hello", "--out", "out", place=place, preexec_fn=without_memory_files))
    assert line.startswith("cell hello: no 1024 KiB of shared memory: file too large (raise the limit")
    assert list(place.iterdir()) == []


@pytest.fixture
def locked(place: Path) -> Path:
    path = place / "locked"
    path.mkdir(mode=0o500)
    return path


FORBIDDEN: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "run directory": (
        lambda locked: ["run", "hello", "--out", f"{locked}/out"],
        r"{locked}/out: permission denied; choose a directory that you may write to with --out",
    ),
    "ticket": (
        lambda locked: ["run", "hello", "--remote", "hello", "--ticket", f"{locked}/t"],
        r"--ticket {locked}/t: permission denied \(say with --ticket where it can be written\)",
    ),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_permission_is_one_line(what: str, place: Path, locked: Path) -> None:
    arguments, line = FORBIDDEN[what]
    done = cellvisor(*arguments(locked), place=place, preexec_fn=without_privileges)
    assert re.fullmatch(line.format(locked=locked), told(done))
    assert list(locked.iterdir()) == []


def test_no_permission_for_the_runtime_directory_is_one_line(place: Path, locked: Path) -> None:
    line = told(cellvisor("run", "hello", place=locked, cwd=place, preexec_fn=without_privileges))
    assert re.fullmatch(rf"{locked}/\S+: permission denied; set XDG_RUNTIME_DIR to a directory of yours", line)


WRONG_USE = {
    "rnu hello": "No such command 'rnu'. Did you mean 'run'? (see cellvisor --help)",
    "run": "Missing argument 'TOPOLOGY'. (see cellvisor run --help)",
    "run hello --sett seed=3": "No such option: --sett (Possible options: --seed, --set) (see cellvisor run --help)",
    "run helo": "helo: no built-in topology has this name, and no file (did you mean hello?)",
    "run hello --set cells.hello.ramm=1MiB": "--set cells.hello.ramm: unknown key; did you mean ram?",
    "run hello --for soon": '--for: "soon" is not a time; write for example "10ms", "2s", "250us" or "300cycles"',
    "run hello --pace 0": "--pace: must be more than 0, not 0 (1.0 is real time)",
    "run hello --remote helo": '--remote: no cell is called "helo"; did you mean hello?',
    "run net --compare l4,xen --cable nic0=tcp://127.0.0.1:9": "--compare: does not go with --cable (leave one of them out)",
    "run hello --remote hello --listen foo://": "foo://: invalid argument",
    "boot debian:marvel": "debian:marvel: no such kernel; did you mean debian:marvell?",
    "boot mine": "mine: say with --board which board it is for (cellvisor boot --board beagle mine)",
    "boot mine --board beagle --for 1s": 'KERNEL: there is no file "mine"',
    "boot mine --board beagle": "boot: say with --for how long to run; without a terminal there is no Ctrl-] to end it",
    "kill linux": "nothing is running (start something: cellvisor run TOPOLOGY)",
    "replay nowhere": "nowhere/run.json: no such file or directory; is this a run directory?",
    "cell --connect tcp://127.0.0.1:9 --ticket t": "t: no such file or directory; "
    "give the ticket that `cellvisor run --remote` wrote",
}


@pytest.mark.parametrize("use", WRONG_USE)
def test_wrong_use_is_one_line_that_says_what_to_do(
    use: str, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In this process, which is as good for these and many times as fast."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    monkeypatch.setattr("sys.argv", ["cellvisor", *use.split()])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capfd.readouterr()
    assert (ended.value.code, out, err) == (2, "", f"cellvisor: {WRONG_USE[use]}\n")
    assert list(place.iterdir()) == []


def test_tracebacks_come_with_debug_only(place: Path) -> None:
    done = cellvisor("run", "helo", "--debug", place=place)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("cellvisor: helo: no built-in topology")


# ---- check


def test_check_of_a_good_topology_prints_one_line(place: Path) -> None:
    done = cellvisor("check", "ticker", place=place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ticker: no problems\n", "")


def test_check_tells_every_problem_of_a_file(place: Path) -> None:
    done = cellvisor("check", "many_at_once.toml", place=place, cwd=BAD)
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert len(lines) >= 5
    assert all(line.startswith("many_at_once.toml: ") for line in lines)
    problems = json.loads(cellvisor("check", "many_at_once.toml", "--json", place=place, cwd=BAD).stdout)
    assert [f"{one['file']}: {one['key']}: {one['why']}" for one in problems] == lines


# ---- runs


def test_json_is_all_there_is_on_standard_output(place: Path) -> None:
    done = cellvisor("run", "hello", "--json", place=place)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["cells"]["hello"]["state"] == "shut down"
    assert summary["ended"] == "finished"


def test_a_run_directory_can_be_replayed_and_says_where_a_trace_differs(place: Path) -> None:
    house = furnish(place)
    done = cellvisor("run", str(house), "--for", "200ms", "--out", "out", "--seed", "7", place=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "run directory: out"
    assert {path.name for path in (place / "out").iterdir()} == {
        *("console", "files", "inputs.jsonl", "run.json", "summary.json"),
        *("topology.toml", "trace.jsonl", "trace.perfetto.json"),
    }
    sha256 = json.loads((place / "out/summary.json").read_text())["trace_sha256"]
    again = cellvisor("replay", "out", "--link", "zmq", place=place)
    assert re.fullmatch(rf"the same trace, \d+ lines up to 200 ms, sha256 {sha256}\n", again.stdout)
    trace = place / "out" / "trace.jsonl"
    lines = trace.read_text().splitlines(keepends=True)
    trace.write_text("".join([*lines[:30], lines[30].replace('"t":', '"t":1'), *lines[31:]]))
    other = cellvisor("replay", "out", place=place)
    assert other.returncode == 1
    assert other.stdout.startswith('out/trace.jsonl: line 31 is the first difference\nrecorded: {"t":1')
    part = json.loads(cellvisor("replay", "out", "--until", "1ms", "--json", place=place).stdout)
    assert (part["equal"], part["whole"]) == (True, False)


def test_a_run_that_was_killed_can_be_replayed_as_far_as_it_was_recorded(place: Path) -> None:
    furnish(place)
    cellvisor("run", "house.toml", "--for", "100ms", "--out", "out", place=place)
    (place / "out/summary.json").unlink()
    trace = place / "out/trace.jsonl"
    trace.write_bytes(trace.read_bytes()[:-300])
    done = cellvisor("replay", "out", place=place)
    assert done.returncode == 0, done.stdout
    lines = trace.read_bytes().count(b"\n")
    assert done.stdout == f"the same trace, {lines} lines as far as it went\n"


def test_a_replay_notices_that_a_program_has_changed(place: Path) -> None:
    furnish(place)
    cellvisor("run", "house.toml", "--for", "20ms", "--out", "out", place=place)
    with (place / "house_guests.py").open("a") as file:
        file.write("# later\n")
    line = told(cellvisor("replay", "out", place=place))
    assert line.startswith("out: cells.echo.guest, cells.clock.guest: not the file that ran then")


def test_a_cell_that_fails_makes_the_exit_status_1(place: Path) -> None:
    done = cellvisor("run", str(furnish(place, broken="broken")), "--for", "50ms", place=place)
    assert (done.returncode, done.stderr) == (1, "")
    assert "broken: guest fault: ValueError: no more tea" in done.stdout


def test_consoles_are_printed_without_what_a_terminal_would_obey(place: Path) -> None:
    done = cellvisor("run", str(furnish(place, painter="painter")), "--for", "50ms", place=place)
    lines = [line for line in done.stdout.splitlines() if line.startswith("painter| ")]
    assert lines == ["painter| red", "painter| bell\\x07", "painter| # "]
    assert "\x1b" not in done.stdout


def test_a_reader_who_has_had_enough_ends_nothing_with_a_complaint(place: Path) -> None:
    furnish(place)
    command = " ".join([*map(shlex.quote, COMMAND), "run house.toml --for 20ms | head -n 1"])
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=place,
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("echo| ready\n", "")


def test_every_command_explains_itself(place: Path) -> None:
    done = cellvisor("--help", place=place)
    assert done.returncode == 0
    commands = re.findall(r"^│ (\w+) ", done.stdout, re.MULTILINE)
    assert set(commands) == {
        *("run", "boot", "check", "cell", "list", "top", "console", "pause", "unpause", "kill", "restart", "trace"),
        *("replay", "explain", "graph", "exec", "screen", "screenshot", "inject", "shutdown", "reboot", "xenstore"),
        *("bench", "sweep"),
    }
    assert "cellvisor run ticker --for 5s --out runs/1" in cellvisor("run", "--help", place=place).stdout
