"""Sizes and times as people write them."""

from __future__ import annotations

import pytest

from boards.units import size_in_bytes, time_in_cycles


@pytest.mark.parametrize(
    ("text", "size"), [("16KiB", 16384), ("1 GiB", 1 << 30), ("7B", 7), (4096, 4096), ("123", "123")]
)
def test_a_size_is_bytes(text: object, size: object) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["16KB", "MiB", "-1KiB", "1.5MiB", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_in_bytes(text)


@pytest.mark.parametrize(
    ("text", "cycles"), [("10ms", 2_660_000), ("1s", 266_000_000), ("3us", 798), ("10ns", 2), ("300cycles", 300)]
)
def test_a_time_is_cycles(text: str, cycles: int) -> None:
    assert time_in_cycles(text, 266_000_000) == cycles


@pytest.mark.parametrize("text", ["10", "ms", "-1ms", "1 hour"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        time_in_cycles(text, 1)
