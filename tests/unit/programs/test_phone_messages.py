"""The phone's messages are the same in C and in Python."""

from __future__ import annotations

import re
from enum import IntEnum
from pathlib import Path

import pytest

from cells.programs.phone import messages
from cells.programs.phone.messages import WINDOW, Applet, End, Kind, Message, Rectangle

HEADER = Path(messages.__file__).with_name("messages.h").read_text()
NUMBER = r"(0x[0-9a-f]+|\d+)"


@pytest.mark.parametrize(("prefix", "numbers"), [("KIND", Kind), ("END", End), ("CLASS", Applet)])
def test_the_header_has_the_same_names_and_numbers(prefix: str, numbers: type[IntEnum]) -> None:
    found = re.findall(rf"^ +{prefix}_(\w+) = {NUMBER},", HEADER, re.MULTILINE)

    assert {name: int(value, 0) for name, value in found} == {each.name: each.value for each in numbers}


def test_the_header_has_the_same_sizes() -> None:
    found = {name: int(value, 0) for name, value in re.findall(rf"^#define (\w+) {NUMBER}\b", HEADER, re.MULTILINE)}

    assert found == {
        "MESSAGE_SIZE": messages.SIZE,
        "MESSAGE_TEXT": messages.TEXT,
        "SCREEN_WIDTH": messages.SCREEN_WIDTH,
        "SCREEN_HEIGHT": messages.SCREEN_HEIGHT,
        "WINDOW_X": WINDOW.x,
        "WINDOW_Y": WINDOW.y,
        "WINDOW_WIDTH": WINDOW.width,
        "WINDOW_HEIGHT": WINDOW.height,
    }


def test_a_message_comes_back_as_it_was() -> None:
    sent = Message(Kind.CONNECTED, 1, 2, 0xFFFF_FFFF, "+49 231 " + "1" * 40)

    assert len(sent.pack()) == messages.SIZE
    assert sent.pack()[:16] == bytes.fromhex("42000000 01000000 02000000 ffffffff")
    assert Message.unpack(sent.pack()) == sent


@pytest.mark.parametrize("wrong", [Message(-1), Message(1, 1 << 32), Message(1, text="x" * 49)])
def test_what_does_not_fit_is_no_message(wrong: Message) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        wrong.pack()


@pytest.mark.parametrize("size", [0, 63, 65])
def test_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        Message.unpack(bytes(size))


def test_a_text_of_other_bytes_stays_readable() -> None:
    assert Message.unpack(bytes(16) + b"a\xff\0b".ljust(48, b"\0")).text == "a\ufffd"


def test_a_rectangle_comes_back_and_must_lie_inside_the_screen() -> None:
    assert Rectangle.of(*WINDOW.words) == WINDOW
    for wrong in ((1, 320 | 240 << 16), (0, 0), (0xFFFF_FFFF, 0xFFFF_FFFF), (0, 320)):
        with pytest.raises(ValueError, match="not inside"):
            Rectangle.of(*wrong)
