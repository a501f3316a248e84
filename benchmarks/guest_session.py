"""A booted, unmodified kernel that does what it is told, a line of shell at a time, and the marks that its programs leave.

    machine = Machine("debian:rpi", archive)                       # an initramfs of guest_root
    with Session(machine.topology(Counting(caches=False))) as session:
        session.boot()
        said = session.order("./lat null")
        said.status, said.marks

A line begins at a multiple of `STEP` of virtual time, so that the same lines give the same run on every host.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmarks.guest_root import BOOTED, DONE
from hypervisor import launch
from hypervisor.api import Run
from hypervisor.shell.boot import KERNEL_BOARDS
from hypervisor.shell.progress import Progress

CELL = "linux"
RAM = "128MiB"
"""Enough for the kernel, the programs with their inputs, and what they make; a snapshot is as small as what is used of it."""
APPEND = "loglevel=3 init_on_alloc=0 lsm=capability audit=0 hardened_usercopy=off cgroup_disable=memory norandmaps"
"""What the survey's kernels did not have is switched off: clearing of fresh pages, security modules, audit, checks of copies,
accounts of memory, random addresses."""
STEP = "20ms"
"""Virtual time between two looks at the console."""
BOOT_LIMIT = "120s"
"""Virtual time after which a boot has failed: one takes 3 to 8 s."""
LIMIT = "3600s"
"""Virtual time after which a line has hung."""

Counts = dict[str, int]


class Trouble(Exception):  # noqa: N818
    """The kernel did not do what it was told. The text is for people, one line."""


@dataclass(frozen=True)
class Counting:
    """What is counted (the cell key `counting`): `caches` and what belongs to them, entries of `functions`."""

    caches: bool = False
    functions: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def key(self) -> dict[str, Any]:
        """As a topology has it."""
        functions = {name: list(addresses) for name, addresses in self.functions.items()}
        return ({"caches": True} if self.caches else {}) | ({"functions": functions} if functions else {})


class Mark(NamedTuple):
    """A mark of a program: `times` is 0 at an operation's begin; `counts` since counting began; `time` in cycles."""

    id: int
    times: int
    time: int
    counts: Counts


class Said(NamedTuple):
    """What came of a line: its exit status, what it wrote, and its marks."""

    status: int
    output: bytes
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Machine:
    """A kernel with what it boots into, on the board that it is for. `changes`: of the board, as KEY=VALUE."""

    kernel: str
    archive: Path
    changes: tuple[str, ...] = ()
    ram: str = RAM

    @property
    def board(self) -> str:
        """The board that the kernel is for."""
        return KERNEL_BOARDS[self.kernel]

    def topology(self, counting: Counting | None) -> dict[str, Any]:
        """One cell that owns the board; None counts nothing."""
        cell: dict[str, Any] = {"kernel": self.kernel, "initrd": str(self.archive), "append": APPEND, "ram": self.ram}
        if counting is not None:
            cell["counting"] = counting.key()
        return {"name": "machine_runs", "board": self.board, "flavour": "native", "cells": {CELL: cell}}

    def session(self, counting: Counting | None, **options: Any) -> Session:
        """A run of it, which is at its beginning."""
        return Session(self.topology(counting), overrides=self.changes, **options)


class Session:
    """A run of such a topology, or (`beside`) one more kernel of the same run. `cell`: the one that it tells what to do.

    Raises:
        TopologyError: the topology has problems.
    """

    def __init__(self, topology: Mapping[str, Any] | Run, cell: str = CELL, **options: Any) -> None:
        self.run = topology if isinstance(topology, Run) else launch(topology, **options)
        self.cell = cell
        self.marks: list[Mark] = []
        self._output = bytearray()
        self.run.trace.on_chunk.append(self._take)
        self.run.on_output.append(lambda named, data: self._output.extend(data if named == cell else b""))

    def beside(self, cell: str) -> Session:
        """The session of another kernel in the same run, which ends with this one. To be made before anything runs."""
        return Session(self.run, cell)

    def show(self, progress: Progress) -> None:
        """Let a person see how it goes on."""
        account = self.run.monitor.cells[0].account
        self.run.ticks.append(lambda: progress.tick(self.run.now, account.insns, dict))

    def boot(self) -> Mark:
        """Run until the kernel's first process is ready; its mark, which is there only if something is counted.

        Raises:
            Trouble: it does not become ready.
        """
        self._until(lambda: any(mark.id == BOOTED for mark in self.marks) or None, BOOT_LIMIT, "the boot")
        return next(mark for mark in self.marks if mark.id == BOOTED)

    def go_on(self) -> None:
        """Of a run that begins with a snapshot of a boot: on to where `boot` ends, so that lines come at the same times."""
        self.run.until(self._next_step())

    def order(self, line: str, limit: str = LIMIT) -> Said:
        """Have the shell do one line, in /bench.

        Raises:
            Trouble: it does not come to an end.
        """
        before, begin = len(self.marks), len(self._output)
        self.run.type_text(self.cell, f"{line}\n")
        end = self._until(lambda: self._done(begin), limit, f'"{line}"')
        output = bytes(self._output[begin:end])
        status = int(bytes(self._output[end + len(DONE) :]).split()[0])
        return Said(status, output.replace(b"\r\n", b"\n"), tuple(self.marks[before:]))

    def _done(self, begin: int) -> int | None:
        """Where the line that tells the end begins, once it is whole; a quiet first line of a resumed run has it at 0."""
        place = self._output.find(DONE, begin)
        return place if place >= 0 and b"\n" in self._output[place:] else None

    def _until(self, found: Callable[[], int | None], limit: str, what: str) -> int:
        run = self.run
        end = run.now + run.cycles(limit)
        place = None
        while place is None and run.now < end:
            rest = run.until(self._next_step())
            run.trace.flush()
            place = found()
            if rest.why == "finished" or run.interrupted:
                break
        if place is None:
            last = bytes(self._output[-400:]).decode("latin-1").strip().splitlines()
            why = run.cell(self.cell).why or f"not within {limit} of virtual time"
            raise Trouble(f"{what} did not end: {why}; the console's last line: {last[-1] if last else 'none'}")
        return place

    def _next_step(self) -> int:
        step = self.run.cycles(STEP)
        return (self.run.now // step + 1) * step

    def _take(self, chunk: bytes) -> None:
        """Lines of the trace; a chunk holds whole ones."""
        for line in chunk.splitlines():
            if b'"k":"mark"' in line:
                record = json.loads(line)
                if record["cell"] != self.cell:
                    continue
                fields = {
                    name: value for name, value in record.items() if name not in ("t", "k", "cell", "id", "times")
                }
                self.marks.append(Mark(record["id"], record["times"], record["t"], fields))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run."""
        self.run.__exit__(kind, error, trace)
