"""The hypercall page by itself: what goes with a call, and what is refused before it is one."""

from __future__ import annotations

import pytest

from cells.machine.hypercall_page import HypercallPage
from hypervisor.abi.info_page import HypercallPage as Offset
from hypervisor.abi.records import DATA_LIMIT
from hypervisor.abi.status import Status

CALL = 32


class Bench:
    """A page whose calls are kept. All answer 7, and with the bytes that came, turned round."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bytes]] = []
        self.page = HypercallPage(self._call, lambda: None)

    def _call(self, number: int, _arguments: tuple[int, int, int], data: bytes) -> tuple[int, bytes]:
        self.calls.append((number, data))
        return 7, data[::-1]

    def call(self, data: bytes, length: int) -> int:
        for at, byte in enumerate(data[:DATA_LIMIT]):
            self.page.write(Offset.DATA + at, 1, byte)
        self.page.write(Offset.LENGTH, 4, length)
        self.page.write(Offset.NUMBER, 4, CALL)
        return self.page.read(Offset.RESULT, 4) - (1 << 32 if self.page.read(Offset.RESULT_HIGH, 4) else 0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("length", [0, 1, 5, DATA_LIMIT])
def test_as_many_bytes_go_with_a_call_as_its_length_says(bench: Bench, length: int) -> None:
    data = bytes(range(256)) * 4
    assert bench.call(data, length) == 7
    assert bench.calls == [(CALL, data[:length])]
    assert bench.page.read(Offset.LENGTH, 4) == length
    assert bytes(bench.page.read(Offset.DATA + at, 1) for at in range(length)) == data[:length][::-1]


@pytest.mark.parametrize("length", [DATA_LIMIT + 1, 1 << 31, (1 << 32) - 1])
def test_more_than_a_call_carries_is_refused_and_no_part_of_it_sent(bench: Bench, length: int) -> None:
    assert bench.call(bytes(DATA_LIMIT), length) == Status.TOO_LONG
    assert bench.calls == []
    assert bench.page.read(Offset.LENGTH, 4) == 0


def test_the_call_after_a_refused_one_is_made(bench: Bench) -> None:
    bench.call(b"", DATA_LIMIT + 1)
    assert bench.call(b"hello", 5) == 7
    assert bench.calls == [(CALL, b"hello")]
