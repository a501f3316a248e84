"""A cell that changes the flags or the position of the file behind its pages changes them for itself alone."""

from __future__ import annotations

import fcntl
import os
import resource
from collections.abc import Iterator

import pytest

from hypervisor.abi.memory import PAGE
from hypervisor.core import effects as do
from hypervisor.shell.memory import SharedMemory

CLIENT, DRIVER, SEGMENT = 0, 1, 5


class Hands:
    """The host's side of a cell that keeps what it is given."""

    ram = -1

    def __init__(self) -> None:
        self.held: list[int] = []

    def hand_over(self, _message: bytes, descriptor: int) -> None:
        self.held.append(os.dup(descriptor))


@pytest.fixture
def shared() -> Iterator[tuple[SharedMemory, list[Hands]]]:
    """A page that two cells may write."""
    hands = [Hands(), Hands()]
    memory = SharedMemory(hands, 0)
    memory.perform(do.MakeSegment(SEGMENT, 1))
    for cell in (CLIENT, DRIVER):
        memory.perform(do.MapMemory(cell, 0x1000, SEGMENT, 0, 1, writable=True))
    yield memory, hands
    memory.close()
    for descriptor in hands[CLIENT].held + hands[DRIVER].held:
        os.close(descriptor)


@pytest.mark.parametrize("flag", [os.O_APPEND, os.O_NONBLOCK])
def test_flags_that_a_client_sets_do_not_bend_what_a_driver_domains_device_writes(
    shared: tuple[SharedMemory, list[Hands]], flag: int
) -> None:
    memory, hands = shared
    fcntl.fcntl(hands[CLIENT].held[0], fcntl.F_SETFL, flag)
    memory.write(DRIVER, SEGMENT, 0, b"from the device")
    assert memory.trouble == {}
    assert memory.read(DRIVER, SEGMENT, 0, 15) == b"from the device"
    assert not fcntl.fcntl(hands[DRIVER].held[0], fcntl.F_GETFL) & flag


def test_a_position_that_a_client_moves_is_its_own(shared: tuple[SharedMemory, list[Hands]]) -> None:
    memory, hands = shared
    os.lseek(hands[CLIENT].held[0], PAGE, os.SEEK_SET)
    assert os.lseek(hands[DRIVER].held[0], 0, os.SEEK_CUR) == 0
    memory.write(DRIVER, SEGMENT, 0, b"x")
    assert memory.read(CLIENT, SEGMENT, 0, 1) == b"x"


def test_a_kernel_that_grants_thousands_of_single_pages_does_not_run_the_monitor_out_of_descriptors() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    memory, pages = SharedMemory([Hands()], 0), 700
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, before[1]))
        for segment in range(1, pages + 1):
            memory.perform(do.MakeSegment(segment, 1))
        memory.write(CLIENT, pages, 0, b"the last")
        assert memory.read(CLIENT, pages, 0, 8) == b"the last"
        assert memory.trouble == {}
    finally:
        memory.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
