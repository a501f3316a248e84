"""The errors of the core: what a guest is told, and our own mistakes.

A guest that asks for something it may not have is *refused*: it gets a status code and goes on. A guest that breaks a
rule of the machine *faults*: that is an exit of its vCPU, and its policy decides. Neither stops the monitor. `InvariantBroken`
means that the monitor itself is wrong; it carries the story, so that the exception alone is a bug
report.

>>> str(Refused(Status.NOT_YOURS, "line 3 is routed to another vCPU"))
'NOT_YOURS: line 3 is routed to another vCPU'
"""

from __future__ import annotations

from collections.abc import Sequence

from hypervisor.abi.status import Status


class Refused(Exception):  # noqa: N818  an answer to a guest, not an error of ours
    """A guest asked for what it may not have: it gets `status` and goes on; nothing has changed."""

    def __init__(self, status: Status, why: str) -> None:
        super().__init__(f"{status.name}: {why}")
        self.status = status
        self.why = why


class InvariantBroken(Exception):  # noqa: N818  a verdict about us
    """The monitor contradicts itself. `story`: what was found, one line each."""

    def __init__(self, story: str | Sequence[str]) -> None:
        self.story: tuple[str, ...] = (story,) if isinstance(story, str) else tuple(story)
        super().__init__("\n".join(self.story))


def require(condition: bool, status: Status, why: str) -> None:
    """Refuse unless something is so.

    Raises:
        Refused: it is not.
    """
    if not condition:
        raise Refused(status, why)


def require_none(problems: Sequence[str]) -> None:
    """End a `check_invariants`: silent when nothing was found.

    Raises:
        InvariantBroken: with all of `problems`.
    """
    if problems:
        raise InvariantBroken(problems)
