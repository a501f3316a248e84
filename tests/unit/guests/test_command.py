"""The command: what it prints, and with which status it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from hypervisor.shell.guests.__main__ import main
from hypervisor.shell.guests.mirrors import VARIABLE

KERNEL = {"./boot/vmlinuz-9-marvell": b"kernel", "./boot/config-9-marvell": b""}


@pytest.fixture
def own_keyring(mirror: Any, tmp_path: Path) -> str:
    path = tmp_path / "key.asc"
    path.write_text(str(mirror.key.extract_certificate()))
    return str(path)


@pytest.fixture
def marvell(mirror: Any) -> Any:
    """A mirror that has one of the real guests, in a version of its own."""
    mirror.add("linux-image-marvell", "9-1", {}, depends="linux-image-9-marvell (= 9-1)")
    mirror.add("linux-image-9-marvell", "9-1", KERNEL)
    return mirror.publish()


def run(*arguments: str) -> Result:
    command = typer.Typer()
    command.command()(main)
    return CliRunner().invoke(command, list(arguments))


def test_a_fetch_ends_with_the_guests_as_json_and_nothing_else_on_stdout(
    marvell: Any, cache: Any, own_keyring: str
) -> None:
    done = run("debian:marvell", "--mirror", marvell.url, "--keyring", own_keyring, "--json")
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["package"], row["version"]) == ("linux-image-9-marvell", "9-1")
    assert Path(row["path"]).read_bytes() == b"kernel"
    assert "is no longer on the mirror; taking linux-image-9-marvell 9-1 instead" in done.stderr


def test_the_mirror_may_come_from_the_environment(
    marvell: Any, cache: Any, own_keyring: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(marvell.root))
    done = run("debian:marvell", "--keyring", own_keyring)
    assert done.exit_code == 0, done.stderr
    assert "linux-image-9-marvell" in done.stdout


@pytest.mark.slow
def test_debians_own_keys_refuse_a_strangers_mirror(marvell: Any, cache: Any) -> None:
    done = run("debian:marvell", "--mirror", marvell.url)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "InRelease is not signed by a trusted key" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_check_can_be_switched_off_by_word_and_that_is_recorded(marvell: Any, cache: Any) -> None:
    done = run("debian:marvell", "--mirror", marvell.url, "--no-check-signature", "--json")
    assert json.loads(done.stdout)[0]["signature"] == "unchecked"
    assert 'signature = "unchecked"' in cache.lock_file.read_text()


def test_an_update_says_where_its_lock_is(marvell: Any, cache: Any, own_keyring: str) -> None:
    done = run("debian:marvell", "--mirror", marvell.url, "--keyring", own_keyring, "--update")
    assert f"its lock: {cache.lock_file}" in done.stderr


def test_check_verifies_and_fetches_nothing(marvell: Any, cache: Any, own_keyring: str) -> None:
    missing = run("debian:marvell", "--check")
    assert missing.exit_code == 1
    assert "is not fetched: run scripts/fetch_guests" in missing.stderr
    run("debian:marvell", "--mirror", marvell.url, "--keyring", own_keyring)
    assert run("debian:marvell", "--check").exit_code == 0
    next(cache.root.glob("*/vmlinuz")).write_bytes(b"spoilt")
    damaged = run("debian:marvell", "--check")
    assert damaged.exit_code == 1
    assert "is damaged" in damaged.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["debian:marvelous"], 'no guest is called "debian:marvelous": did you mean "debian:marvell"?'),
        (["--mirror", "somewhere"], '"somewhere" is no mirror: it must begin with'),
        (["--keyring", "/absent/key.gpg", "--mirror", "/absent"], "cannot read the keyring /absent/key.gpg"),
    ],
)
def test_bad_input_ends_with_status_two_and_one_line(cache: Any, arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_interrupted_fetch_says_so(cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hypervisor.shell.guests.__main__.fetch", interrupted)
    done = run("debian:marvell")
    assert done.exit_code == 130
    assert done.stderr == "fetch_guests: interrupted; the next fetch goes on from here\n"
