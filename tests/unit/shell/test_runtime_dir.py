"""Where runs are found: only those of this user that live, and only in directories that nobody else can have made."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from hypervisor.shell import runtime_dir
from hypervisor.shell.runtime_dir import Address, RuntimeDirError


@pytest.fixture(autouse=True)
def there(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    return place


def address(name: str = "demo", pid: int | None = None) -> Address:
    return Address(name, os.getpid() if pid is None else pid, "ipc://r", "ipc://o", "key")


def dead() -> int:
    """A process number that is nobody's."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_run_is_found_once_it_is_published_and_gone_when_it_is_removed(there: Path) -> None:
    path = runtime_dir.make()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert runtime_dir.running() == []
    runtime_dir.publish(path, address())
    assert runtime_dir.running() == [address()]
    runtime_dir.remove(path)
    assert runtime_dir.running() == []
    assert list(there.iterdir()) == []


def test_two_runs_of_one_process_have_a_directory_each() -> None:
    first, second = runtime_dir.make(), runtime_dir.make()
    assert first != second
    runtime_dir.publish(first, address("b"))
    runtime_dir.publish(second, address("a"))
    assert [run.name for run in runtime_dir.running()] == ["a", "b"]


def test_looking_makes_nothing(there: Path) -> None:
    assert runtime_dir.running() == []
    assert list(there.iterdir()) == []


def test_what_a_dead_process_has_left_is_swept_away(there: Path) -> None:
    pid = dead()
    path = there / f"cellvisor-{os.getuid()}-{pid}"
    path.mkdir(mode=0o700)
    runtime_dir.publish(path, address(pid=pid))
    assert runtime_dir.running() == []
    assert not path.exists()


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
def test_a_directory_that_others_may_enter_is_not_looked_into(there: Path, mode: int) -> None:
    path = there / f"cellvisor-{os.getuid()}-{dead()}"
    path.mkdir()
    path.chmod(mode)
    runtime_dir.publish(path, address())
    assert runtime_dir.running() == []
    assert (path / "address.json").exists()


def test_a_link_of_our_name_is_not_followed(there: Path) -> None:
    precious = there / "precious"
    precious.mkdir(mode=0o700)
    runtime_dir.publish(precious, address())
    (there / f"cellvisor-{os.getuid()}-{dead()}").symlink_to(precious)
    assert runtime_dir.running() == []
    assert (precious / "address.json").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "x"}', '{"name": "x", "pid": 1, "more": 2}'])
def test_an_address_that_is_none_is_left_alone(content: str) -> None:
    path = runtime_dir.make()
    (path / "address.json").write_text(content)
    assert runtime_dir.running() == []
    assert path.exists()


def test_a_place_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    with pytest.raises(
        RuntimeDirError, match=r"^/nonexistent/cellvisor-.*: no such file or directory; set XDG_RUNTIME_DIR"
    ):
        runtime_dir.make()
    assert runtime_dir.running() == []


def test_a_path_too_long_for_a_socket_is_told(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = there / ("x" * 90)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    with pytest.raises(RuntimeDirError, match=r"is too long for a socket; set XDG_RUNTIME_DIR to a shorter"):
        runtime_dir.make()
