"""One program binary, five kernels: wren under each flavour, and Debian's, say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from cells.wren import initramfs
from cells.wren.user import NAMES
from tests.integration.test_readme_examples import write_examples
from tests.support.live import Live
from tests.support.wren import CRIMES, FLAVOURS, TESTS, Transcript, finish, linux, read, table, transcript

pytestmark = pytest.mark.slow

every_flavour = pytest.mark.parametrize("flavour", FLAVOURS)
both_scripts = pytest.mark.parametrize("script", [TESTS, CRIMES], ids=["tests", "crimes"])
PART = "/bin/processes /bin/memory /bin/signals /bin/thumb"
BOARDS = ("arm926", "beagle", "arm1176", "evoke_qa4", "pxa255")


def same(one: Transcript, other: Transcript) -> None:
    """Line by line, so that a difference can be read."""
    assert one.text.splitlines() == other.text.splitlines()
    assert one.worst == other.worst


@every_flavour
def test_every_program_finds_what_it_must(flavour: str) -> None:
    said = transcript(flavour, TESTS)
    assert "FAILED" not in said.text
    assert said.worst == 0
    assert said.state == "shut down"
    assert list(said.sections) == [*(f"/bin/{name}" for name in NAMES["check"]), "/bin/sh /etc/look"]


@every_flavour
@both_scripts
def test_a_program_cannot_tell_the_flavours_apart(flavour: str, script: str) -> None:
    same(transcript(flavour, script), transcript("native", script))


@pytest.mark.parametrize("board", BOARDS[1:])
@every_flavour
def test_nor_the_boards(flavour: str, board: str) -> None:
    expected = transcript("native", TESTS).sections
    assert transcript(flavour, PART, board).sections == {program: expected[program] for program in PART.split()}


@pytest.mark.guests
@every_flavour
@both_scripts
def test_a_program_says_what_it_says_on_debian(flavour: str, script: str) -> None:
    same(transcript(flavour, script), linux("debian:marvell", "arm926", script))


@pytest.mark.guests
@pytest.mark.long
@every_flavour
@both_scripts
def test_and_on_debian_for_armv7(flavour: str, script: str) -> None:
    same(transcript(flavour, script, "beagle"), linux("debian:armmp", "beagle", script))


@every_flavour
def test_the_trace_does_not_depend_on_the_transport(live: Live, flavour: str) -> None:
    hashes = {
        live.hash(table("/bin/processes /bin/signals"), "1s", flavour=flavour, link=link) for link in ("shm", "zmq")
    }
    assert len(hashes) == 1


@every_flavour
def test_a_person_at_the_console_finds_a_shell(live: Live, flavour: str) -> None:
    run = live(table(""), flavour=flavour)
    run.until("100ms")
    assert run.console("wren").endswith(b"$ ")
    run.type_text("wren", "echo a b c | wc && ls /etc/tests\n")
    run.until("200ms")
    said = run.console("wren").replace(b"\r", b"")
    assert b"\n1 3 6\n" in said
    assert said.endswith(b"/etc/tests\n$ ")
    run.type_text("wren", "exit 3\n")
    run.until("300ms")
    assert run.state("wren") == "shut down"
    assert run.cell("wren").why == "status 3"


@every_flavour
def test_two_kernels_on_one_board_do_not_notice_each_other(live: Live, flavour: str) -> None:
    if flavour == "native":
        pytest.skip("a board with one kernel")
    topology = table(PART)
    topology["cells"]["other"] = topology["cells"]["wren"] | {"args": "/bin/pipes /bin/sockets /bin/waiting"}
    run = live(topology, flavour=flavour)
    expected = transcript("native", TESTS).sections
    for cell in topology["cells"]:
        said = read(finish(run, cell)).sections
        assert said == {program: expected[program] for program in topology["cells"][cell]["args"].split()}


def test_a_program_of_ones_own_runs_as_the_readme_says(live: Live, place: Path) -> None:
    pytest.importorskip("ziglang", reason="the tool chain is optional: pip install 'cellvisor[toolchain]'")
    assert write_examples("cells/wren/README.md", place) == {"hello.c"}
    assert initramfs.main([str(place / "hello.c")]) == 0
    run = live(table("/bin/hello,one", initrd=str(place / "hello.cpio")), flavour="okl4")
    said = read(finish(run, "wren"))
    assert said.sections == {"/bin/hello one": "a child of /bin/hello\nit ended with 0; 2 words"}
