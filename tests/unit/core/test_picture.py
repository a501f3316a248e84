"""The hypercall PICTURE: parts come in order, within limits, and whoever sends nonsense keeps nothing."""

from __future__ import annotations

import pytest

from hypervisor.abi.records import Exit, ExitKind
from hypervisor.abi.status import Status
from hypervisor.core import effects as do
from hypervisor.core.calls.picture import PICTURES_LIMIT, SIDE_LIMIT, picture
from hypervisor.core.cell import Cell, CellParams, Vcpu
from hypervisor.core.errors import Refused


class Heard:
    """A monitor that keeps what is told."""

    def __init__(self) -> None:
        self.told: list[do.KeepPicture] = []

    def emit(self, effect: do.KeepPicture) -> None:
        self.told.append(effect)


def a_cell() -> Cell:
    return Cell(3, CellParams(name="a", ram=4096, cores=(0,)), Vcpu(0, (0,)))


def part(width: int, height: int, offset: int, data: bytes) -> Exit:
    return Exit(0, ExitKind.HYPERCALL, 0, 0, 0, a1=width | height << 16, a2=offset, data=data)


def send(monitor: Heard, cell: Cell, width: int, height: int, offset: int, data: bytes) -> int:
    return picture(monitor, cell, part(width, height, offset, data))  # type: ignore[arg-type]


def test_a_picture_in_two_parts_is_kept_once() -> None:
    monitor, cell = Heard(), a_cell()
    assert send(monitor, cell, 2, 2, 0, b"abc") == Status.OK
    assert monitor.told == []
    send(monitor, cell, 2, 2, 3, b"defgh")
    assert monitor.told == [do.KeepPicture(3, 2, 2, b"abcdefgh")]
    assert not cell.drawn


def test_a_part_that_goes_beyond_the_picture_is_refused_and_what_was_there_stays() -> None:
    monitor, cell = Heard(), a_cell()
    send(monitor, cell, 2, 2, 0, b"abc")
    with pytest.raises(Refused, match="fill it"):
        send(monitor, cell, 2, 2, 3, b"defghi")
    send(monitor, cell, 2, 2, 3, b"defgh")
    assert [kept.pixels for kept in monitor.told] == [b"abcdefgh"]


def test_a_part_at_the_beginning_begins_anew() -> None:
    monitor, cell = Heard(), a_cell()
    send(monitor, cell, 2, 2, 0, b"xxx")
    send(monitor, cell, 1, 2, 0, b"abcd")
    assert [kept.pixels for kept in monitor.told] == [b"abcd"]


@pytest.mark.parametrize(
    "told",
    [
        (0, 2, 0, b"a"),
        (2, 0, 0, b"a"),
        (SIDE_LIMIT + 1, 1, 0, b"a"),
        (2, 2, 4, b"a"),
        (2, 2, 0, b""),
        (1, 1, 0, b"abc"),
    ],
)
def test_what_is_no_part_is_refused(told: tuple[int, int, int, bytes]) -> None:
    with pytest.raises(Refused) as caught:
        send(Heard(), a_cell(), *told)
    assert caught.value.status == Status.BAD_ARGUMENT


def test_a_cell_keeps_so_many_pictures_in_all_its_lives() -> None:
    monitor, cell = Heard(), a_cell()
    for _ in range(PICTURES_LIMIT):
        send(monitor, cell, 1, 1, 0, b"ab")
    with pytest.raises(Refused) as caught:
        send(monitor, cell, 1, 1, 0, b"ab")
    assert caught.value.status == Status.NO_ROOM
    assert len(monitor.told) == PICTURES_LIMIT
