"""What a call of the kernel answers when it does not do what was asked.

    raise Refused(Status.TIMEOUT)

A task in Python gets the exception where it yielded the call; one in ARM code gets the number in r0.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Negative, so that a C program can tell it from what a call found. The same numbers as in `image/rtos.h`."""

    OK = 0
    TIMEOUT = -1
    DELETED = -2
    FULL = -3
    NOT_OWNER = -4
    NO_OBJECT = -5
    NO_ROOM = -6
    BAD_ARGUMENT = -7
    DEADLOCK = -8
    BAD_ADDRESS = -9
    NO_CALL = -10
    IN_USE = -11


class Refused(Exception):  # noqa: N818  an answer, no accident
    """A call was refused; `status` says why."""

    def __init__(self, status: Status, why: str = "") -> None:
        super().__init__(f"{status.name}: {why}" if why else status.name)
        self.status = status


class TaskFault(Exception):  # noqa: N818  the task's
    """A task cannot go on: what it did, where, and at which address."""

    def __init__(self, what: str, pc: int = 0, address: int = 0) -> None:
        super().__init__(f"{what} (pc {pc:#x}, address {address:#x})" if pc or address else what)
        self.what, self.pc, self.address = what, pc, address
