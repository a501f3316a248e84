"""Debian's own dynamically linked programs in the Linux-like personality say what they say under Debian's kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from cells.personalities.linux.table import DIFFERENCES
from hypervisor.shell.guests import GuestMissing, resolve
from tests.support import armel
from tests.support.session import cellvisor

pytestmark = [pytest.mark.guests, pytest.mark.slow]

FIRST = 48
"""Commands of the quick comparison: the shells' own work, pipes, jobs and signals."""
PROGRAM = """
import hashlib, threading, zlib
found = []
threads = [threading.Thread(target=lambda k=k: found.append(k)) for k in range(3)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print(sorted(found), hashlib.sha256(b"a").hexdigest()[:8], zlib.crc32(b"a"), 10 / 4)
"""


@pytest.fixture(autouse=True)
def root() -> None:
    try:
        resolve(armel.ROOT)
    except GuestMissing as missing:
        pytest.skip(str(missing))


def test_there_are_many_commands_and_debians_kernel_has_run_them_all() -> None:
    assert len(armel.commands()) >= 150
    assert list(armel.expected()) == list(armel.commands())


def test_the_first_commands_do_what_they_do_on_debian() -> None:
    said = armel.personality(FIRST)
    recorded = {name: armel.expected()[name] for name in said}
    assert armel.differences(recorded, said) == {}
    assert len(said) == FIRST


@pytest.mark.long
def test_all_commands_do_what_they_do_on_debian_but_for_what_the_table_lists() -> None:
    found = armel.differences(armel.expected(), armel.personality())
    assert set(found) == set(DIFFERENCES)


@pytest.mark.long
def test_debians_kernel_says_what_was_recorded_of_it(tmp_path: Path) -> None:
    assert armel.differences(armel.expected(), armel.debian(tmp_path)) == {}


@pytest.mark.parametrize(
    ("flavour", "board"), [("native", "arm926"), ("l4", "arm1176"), ("xen", "beagle"), ("okl4", "evoke_qa4")]
)
def test_python_with_threads_runs_under_each_flavour_and_on_each_kind_of_cpu(
    flavour: str, board: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(PROGRAM)
    where = ("--flavour", flavour, "--board", board, "--root", armel.ROOT, "--ram", "64MiB")
    done = cellvisor("exec", *where, "--file", f"{path}=/mine.py", "--", "python3", "/mine.py", place=tmp_path)
    assert done.stdout == "[0, 1, 2] ca978112 3904355907 2.5\n", done.stderr
    assert done.returncode == 0


def test_a_shell_of_debian_starts_by_its_name(tmp_path: Path) -> None:
    words = ("/bin/dash", "-c", "ls /usr/lib/arm-linux-gnueabi | grep -c '^lib'; exit 7")
    done = cellvisor("exec", "--root", armel.ROOT, "--", *words, place=tmp_path)
    assert done.returncode == 7, done.stderr
    assert int(done.stdout) > 5


def test_a_program_that_only_this_root_has_is_found_in_it(tmp_path: Path) -> None:
    done = cellvisor("exec", "--", "mawk", "BEGIN { print 6 * 7 }", place=tmp_path)
    assert done.stdout == "42\n", done.stderr
