"""A cell that joins from elsewhere: its ticket, its order by message, its world switch over the run's ZeroMQ hub."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from hypervisor.abi.messages import pack
from hypervisor.abi.records import BadRecord, Exit, Resume
from hypervisor.abi.ticket import JOIN, Ticket, pieces
from hypervisor.shell.cellhost import PATIENCE, WAIT_NS, CellPlan, HostFigures, greeting
from hypervisor.shell.links import Link, PeerDied
from hypervisor.shell.links.zmq import ZmqHub, ZmqLink
from hypervisor.shell.loop_ports import HostTrouble, NoRoom
from hypervisor.shell.post import PostedLink
from hypervisor.shell.processes import CellProcess

JOIN_S = 600.0
"""Wall time within which a remote cell has to join."""
ANSWER_S = 60.0
"""Wall time within which a connected cell must come back from a resume: its processor is not ours to look at."""


class RemoteHost:
    """The host side of one remote cell."""

    process: CellProcess | None = None
    ram = -1

    def __init__(self, plan: CellPlan, hub: ZmqHub, endpoint: str, ticket: Path) -> None:
        self.plan = plan
        self.figures = HostFigures()
        self._hub, self._endpoint, self._path = hub, endpoint, ticket
        self._keys: tuple[bytes, bytes] | None = None
        self._link: Link | None = None
        self.starved = False
        """Of no concern: it needs no descriptors here."""

    def start(self) -> None:
        """Write the ticket and say how to join.

        Raises:
            NoRoom: the ticket cannot be written.
        """
        self._keys = self._hub.admit(self.plan.name, self._keys)
        public, secret = self._keys
        ticket = Ticket(self.plan.name, self._hub.public_key.decode(), public.decode(), secret.decode())
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise NoRoom(f"--ticket {self._path}: {why} (say with --ticket where it can be written)") from None
        with os.fdopen(descriptor, "w") as file:
            file.write(ticket.to_json())
        name, posted, link = self.plan.name, self.plan.posted, ZmqLink(self._hub, self.plan.name)
        self._link = PostedLink(link, self._hub, name, posted, PATIENCE.backstop) if posted else link
        say = f"waiting for cell {self.plan.name}: cellvisor cell --connect {self._endpoint} --ticket {self._path}"
        print(f"cellvisor: {say}", file=sys.stderr, flush=True)

    def await_hello(self) -> None:
        """Let it join, send its order, wait until it is ready.

        Raises:
            HostTrouble: it did not come, or broke off.
        """
        try:
            if self._receive(JOIN_S) != JOIN:
                raise HostTrouble("protocol: did not join")
            for message in pieces(self._order()):
                self._hub.send(self.plan.name, message)
            self.figures.lacking = greeting(self._wait(JOIN_S)).lacking
        except PeerDied:
            raise HostTrouble("killed") from None

    def _order(self) -> dict[str, Any]:
        plan = self.plan
        base = plan.settings["memory"]["base"] if plan.ram_size else 0
        segments = [(base + offset, content) for offset, content in plan.segments]
        settings = {**plan.settings, "segments": segments, "directory": ""}
        return {
            "name": plan.name,
            "index": plan.index,
            "settings": settings,
            "guest": plan.guest,
            "sandbox": plan.sandbox.enabled,
        }

    def _receive(self, seconds: float) -> bytes:
        message = self._hub.receive(self.plan.name, int(seconds * 1e9))
        if message is None:
            raise HostTrouble(f"did not answer within {seconds:.0f} s")
        return message

    def resume(self, record: Resume) -> None:
        """See `Host`."""
        assert self._link is not None
        self._link.resume(record)

    def wait(self) -> Exit:
        """See `Host`."""
        try:
            return self._wait(ANSWER_S)
        except PeerDied:
            raise HostTrouble("killed") from None

    def _wait(self, seconds: float) -> Exit:
        assert self._link is not None
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                record = self._link.wait(WAIT_NS)
            except BadRecord as error:
                raise HostTrouble(f"protocol: {error}") from None
            if record is not None:
                return record
        raise HostTrouble("backstop: does not answer")

    def ended(self) -> bool:
        """See `Host`."""
        if self._link is None:
            return False
        self._hub.pump(0)  # nobody else listens while the other cells are local
        return self._hub.dead(self.plan.name)

    def how_it_ended(self) -> str:
        """See `Host`."""
        return "killed"

    def end(self, *, keep: bool) -> None:
        """See `Host`."""
        if self._link is not None:
            try:
                self._hub.send(self.plan.name, pack(None))
            except PeerDied:
                self._link.close()
            else:
                self._link.close()
            self._link = None
            self._path.unlink(missing_ok=True)

    def hand_over(self, message: bytes, descriptor: int) -> None:
        """It has no page in common with anybody."""
        raise HostTrouble("runs on another host: it can be given no page")

    def measure(self) -> None:
        """Nothing of it can be measured here."""

    def memory(self) -> None:
        """Its memory is elsewhere."""
