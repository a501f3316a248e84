"""Run directories: made safely, reused only if they are ours, one clear line when the host refuses."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hypervisor.shell.files import RunDirError, replacing
from hypervisor.shell.provenance import Binary, Provenance, host_facts, versions
from hypervisor.shell.rundir import RunDirectory, read_provenance
from hypervisor.shell.summary import CellSummary, CoreSummary, HostSummary, Summary
from hypervisor.shell.trace import Trace

PROVENANCE = Provenance(
    "storage",
    "okl4",
    "beagle",
    seed=1,
    until="2s",
    overrides=("scheduler.slice=1ms",),
    binaries=(Binary("vmlinuz", "ab" * 32, "linux-image-armmp", "6.1.1-1"),),
)


SUMMARY = Summary(
    "storage",
    "okl4",
    "beagle",
    seed=1,
    hz=1_000,
    time=5,
    ended="finished",
    trace_sha256="",
    cells={"linux": CellSummary("shut down")},
    cores=(CoreSummary(5, 0),),
    host=HostSummary("shm", 0.1),
)
TOPOLOGY: Any = SimpleNamespace(
    name="storage",
    flavour="okl4",
    board=SimpleNamespace(name="beagle"),
    seed=7,
    until="2s",
    overrides=("cells.a.ram=2MiB",),
    digest="ab" * 32,
    hashes={"cells.a.image": "cd" * 32},
    source_text='name = "stor\u00e9"\n',
    mac_policy=None,
)
"""What a run directory reads of a topology."""


def test_a_run_directory_holds_what_its_readme_says(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "a" / "b")
    run.write_provenance(PROVENANCE)
    run.write_topology(b'name = "storage"\r\n')
    run.console("linux", b"log")
    run.console("linux", b"in: \xff")
    run.console("brew", b"")
    run.write_file("mac_policy.toml", b"rules")
    run.write_summary(SUMMARY)
    run.close()
    found = sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file())
    assert found == [
        "console/brew.log",
        "console/linux.log",
        "files/mac_policy.toml",
        "run.json",
        "summary.json",
        "topology.toml",
    ]
    assert run.topology.read_bytes() == b'name = "storage"\r\n'
    assert run.console_path("linux").read_bytes() == b"login: \xff"
    assert Summary.from_json(run.summary.read_text()) == SUMMARY


def test_a_run_from_its_topology_to_its_end(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "out", TOPOLOGY)
    assert run.topology.read_text() == TOPOLOGY.source_text
    written = read_provenance(run.path)
    assert (written.topology, written.board, written.seed, written.until) == ("storage", "beagle", 7, "2s")
    assert (written.overrides, written.digest) == (("cells.a.ram=2MiB",), "ab" * 32)
    assert written.binaries == (Binary("cells.a.image", "cd" * 32),)
    trace = Trace(run.trace)
    trace.record(5, "end", "linux", {"state": "shut down", "why": "status 0"})
    trace.close()
    run.console("linux", b"bye")
    run.finish(SUMMARY)
    assert Summary.from_json(run.summary.read_text()) == SUMMARY
    assert json.loads(run.perfetto.read_text())["traceEvents"][-1]["name"] == "end shut down"


def test_a_run_need_not_have_a_timeline(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.finish(SUMMARY, timeline=False)
    assert run.summary.exists()
    assert not run.perfetto.exists()


def test_a_console_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.console("linux", b"login: ")
    assert run.console_path("linux").read_bytes() == b"login: "
    run.close()
    run.close()


def test_provenance_comes_back_as_it_was(tmp_path: Path) -> None:
    RunDirectory(tmp_path).write_provenance(PROVENANCE)
    assert read_provenance(tmp_path) == PROVENANCE


def test_provenance_knows_binaries_by_hash_and_never_by_path(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(b"MZ")
    binary = Binary.of(tmp_path / "kernel", package="linux-image", version="6.1")
    assert binary == Binary("kernel", hashlib.sha256(b"MZ").hexdigest(), "linux-image", "6.1")
    assert Binary.of(tmp_path / "kernel", name="debian:armmp").name == "debian:armmp"
    assert str(tmp_path) not in Provenance("t", "okl4", "beagle", 1, binaries=(binary,)).to_json()


def test_software_and_host_are_named_apart() -> None:
    assert set(versions()) == {"cellvisor", "python", "unicorn"}
    assert set(host_facts()) == {"kernel", "machine", "cpu", "cpus"}
    assert all(versions().values())
    assert all(host_facts().values())


def test_a_second_run_replaces_the_first_and_spares_what_is_not_of_a_run(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path)
    first.console("linux", b"old")
    first.write_summary(SUMMARY)
    first.write_file("display.png", b"old")
    first.trace.write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    first.close()
    second = RunDirectory(tmp_path)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["notes.txt", "run.json"]
    second.console("linux", b"new")
    assert second.console_path("linux").read_bytes() == b"new"
    second.close()


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    assert RunDirectory(tmp_path).path == tmp_path


@pytest.mark.parametrize("name", ["thesis.tex", "summary.json", "trace.jsonl", "run.json"])
def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(RunDirError) as caught:
        RunDirectory(tmp_path)
    expected = f"{tmp_path}: is not empty and not a run directory; choose another directory with --out"
    assert str(caught.value) == expected
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "{}"


def test_a_directory_of_a_run_that_died_at_once_can_be_used_again(tmp_path: Path) -> None:
    RunDirectory(tmp_path)
    RunDirectory(tmp_path)
    with pytest.raises(RunDirError, match=r"/run\.json: topology: Field required$"):
        read_provenance(tmp_path)


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(RunDirError, match=r"/out: file exists; there is a file of that name; choose another"):
        RunDirectory(tmp_path / "out")
    with pytest.raises(RunDirError, match=r"/out/run: not a directory; choose another directory with --out$"):
        RunDirectory(tmp_path / "out" / "run")


def test_links_in_a_run_directory_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "linux.log").write_text("precious")
    run = RunDirectory(tmp_path / "out")
    (run.path / "console").rmdir()
    (run.path / "console").symlink_to(victim)
    run.trace.symlink_to(victim / "linux.log")
    (run.path / ".summary.json.part").symlink_to(victim / "linux.log")
    again = RunDirectory(run.path)
    again.console("linux", b"x")
    again.write_summary(SUMMARY)
    again.close()
    assert (victim / "linux.log").read_text() == "precious"
    assert not again.trace.is_symlink()


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "Linux", "a b"])
def test_names_that_are_not_plain_are_a_mistake_of_the_caller(tmp_path: Path, name: str) -> None:
    run = RunDirectory(tmp_path)
    with pytest.raises(ValueError, match="is not a name of a cell"):
        run.console(name, b"x")
    if name != "Linux":
        with pytest.raises(ValueError, match="is not a plain file name"):
            run.write_file(name, b"x")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        file.flush()
        assert path.read_text() == "old"
        raise KeyboardInterrupt
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("summary.json", "old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_under_a_console_is_one_clear_error(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.console_path("linux").symlink_to("/dev/full")
    with pytest.raises(RunDirError) as caught:
        run.console("linux", b"x")
    path = run.console_path("linux")
    assert str(caught.value) == (
        f"{path}: no space left on device; make room there, or choose another directory with --out"
    )
    run.close()


def test_what_the_host_says_becomes_one_line_with_advice(tmp_path: Path) -> None:
    error = RunDirError.because(tmp_path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    assert str(error) == f"{tmp_path}: permission denied; choose a directory that you may write to with --out"
    assert str(RunDirError.because(tmp_path, OSError("odd"))) == f"{tmp_path}: odd"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunDirError, match="permission denied; choose a directory that you may write to"):
            RunDirectory(tmp_path / "out")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[]", "the file: Input should be an object"),
        (json.dumps(json.loads(PROVENANCE.to_json()) | {"seed": "1"}), "seed: Input should be a valid integer"),
        (json.dumps(json.loads(PROVENANCE.to_json()) | {"format": "x"}), 'format: "x" is not "cellvisor run 1"'),
    ],
)
def test_a_record_that_is_wrong_is_named_with_the_key(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunDirError) as caught:
        read_provenance(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'run.json'}: {why}"


def test_a_directory_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunDirError, match=r"/run\.json: no such file or directory; is this a run directory\?$"):
        read_provenance(tmp_path)
