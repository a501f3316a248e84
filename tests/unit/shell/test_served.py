"""Directories of the host, served to cells: nothing outside of them, nothing that changes, bounded, and the same in a replay."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cells.port import RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.served import ENTRY, Entry, Look
from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused
from hypervisor.shell import served
from hypervisor.shell.inputs import ReplayError
from hypervisor.shell.served_record import ServedRecord
from tests.support.served import DirectFiles


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("outside")
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)
    (top / "a.txt").write_text("hello")
    (top / "sub" / "tool").write_text("#!")
    (top / "sub" / "tool").chmod(0o755)
    (top / "link").symlink_to("sub/tool")
    return top


@pytest.fixture
def files(tree: Path) -> Iterator[DirectFiles]:
    direct = DirectFiles({(0, 0): tree})
    yield direct
    direct.served.close()


def ask(files: DirectFiles, operation: int, path: bytes = b"", place: int = 0) -> tuple[int, bytes]:
    return files.call(Hypercall.FILES, operation, place, data=path)


def refused(function: Callable[[], object]) -> int:
    with pytest.raises(RefusedError) as caught:
        function()
    return caught.value.status


def names(files: DirectFiles, path: bytes = b"") -> list[tuple[bytes, int]]:
    found: list[tuple[bytes, int]] = []
    while True:
        count, answer = ask(files, Look.NAMES, path, len(found))
        at = 0
        for _ in range(count):
            kind, length, _ = ENTRY.unpack_from(answer, at)
            at += ENTRY.size + length
            found.append((answer[at - length : at], kind))
        if not count:
            return found


def test_a_cell_sees_names_kinds_sizes_bytes_and_links(files: DirectFiles) -> None:
    assert names(files) == [(b"a.txt", Entry.FILE), (b"link", Entry.LINK), (b"sub", Entry.DIRECTORY)]
    assert ask(files, Look.ATTRIBUTES, b"a.txt")[0] == 5 << 8 | Entry.FILE
    assert ask(files, Look.ATTRIBUTES, b"sub/tool")[0] == 2 << 8 | Entry.PROGRAM
    assert ask(files, Look.ATTRIBUTES, b"none")[0] == ask(files, Look.ATTRIBUTES, b"a.txt/x")[0] == 0
    assert ask(files, Look.READ, b"a.txt", 2) == (3, b"llo")
    assert ask(files, Look.READ, b"a.txt", 5) == (0, b"")
    assert ask(files, Look.TARGET, b"link") == (8, b"sub/tool")


def test_a_directory_of_many_names_comes_in_pieces_and_in_order(tmp_path: Path) -> None:
    for number in range(150):
        (tmp_path / f"{number * 7919 % 1009:04d}-{'x' * 60}").touch()
    files = DirectFiles({(0, 0): tmp_path})
    found = names(files)
    assert len(found) == 150
    assert found == sorted(found)


def test_nothing_leads_out_of_the_directory(files: DirectFiles, tree: Path) -> None:
    (tree / "absolute").symlink_to("/etc/passwd")
    (tree / "up").symlink_to("../secret")
    (tree / "out").symlink_to("..")
    os.mkfifo(tree / "pipe")
    for path in (
        b"..",
        b"../secret",
        b"sub/../../secret",
        b"/etc/passwd",
        b"./a.txt",
        b"a\0b",
        b"sub//tool",
        b"x" * 256,
    ):
        for operation in Look:
            assert refused(lambda path=path, operation=operation: ask(files, operation, path)) == Status.BAD_ARGUMENT  # type: ignore[misc]
    assert ask(files, Look.ATTRIBUTES, b"out/secret")[0] == 0
    assert ask(files, Look.READ, b"out/secret") == ask(files, Look.READ, b"absolute") == (0, b"")
    assert b"pipe" not in dict(names(files))
    assert [refused(lambda name=name: ask(files, Look.TARGET, name)) for name in (b"absolute", b"up", b"out")] == [  # type: ignore[misc]
        Status.RIGHTS
    ] * 3


def test_a_directory_that_becomes_a_link_while_the_cell_looks_is_not_followed(files: DirectFiles, tree: Path) -> None:
    assert ask(files, Look.ATTRIBUTES, b"sub/tool")[0]
    (tree / "sub" / "tool").unlink()
    (tree / "sub").rmdir()
    (tree / "sub").symlink_to("/etc")
    assert refused(lambda: ask(files, Look.READ, b"sub/tool")) == Status.WRONG_STATE
    assert ask(files, Look.ATTRIBUTES, b"sub/passwd")[0] == 0


def test_a_file_that_becomes_a_pipe_is_not_opened(files: DirectFiles, tree: Path) -> None:
    assert ask(files, Look.ATTRIBUTES, b"a.txt")[0]
    (tree / "a.txt").unlink()
    os.mkfifo(tree / "a.txt")
    assert refused(lambda: ask(files, Look.READ, b"a.txt")) == Status.WRONG_STATE  # and nobody waits for a writer
    assert "no regular file" in files.lines[0]


def test_a_file_that_has_changed_is_an_error_from_then_on_and_the_user_is_told_once(
    files: DirectFiles, tree: Path
) -> None:
    size = served.PIECE + 10
    (tree / "big").write_bytes(b"x" * size)
    assert ask(files, Look.READ, b"big", 0)[0] == 1024
    (tree / "big").write_bytes(b"y" * size)
    assert ask(files, Look.READ, b"big", 1024) == (1024, b"x" * 1024)  # of a piece that it was shown
    for _ in range(2):
        assert refused(lambda: ask(files, Look.READ, b"big", served.PIECE)) == Status.WRONG_STATE
    assert refused(lambda: ask(files, Look.READ, b"big", 0)) == Status.WRONG_STATE
    assert files.lines == [f"a: {tree}/big has changed during the run: it reads an I/O error there"]


def test_each_cell_has_its_own_views(tree: Path) -> None:
    files = DirectFiles({(1, 0): tree})
    assert refused(lambda: ask(files, Look.NAMES)) == Status.NOT_YOURS
    assert refused(lambda: files.call(Hypercall.FILES, Look.NAMES | 1 << 8, 0, cell=1)) == Status.NOT_YOURS
    assert files.call(Hypercall.FILES, Look.NAMES, 0, cell=1)[0] == 3


def test_whatever_the_words_are_the_answer_is_a_status_or_fits(files: DirectFiles) -> None:
    draw = random.Random(1)
    paths = [b"", b"a.txt", b"sub", b"sub/tool", b"link", b"none", b"..", b"sub/..", bytes(range(256)) * 4]
    for _ in range(2000):
        words = [draw.choice((draw.randrange(6), draw.getrandbits(64))) for _ in range(2)]
        path = draw.choice((*paths, draw.randbytes(draw.randrange(40))))
        try:
            value, answer = files.call(Hypercall.FILES, *words, data=path)
        except RefusedError as refusal:
            assert refusal.status in list(Status)
        else:
            assert value >= 0
            assert len(answer) <= 1024


def test_thousands_of_looks_keep_a_bounded_number_of_things_and_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served, "KNOWN_LIMIT", 50)
    for number in range(60):
        (tmp_path / f"{number}").write_text("x")
    files = DirectFiles({(0, 0): tmp_path})
    before = len(list(Path("/proc/self/fd").iterdir()))
    answers = []
    for number in range(60):
        for _ in range(20):
            assert ask(files, Look.ATTRIBUTES, b"none%d" % number)[0] == 0
        try:
            answers.append(ask(files, Look.READ, b"%d" % number)[1])
        except RefusedError as refusal:
            answers.append(refusal.status)
    assert answers == [b"x"] * 49 + [Status.NO_ROOM] * 11
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# ---- the record


def test_a_replay_is_shown_the_same_or_says_which_file_is_another(tree: Path, tmp_path: Path) -> None:
    record = ServedRecord()
    record.path = tmp_path / "served.jsonl"
    first = DirectFiles({(0, 0): tree}, record)
    ask(first, Look.READ, b"a.txt")
    first.served.close()
    assert ask(DirectFiles({(0, 0): tree}, ServedRecord(record.path)), Look.READ, b"a.txt") == (5, b"hello")
    (tree / "a.txt").write_text("HELLO")
    again = DirectFiles({(0, 0): tree}, ServedRecord(record.path))
    with pytest.raises(ReplayError, match=r"a\.txt: not what the recorded run was shown"):
        ask(again, Look.READ, b"a.txt")


def test_a_replay_repeats_an_error_at_the_look_where_it_was(tree: Path, tmp_path: Path) -> None:
    def run(record: ServedRecord, change: bool) -> list[object]:
        files, heard = DirectFiles({(0, 0): tree}, record), []
        for place in (0, served.PIECE, 0):
            try:
                heard.append(ask(files, Look.READ, b"big", place))
            except RefusedError as refusal:
                heard.append(refusal.status)
            if change and not place:
                (tree / "big").write_bytes(b"y" * size)
        files.served.close()
        return heard

    size = served.PIECE * 2
    (tree / "big").write_bytes(b"x" * size)
    record = ServedRecord()
    record.path = tmp_path / "served.jsonl"
    heard = run(record, change=True)
    assert heard == [(1024, b"x" * 1024), Status.WRONG_STATE, Status.WRONG_STATE]
    (tree / "big").write_bytes(b"x" * size)
    assert run(ServedRecord(record.path), change=False) == heard


def test_a_directory_that_is_too_large_is_an_error(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypervisor.shell.served_tree.NAMES_LIMIT", 2)
    files = DirectFiles({(0, 0): tree})
    assert refused(lambda: ask(files, Look.NAMES)) == Status.WRONG_STATE
    assert "more than 2 names" in files.lines[0]


def test_a_monitor_without_views_refuses() -> None:
    files = DirectFiles({})
    with pytest.raises(Refused):
        files.served.look(0, 0, Look.NAMES, b"", 0)
