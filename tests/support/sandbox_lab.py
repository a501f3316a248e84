"""Cells for experiments: run any function in a fresh cell's process, inside or outside of the sandbox.

    with Lab() as lab:
        outcome = lab.run(lambda: open("/etc/hostname").read())
        assert outcome.error.startswith("PermissionError")

`resident` is the entry of a cell that just stays, as a victim or as something to kill.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from cells.order import CellOrder, pickle_guest, unpickle_guest
from cells.sandbox import LAYERS, SandboxPolicy, enter
from hypervisor.shell.processes import CellProcess, ExitStatus, Zygote

HERE = "tests.support.sandbox_lab"
OPEN = SandboxPolicy(enabled=False)
SECRET = b"the guest's own secret"


@dataclass(frozen=True)
class Outcome:
    """What a function in a cell came to: its value, or its error as text; and how the cell ended."""

    value: Any
    error: str
    report: Mapping[str, Any]
    status: ExitStatus


class Lab:
    """A zygote, and a way to run functions in its cells."""

    def __init__(self, zygote: Zygote | None = None) -> None:
        self.zygote = zygote or Zygote.start(warm=[HERE, "tests.support.attacks"])

    def __enter__(self) -> Self:
        self.run(int)  # so that the first experiment does not wait for the zygote to be ready
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.zygote.stop()

    def spawn(
        self,
        guest: Callable[..., object] | None,
        policy: SandboxPolicy | None = None,
        settings: Mapping[str, object] | None = None,
        entry: str = f"{HERE}:experiment",
        descriptors: Mapping[str, int] | None = None,
    ) -> tuple[CellProcess, socket.socket]:
        """Start a cell; the socket is its way to answer."""
        pickled = pickle_guest(guest) if guest else b""
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = CellOrder("lab", 0, dict(settings or {}), pickled, policy or SandboxPolicy())
        with there:
            cell = self.zygote.spawn(order, {"answer": there.fileno(), **(descriptors or {})}, entry)
        return cell, here

    def run(
        self,
        guest: Callable[..., object],
        policy: SandboxPolicy | None = None,
        settings: Mapping[str, object] | None = None,
        **descriptors: int,
    ) -> Outcome:
        """Run a function in a cell of its own; it gets the descriptors by name.

        Settings: "prepare": the function runs before the sandbox closes, and returns what to run afterwards;
        "without": layers to leave out.
        """
        cell, answer = self.spawn(guest, policy, settings, descriptors=descriptors)
        with answer:
            data = answer.recv(1 << 16)
        status = cell.wait(10)
        cell.close()
        assert status is not None, "the cell did not end"
        said = json.loads(data) if data else {"value": None, "error": str(status), "report": {}}
        return Outcome(said["value"], said["error"], said["report"], status)


def experiment(order: CellOrder, descriptors: dict[str, int]) -> None:
    """The entry of a cell that runs its guest once and says what came of it."""
    with socket.socket(fileno=descriptors.pop("answer")) as answer:
        guest = functools.partial(unpickle_guest(order.guest), **descriptors)
        if order.settings.get("prepare"):
            guest = guest()
        for layer in order.settings.get("without", ()):  # type: ignore[attr-defined]
            del LAYERS[layer]
        report = enter(order.sandbox)
        value, error = None, ""
        try:
            value = guest()
        except Exception as found:
            error = f"{type(found).__name__}: {found}"
        said = {"value": value, "error": error, "report": {"held": report.held, "lacking": report.lacking}}
        answer.send(json.dumps(said).encode())


def resident(order: CellOrder, descriptors: dict[str, int]) -> None:
    """The entry of a cell that says where its secret is, and stays."""
    secret = ctypes.create_string_buffer(SECRET)
    with socket.socket(fileno=descriptors["answer"]) as answer:
        enter(order.sandbox)
        answer.send(json.dumps({"pid": os.getpid(), "address": ctypes.addressof(secret), **descriptors}).encode())
        answer.recv(1)
        answer.send(secret.raw)
        while True:
            signal.pause()
