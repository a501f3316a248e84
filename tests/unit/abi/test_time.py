"""Texts for virtual time and sizes."""

from __future__ import annotations

import pytest

from hypervisor.abi.time import NEVER, format_time, parse_size, parse_time


@pytest.mark.parametrize(
    ("text", "cycles"),
    [("1s", 266_000_000), ("10ms", 2_660_000), ("1.5us", 399), ("300cycles", 300), (" 2 ms ", 532_000), ("7ns", 1)],
)
def test_a_time_is_cycles_of_the_boards_clock(text, cycles):
    assert parse_time(text, 266_000_000) == cycles


@pytest.mark.parametrize("text", ["", "10", "ms", "-1s", "1h", "1e3s", "١s"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match='write for example "10ms"'):
        parse_time(text, 1000)


def test_sizes_have_binary_units():
    assert (parse_size("16MiB"), parse_size("150KiB"), parse_size("4096B")) == (16 << 20, 150 << 10, 4096)
    with pytest.raises(ValueError, match='write for example "16MiB"'):
        parse_size("16MB")


def test_times_are_shown_in_seconds():
    assert format_time(133_000_000, 266_000_000) == "0.500000 s"
    assert format_time(NEVER, 1) == "never"
