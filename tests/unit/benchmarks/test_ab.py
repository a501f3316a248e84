"""Two revisions compared: what is compared with what, and what is said when one cannot be had."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks.host import ab, qemu
from benchmarks.samples import Sample


def sample(value: float, **dimensions: str | int | float) -> Sample:
    return Sample("world_switch", "round_trip", "us", {"kind": "measured", **dimensions}, (value,))


def test_the_host_and_the_revision_do_not_tell_samples_apart_and_all_else_does() -> None:
    first = ab.key_of(sample(1, transport="shm", revision="a", python="3.11", **{"host.load": 0.5}))
    assert first == ab.key_of(sample(2, transport="shm", revision="b", python="3.12", **{"host.load": 2.5}))
    assert first != ab.key_of(sample(1, transport="zmq", revision="a"))


def test_ratios_are_taken_within_a_turn_of_what_both_measured() -> None:
    key, gone = ab.key_of(sample(1)), ab.key_of(sample(1, transport="zmq"))
    turns = [({key: 2.0, gone: 1.0}, {key: 3.0, gone: 1.0}), ({key: 4.0, gone: 1.0}, {key: 4.0})]
    assert ab.compare(turns) == {key: [1.5, 1.0]}
    assert ab.compare([]) == {}
    assert ab.compare([({key: 0.0}, {key: 1.0})]) == {}


@pytest.mark.parametrize(("values", "mark"), [([1.1] * 5, "moved"), ([1.1] * 4, ""), ([0.9, 1.1, 1.0, 1.2, 0.8], "")])
def test_a_figure_has_moved_if_most_turns_say_so(values: list[float], mark: str) -> None:
    key = ab.key_of(sample(1))
    made = ab.table({key: values}, ({key: 1.0}, {key: 1.1}))
    assert list(made.columns[-1].cells) == [mark]


def test_a_revision_that_git_does_not_know_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=t", "-c", "user.email=t@t"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    monkeypatch.setattr(ab, "root", lambda: tmp_path)
    assert ab.main(["no-such-thing"]) == 2
    said = capsys.readouterr().err
    assert said == "ab: no-such-thing: git knows no such revision (a commit, a tag, HEAD~1)\n"


def test_a_figure_that_is_none_is_told_before_anything_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ab.main(["HEAD", "--figures", "startup"], ["start_up", "phone"])
    assert 'no figure "startup"; did you mean start_up?' in capsys.readouterr().err


def test_a_host_for_which_debian_has_no_emulator_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qemu.platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(qemu.shutil, "which", lambda _name: None)
    qemu.fetched.cache_clear()
    lines = list[str]()
    assert qemu.qemu_arm(lines.append) is None
    qemu.fetched.cache_clear()
    assert lines == [
        "no qemu-arm here (apt install qemu-user), and none fetched (Debian's package is not looked for on riscv64): left out"
    ]
