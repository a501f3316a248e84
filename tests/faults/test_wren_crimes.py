"""User programs that crash in every way: each ends by its signal, or gets its error, and the kernel lives on.

`crash` (cells/wren/user/crash.c) commits each crime in a child and prints how the child ended. test_wren_and_linux.py compares
the same lines with a Debian kernel's; here stands what they must be."""

from __future__ import annotations

import re

import pytest

from cells.wren.user import CRIMES as NAMES
from tests.support.live import Live
from tests.support.wren import CRIMES, FLAVOURS, finish, read, table, transcript

pytestmark = pytest.mark.slow

every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)
OUTCOMES: dict[str, set[str]] = {
    "null": {"SIGSEGV"},
    "read_kernel": {"SIGSEGV"},
    "write_kernel": {"SIGSEGV"},
    "jump_kernel": {"SIGSEGV"},
    "jump_nowhere": {"SIGSEGV"},
    "jump_data": {"contained"},
    "write_code": {"SIGSEGV"},
    "stack": {"SIGSEGV"},
    "undefined": {"SIGILL"},
    "privileged": {"SIGILL", "exit 0"},  # what has no effect in user mode is no exception either
    "coprocessor": {"SIGILL"},
    "unaligned": {"contained"},
    "bad_call": {"ENOSYS"},
    "bad_pointers": {"exit 0"},
    "bad_stack": {"SIGSEGV"},
    "bad_return": {"SIGSEGV"},
    "dead_pipe": {"SIGPIPE"},
    "fork_bomb": {"exit 0", "SIGILL"},  # the last: afterwards there are processes again, as bad as before
    "descriptors": {"exit 0", "EMFILE"},
}
"""Crime -> all that stands behind a colon in what it says, but for the answers of calls."""
WORST = ("null", "jump_kernel", "stack", "undefined", "bad_pointers", "bad_return", "fork_bomb")
ANSWERS = re.compile(r"[\w ]+: (E[A-Z]+|\d+)( E[A-Z]+| \d+)+")


def lines(flavour: str, crime: str) -> list[str]:
    """What a crime said; the last line is that the one who committed it is alive."""
    *said, last = transcript(flavour, CRIMES).sections[f"/bin/crash {crime}"].splitlines()
    assert last == "alive"
    return said


def test_every_crime_has_an_outcome() -> None:
    assert set(OUTCOMES) == set(NAMES)


@every_flavour
@pytest.mark.parametrize("crime", NAMES)
def test_who_breaks_a_rule_ends_and_the_kernel_lives_on(flavour: str, crime: str) -> None:
    said = lines(flavour, crime)
    found = {line.rpartition(": ")[2] for line in said if ": " in line and not ANSWERS.fullmatch(line)}
    assert found == OUTCOMES[crime]


@every_flavour
def test_a_program_cannot_leave_user_mode(flavour: str) -> None:
    assert "mode 10, then 10" in lines(flavour, "privileged")


@every_flavour
def test_each_call_refuses_each_bad_pointer(flavour: str) -> None:
    answers = [line for line in lines(flavour, "bad_pointers") if ANSWERS.fullmatch(line)]
    assert len(answers) > 25
    for line in answers:
        assert line.count("EFAULT") == 5, line


@every_flavour
def test_all_memory_is_more_than_there_is(live: Live, flavour: str) -> None:
    run = live(table("/bin/crash,memory_hog /bin/memory", ram="4MiB"), flavour=flavour)
    said = read(finish(run, "wren"))
    assert "all memory: SIGKILL\nand then: SIGILL\nalive\n" in said.text
    assert said.worst == 0


@every_flavour
def test_files_end_where_memory_does(live: Live, flavour: str) -> None:
    run = live(table("/bin/crash,file_hog /bin/files", ram="4MiB"), flavour=flavour)
    said = read(finish(run, "wren"))
    assert "a file without end: ENOSPC\n" in said.text
    assert said.worst == 0


@every_flavour
def test_crimes_in_one_kernel_are_nothing_to_another_cell(live: Live, flavour: str) -> None:
    if flavour == "native":
        pytest.skip("a board with one kernel")
    topology = table(" ".join(f"/bin/crash,{name}" for name in WORST))
    topology["cells"]["witness"] = {"guest": "tests.support.guests:witness"}
    run = live(topology, flavour=flavour)
    assert read(finish(run, "wren")).worst == 0
    assert run.console("witness").count(b"witness") == 10
    assert run.state("witness") == "shut down"


@every_flavour
def test_a_kernel_that_is_killed_in_the_middle_leaves_a_clean_account(live: Live, flavour: str) -> None:
    run = live(table("/bin/crash,fork_bomb /bin/processes", on_crash="restart"), flavour=flavour)
    for time in (10, 25, 40):
        run.until(f"{time}ms")
        run.kill("wren")
        run.monitor.check_invariants()
    assert read(finish(run, "wren")).worst == 0
    assert run.cell("wren").account.restarts == 3
