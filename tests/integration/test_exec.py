"""`cellvisor exec`: a program's output, input and exit status are those of the command."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from cells.wren import IMAGES
from hypervisor.shell.topology import roots
from tests.support.session import Session, cellvisor

pytestmark = pytest.mark.slow

ARCHIVE = IMAGES / "initramfs.cpio"


def run(*words: str, place: Path, text: str = "", **options: str) -> subprocess.CompletedProcess[str]:
    """`cellvisor exec OPTIONS -- WORDS` with this on standard input."""
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    more = {"input": text, "stdin": None} if text else {}
    return cellvisor("exec", *given, "--", *words, place=place, **more)


def program(place: Path, name: str) -> Path:
    """A static ARM program of ours as a file of the host: it goes by the name it is called by."""
    data = ARCHIVE.read_bytes()
    at = data.index(b"\x7fELF", data.index(b"bin/box\0"))
    size = int(data[data.rindex(b"070701", 0, at) + 54 :][:8], 16)
    path = place / name
    path.write_bytes(data[at : at + size])
    path.chmod(0o755)
    return path


def test_a_program_of_the_root_prints_and_ends(tmp_path: Path) -> None:
    done = run("echo", "one", "two  three", place=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("one two  three\n", "", 0)


def test_a_file_of_the_host_runs_under_the_name_that_was_typed(tmp_path: Path) -> None:
    program(tmp_path, "echo")
    for name in ("./echo", str(tmp_path / "echo")):
        done = run(name, "hello", place=tmp_path)
        assert (done.stdout, done.returncode) == ("hello\n", 0), done.stderr


def elf(place: Path, *code: int) -> str:
    """A program of these instructions, as a file of the host."""
    entry, head = 0x1_0054, 52 + 32
    size = head + 4 * len(code)
    header = struct.pack("<16s2H5I6H", b"\x7fELF\1\1\1", 2, 40, 1, entry, 52, 0, 0x0500_0200, 52, 32, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0, 0x1_0000, 0x1_0000, size, size, 5, 0x1000)
    path = place / "program"
    path.write_bytes(header + segment + struct.pack(f"<{len(code)}I", *code))
    path.chmod(0o755)
    return "./program"


def test_each_byte_of_standard_input_arrives_though_it_would_be_a_key_of_a_terminal(tmp_path: Path) -> None:
    data = "".join(chr(code) for code in range(1, 128) if chr(code) not in "\r\n")
    for count in (1, 40):  # a line longer than a terminal's, too
        done = run("cat", place=tmp_path, text=data * count)
        assert (done.stdout, done.returncode) == (data * count, 0)


@pytest.mark.parametrize(("name", "status"), [("true", 0), ("false", 1)])
def test_the_exit_status_is_the_programs(name: str, status: int, tmp_path: Path) -> None:
    assert run(name, place=tmp_path).returncode == status


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ((0xE3A0_0007, 0xE3A0_7001, 0xEF00_0000), 7),  # mov r0, #7; mov r7, #1 (exit); svc #0
        ((0xE3A0_0000, 0xE590_0000), 128 + 11),  # mov r0, #0; ldr r0, [r0]: SIGSEGV
        ((0xE7F0_00F0,), 128 + 4),  # udf: SIGILL
    ],
    ids=["exit 7", "SIGSEGV", "SIGILL"],
)
def test_the_end_of_a_process_is_told_as_a_shell_tells_it(code: tuple[int, ...], status: int, tmp_path: Path) -> None:
    assert run(elf(tmp_path, *code), place=tmp_path).returncode == status


def test_standard_input_comes_and_ends(tmp_path: Path) -> None:
    done = run("wc", place=tmp_path, text="one two\nthree\n")
    assert done.stdout.split() == ["2", "3", "14"]
    assert run("cat", place=tmp_path, text="no end of line").stdout == "no end of line"


def test_the_same_input_gives_the_same_trace(tmp_path: Path) -> None:
    traces = set()
    for name in ("a", "b"):
        run("cat", place=tmp_path, text="x\n" * 3000, out=str(tmp_path / name))
        traces.add((tmp_path / name / "trace.jsonl").read_bytes())
    assert len(traces) == 1


@pytest.mark.parametrize("flavour", ["native", "l4", "xen", "okl4"])
def test_it_runs_under_each_flavour(flavour: str, tmp_path: Path) -> None:
    done = run("sh", "/etc/look", place=tmp_path, flavour=flavour)
    assert done.returncode == 0, done.stderr
    assert "waited\n" in done.stdout


@pytest.mark.parametrize("board", ["beagle", "evoke_qa4", "arm1176", "arm926", "pxa255"])
def test_it_runs_on_each_board(board: str, tmp_path: Path) -> None:
    assert run("uname", place=tmp_path, board=board).returncode == 0


def test_more_files_come_along(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("content\n")
    assert run("cat", "data.txt", place=tmp_path, file="data.txt").stdout == "content\n"
    assert run("cat", "/etc/other", place=tmp_path, file="data.txt=/etc/other").stdout == "content\n"


def test_a_directory_is_shown_on_demand_and_is_the_same_over_both_transports_and_in_a_replay(tmp_path: Path) -> None:
    place = tmp_path / "shown"
    place.mkdir()
    program(place, "echo")
    (place / "data").write_text("content\n")
    with (place / "large").open("wb") as large:
        large.truncate(1 << 30)  # of which nothing is read
    script, traces = "cat /mnt/data; /mnt/echo ran; echo x > /mnt/data; rm /mnt/data", []
    for link in ("shm", "zmq"):
        out = tmp_path / link
        done = run("sh", "-c", script, place=tmp_path, file="shown=/mnt", link=link, out=str(out))
        assert "content\nran\n" in done.stdout, done.stderr
        assert done.stdout.count("EROFS") == 2
        assert not done.stderr
        traces.append((out / "trace.jsonl").read_bytes())
    assert traces[0] == traces[1]
    assert cellvisor("replay", str(out), place=tmp_path).stdout.startswith("the same trace")
    assert (place / "data").read_text() == "content\n"


def test_a_directory_is_a_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    program(root / "bin", "cat")
    (root / "note").write_text("here\n")
    (root / "link").symlink_to("note")
    assert run("cat", "link", place=tmp_path, root=str(root)).stdout == "here\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nothing_there"], "nothing_there: no program of the cell's root, nor a fetched one, has this name"),
        (["./nothing_there"], "./nothing_there: there is no such file, here or in the cell's root"),
    ],
)
def test_what_is_not_there_is_one_line(words: list[str], why: str, tmp_path: Path) -> None:
    done = run(*words, place=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("", f"cellvisor: {why}\n", 2)


def test_options_are_named_in_what_is_said_of_them(tmp_path: Path) -> None:
    done = run("true", place=tmp_path, board="bagle")
    assert done.returncode == 2
    assert done.stderr.startswith("cellvisor: --board: ")


@pytest.mark.parametrize("content", [b"\x7fELF" + bytes(60), b"not a program\n", b""], ids=["elf", "text", "empty"])
def test_what_is_no_program_ends_as_for_a_shell(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)
    path.chmod(0o755)
    done = run("./odd", place=tmp_path)
    assert done.returncode in (126, 127)
    assert "odd" in done.stdout


def test_a_person_has_a_shell(tmp_path: Path) -> None:
    with Session("exec", "--", "sh", place=tmp_path) as session:
        session.expect(r"\$ |# ")
        session.type("echo first | wc\r")
        session.expect("1 1 6\r\n")
        session.type("exit 3\r")
        assert session.wait() == 3


def test_a_key_that_means_a_signal_ends_the_program(tmp_path: Path) -> None:
    with Session("exec", "--", "cat", place=tmp_path) as session:
        session.type("again\r")
        session.expect("again\r\nagain\r\n")
        session.type("\x03")
        session.expect("\\^C")
        assert session.wait() == 128 + 2


def test_names_of_a_root_are_those_in_its_archive() -> None:
    names = roots.names(ARCHIVE)
    assert {"bin/sh", "etc/tests", "init"} <= set(names)
    assert "TRAILER!!!" not in names
