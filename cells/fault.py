"""The error of a guest that cannot go on: it becomes a FAULT exit, and its supervisor decides."""

from __future__ import annotations


class GuestFault(Exception):  # noqa: N818  the guest's fault, not an error of ours
    """The guest did what its vCPU cannot go on from."""

    def __init__(self, code: int, pc: int, address: int, text: str) -> None:
        super().__init__(text)
        self.code, self.pc, self.address = code, pc, address
