"""The hypercall FILES without a monitor: the same checks, the same service, in the test's own process.

port = DirectFiles({(0, 0): tmp_path})
value, answer = port.call(Hypercall.FILES, Look.ATTRIBUTES, 0, data=b"a.txt")
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from cells.port import RefusedError
from hypervisor.abi.records import Exit, ExitKind
from hypervisor.core.calls.files import look
from hypervisor.core.errors import Refused
from hypervisor.shell.served import ServedFiles
from hypervisor.shell.served_record import NO_RECORD, ServedRecord


class DirectFiles:
    """A port that has one call. `lines`: what the user was told; `calls`: how many were made."""

    def __init__(self, views: dict[tuple[int, int], Path], record: ServedRecord = NO_RECORD) -> None:
        self.lines: list[str] = []
        self.calls = 0
        self.served = ServedFiles(views, {0: "a", 1: "b"}, record, self.lines.append)

    def call(self, number: int, first: int, second: int, *, data: bytes = b"", cell: int = 0) -> tuple[int, bytes]:
        """As `Port.call`."""
        self.calls += 1
        answers = [b""]
        monitor = SimpleNamespace(served=self.served, reply=lambda _cell, answer: answers.append(answer))
        record = Exit(0, ExitKind.HYPERCALL, 0, 0, 0, number, first, second, data=data)
        try:
            value = look(monitor, SimpleNamespace(index=cell), record)  # type: ignore[arg-type]
        except Refused as refusal:
            raise RefusedError("files", refusal.status) from refusal
        return value, answers[-1]
