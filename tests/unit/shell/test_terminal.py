"""What guests say, printed without what a terminal would obey; and what an old console must not ask again."""

from __future__ import annotations

import pytest

from hypervisor.shell import terminal
from hypervisor.shell.inputs import Input, InputKind
from hypervisor.shell.terminal import _QUERIES, Consoles


def printed(capsys: pytest.CaptureFixture[str], *said: bytes, clear: bool = False) -> str:
    consoles = Consoles(clear=clear)
    for data in said:
        consoles("a", data)
    consoles.close()
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ([b"one\r\ntwo\n"], "a| one\na| two\n"),
        ([b"on", b"e\ntw", b"o"], "a| one\na| two\n"),
        ([b"\x1b[1;31mred\x1b[0m\n"], "a| red\n"),
        ([b"\x1b]0;evil title\x07plain\n"], "a| plain\n"),
        ([b"\x1b]0;evil title\x1b\\plain\n"], "a| plain\n"),
        ([b"\x1b(Bplain\x1b7\x1bM\n"], "a| plain\n"),
        ([b"prompt# \x1b[6n"], "a| prompt# \n"),
        ([b"\x1b[", b"2Jcleared\n"], "a| cleared\n"),
        ([b"bell\x07 back\x08 cut\x1b\n"], "a| bell\\x07 back\\x08 cut\\x1b\n"),
        ([b"a\tb\n"], "a| a       b\n"),
        ([b"caf\xc3\xa9 \xff\n"], "a| café \ufffd\n"),
        ([b"\n"], "a| \n"),
    ],
)
def test_lines_are_printed_with_their_cell_and_without_commands(
    said: list[bytes], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printed(capsys, *said) == shown


def test_consoles_are_kept_apart(capsys: pytest.CaptureFixture[str]) -> None:
    consoles = Consoles(clear=False)
    consoles("a", b"from ")
    consoles("b", b"other\n")
    consoles("a", b"a\n")
    assert capsys.readouterr().out == "b| other\na| from a\n"


def test_a_line_without_an_end_is_printed_in_pieces(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, b"x" * 5000, b"y" * 10).splitlines()
    assert lines == ["a| " + "x" * 5000, "a| " + "y" * 10]


def test_a_line_of_progress_is_taken_away_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, b"one\n", clear=True) == "\r\x1b[2Ka| one\n"


@pytest.mark.parametrize("query", [b"\x1b[6n", b"\x1b[5n", b"\x1b[c", b"\x1b[0c", b"\x1b[>c", b"\x1b[?6n"])
def test_old_output_does_not_ask_the_terminal_again(query: bytes) -> None:
    assert _QUERIES.sub(b"", b"# " + query + b"ls\x1b[31m") == b"# ls\x1b[31m"


def test_a_window_of_another_size_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    window = [(24, 80)]
    monkeypatch.setattr(terminal, "size", lambda: window[0])
    console = terminal.Terminal("a", lambda: None, (24, 80))
    assert console._resized() == []
    window[0] = (50, 132)
    assert console._resized() == [Input(0, 0, InputKind.RESIZE, "a", b"50 132")]
    assert console._resized() == []
