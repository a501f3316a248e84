"""What a terminal sends, and what it can."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisor.shell.screen.keys import LONGEST, Answer, Event, Keys, Leave, Mouse
from hypervisor.shell.screen.tty import Abilities, abilities
from hypervisor.shell.screen.viewer import Protocol, best

XTERM = b"\x1bP1$r0;48;2;1;2;3m\x1b\\\x1b[6;18;9t\x1b[?1016;2$y\x1b[?64;1;2;4;22c"
KITTY = b"\x1b_Gi=31;OK\x1b\\\x1bP1$r0;48:2:1:2:3m\x1b\\\x1b[6;20;10t\x1b[?1016;2$y\x1b[?62;c"
CONSOLE = b"\x1b[?6c"


def events(*pieces: bytes) -> list[Event]:
    keys = Keys()
    return [event for piece in pieces for event in keys.feed(piece)]


def test_the_first_button_is_pressed_moved_and_let_go() -> None:
    assert events(b"\x1b[<0;12;7M\x1b[<32;13;7M\x1b[<0;14;8m") == [
        Mouse(12, 7, down=True, moved=False),
        Mouse(13, 7, down=True, moved=True),
        Mouse(14, 8, down=False, moved=False),
    ]


def test_other_buttons_the_wheel_and_a_mouse_without_button_are_nothing() -> None:
    assert events(b"\x1b[<1;1;1M\x1b[<2;1;1M\x1b[<64;1;1M\x1b[<65;1;1M\x1b[<35;1;1M\x1b[<128;1;1M") == []


@pytest.mark.parametrize("key", [b"q", b"Q", b"\x03", b"\x04", b"\x1d"])
def test_some_keys_leave(key: bytes) -> None:
    (event,) = events(b"xyz \r" + key)
    assert isinstance(event, Leave)


def test_a_q_inside_of_a_sequence_is_no_key() -> None:
    assert not any(isinstance(event, Leave) for event in events(b"\x1b[5 q\x1b]0;quite\x07\x1bPq\x1b\\\x1b[1;2Q"))


@given(st.lists(st.integers(min_value=1, max_value=len(XTERM) - 1), max_size=8))
def test_sequences_may_come_in_any_pieces(cuts: list[int]) -> None:
    whole = XTERM + b"\x1b[<0;5;6Mq"
    edges = sorted({0, len(whole), *cuts})
    pieces = [whole[first:last] for first, last in pairwise(edges)]
    assert [type(event) for event in events(*pieces)] == [Answer] * 4 + [Mouse, Leave]


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_nothing_that_is_typed_is_too_much(pieces: list[bytes]) -> None:
    keys = Keys()
    for piece in pieces:
        list(keys.feed(piece))
        assert len(keys._waiting) <= LONGEST
    list(keys.feed(b"\x1bP" + bytes(LONGEST + 1)))
    assert any(isinstance(event, Leave) for event in keys.feed(b"\x07 \x1b\\q"))


def test_terminals_are_known_by_their_answers() -> None:
    assert abilities(XTERM, {}) == Abilities(sixel=True, true_colour=True, pixel_mouse=True, cell=(9, 18))
    assert abilities(KITTY, {}) == Abilities(kitty=True, true_colour=True, pixel_mouse=True, cell=(10, 20))
    assert abilities(CONSOLE, {}) == Abilities()
    assert abilities(b"", {"COLORTERM": "truecolor"}, (7, 15)) == Abilities(true_colour=True, cell=(7, 15))


def test_a_terminal_of_attribute_64_is_none_with_sixels() -> None:
    assert not abilities(b"\x1b[?4;6c", {}).sixel, "the first number is the terminal's kind"
    assert not abilities(b"\x1b[?64;14c", {}).sixel


def test_the_best_way_is_taken() -> None:
    assert [best(abilities(answer, {})) for answer in (XTERM, KITTY, CONSOLE)] == [
        Protocol.sixel,
        Protocol.kitty,
        Protocol.blocks,
    ]
