"""What a call on a file does when the file is not ready: sleep and try again, or say EAGAIN.

try:
    return file.read(process, size)
except WouldBlock as why:
    return later(process, file, why, lambda: file.read(process, size))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from cells.personalities.arm.errno import EAGAIN, Errno
from cells.personalities.arm.wait import Interrupted, Sleeping, Wait
from cells.personalities.linux.file import NONBLOCK, File, WouldBlock
from hypervisor.abi.time import NEVER


def later(
    process: Any, file: File, why: WouldBlock, again: Callable[[], int], late: Callable[[], int] | None = None
) -> Any:
    """Sleep until it can be done; at once EAGAIN for a file that does not wait.

    Raises:
        Errno: EAGAIN. A process that waits for the signal that stops it waits all the same.
    """
    if file.flags & NONBLOCK and why.queues:
        raise Errno(EAGAIN)
    return retry(process, why, again, late)


def retry(process: Any, why: WouldBlock, again: Callable[[], int], late: Callable[[], int] | None = None) -> Sleeping:
    """Try again whenever something has changed. `late`: what there is when the time of the first refusal has come."""
    until = NEVER if why.until is None else why.until
    while True:
        yield Wait(why.queues, until)
        try:
            return again()
        except WouldBlock as still:
            why = still
        if late is not None and process.kernel.now() >= until:
            return late()


def attempt(process: Any, file: File, at_once: bool, function: Callable[[], int]) -> Any:
    """Now, later, or EAGAIN."""
    try:
        return function()
    except WouldBlock as why:
        if at_once:
            raise Errno(EAGAIN) from None
        return later(process, file, why, function)


class Piecewise(ABC):
    """A call that is done piece by piece. `done`: bytes so far."""

    done: int

    @abstractmethod
    def go(self) -> int:
        """Do all of it; what was done counts, if an error ends it.

        Raises:
            WouldBlock: nothing more can be done now.
        """

    def finish(self, why: WouldBlock) -> Sleeping:
        """Go on whenever there is room; a signal ends it with what is done."""
        while True:
            try:
                yield Wait(why.queues)
                return self.go()
            except WouldBlock as still:
                why = still
            except Interrupted:
                if not self.done:
                    raise
                return self.done
