"""The other board of a cable: a topology in a monitor of its own, started beside a run on this host, and the ends of the cables.

A cable with `to = "two_boards_b"` has that topology started by whoever runs this one; with `to = "tcp://HOST:PORT,KEYFILE"`, or
with an endpoint given at the launch, somebody else has. Both boards run at once; each is as deterministic as alone.

    joined = JoinedBoards(monitor, topology, sockets, settings)
    ...
    joined.close()                        # tells the others that this board goes no further, and waits for those it started
    joined.boards[0].summary
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hypervisor.core.monitor import Monitor
from hypervisor.shell.board_devices import Socket
from hypervisor.shell.cable_key import inherited, open_line
from hypervisor.shell.files import RunDirError
from hypervisor.shell.netlink import LinkError, NetLink, RecordedLine, ZmqLine, attach
from hypervisor.shell.rundir import RunDirectory
from hypervisor.shell.summary import Summary
from hypervisor.shell.topology import Topology, load
from hypervisor.shell.topology.spec import CableSpec

ANYWHERE = "tcp://127.0.0.1:*"
"""Where the other board finds this one, if both are on this host."""
PATIENCE_S = 120.0
"""How long a board that was started beside this one may go on when this one has ended."""

_BOOT = """
import os, signal, sys
from cells import kernel
kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() != int(sys.argv.pop(1)):
    sys.exit(128 + signal.SIGTERM)
from hypervisor.cli import main
main()
"""
"""The command, in a process that ends, as by SIGTERM, when the one that started it is gone: also when that was killed."""


@dataclass(frozen=True)
class Settings:
    """What of a run matters for its neighbours. `endpoints`: device -> where its cable leads, in place of the topology's word."""

    endpoints: Mapping[str, str]
    directory: RunDirectory | None
    link: str
    sandbox: bool
    recorded: Path | None
    """In a replay: the directory of what the other boards told."""
    stop: Callable[[], bool]


class Beside:
    """A process that runs the topology at the other end."""

    def __init__(self, cable: CableSpec, topology: Topology, line: ZmqLine, settings: Settings) -> None:
        self.name = cable.to
        self.summary: Summary | None = None
        self.status: int | None = None
        there = load(self._place(topology), flavour=topology.flavour, seed=topology.seed)
        device = next((other.between[0] for other in there.cables if other.to), None)
        if device is None:
            raise LinkError(f"{cable.to} has no cable that leads to another board (write `to` in its [[cables]])")
        command = [sys.executable, "-c", _BOOT, str(os.getpid()), "run", self._place(topology), "--json"]
        command += ["--flavour", topology.flavour, "--seed", str(topology.seed), "--link", settings.link]
        command += ["--for", topology.until] if topology.until else []
        command += [] if settings.sandbox else ["--no-sandbox"]
        if settings.directory is not None:
            (settings.directory.path / "boards").mkdir(exist_ok=True)
            command += ["--out", str(settings.directory.path / "boards" / there.name)]
        paths = os.pathsep.join(path for path in sys.path if path)
        with inherited(line.key) as (descriptor, file):
            self._process = subprocess.Popen(
                [*command, "--cable", f"{device}={line.endpoint},{file}"],
                pass_fds=(descriptor,),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": paths},
            )

    def _place(self, topology: Topology) -> str:
        """The other topology as a command takes it: paths are relative to the file that names them."""
        is_path = "/" in self.name or self.name.endswith(".toml")
        return str((topology.directory or Path()) / self.name) if is_path else self.name

    def wait(self) -> None:
        """Let it come to its end. May be called twice.

        Raises:
            LinkError: it did not come up, or does not end.
        """
        if self.status is not None:
            return
        try:
            out, err = self._process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.stop()
            raise LinkError(f"{self.name} goes on for more than {PATIENCE_S:g} s after this board has ended") from None
        self.status = self._process.returncode
        if not out:
            raise LinkError(f"{self.name}: {err.decode(errors='replace').strip() or 'ended without a word'}")
        self.summary = Summary.from_json(out)

    def stop(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.communicate()
        self.status = self._process.returncode if self.status is None else self.status


class JoinedBoards:
    """The cables of a board that lead to others; `boards`: those that were started for it."""

    def __init__(self, monitor: Monitor, topology: Topology, sockets: Mapping[str, Socket], settings: Settings) -> None:
        self.boards: list[Beside] = []
        self.links: list[NetLink] = []
        self._check(topology, settings.endpoints)
        try:
            for cable in topology.cables:
                if cable.to:
                    self._join(monitor, topology, cable, sockets[cable.between[0]], settings)
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def _check(topology: Topology, endpoints: Mapping[str, str]) -> None:
        leading_away = [cable.between[0] for cable in topology.cables if cable.to]
        for device in endpoints:
            if device not in leading_away:
                known = f"there are {', '.join(leading_away)}" if leading_away else "none of its cables does"
                raise LinkError(f"--cable: no cable of {topology.name} leads from {device} to another board; {known}")

    def _join(self, monitor: Monitor, topology: Topology, cable: CableSpec, socket: Socket, settings: Settings) -> None:
        device, hz = cable.between[0], topology.board.clock_hz
        named = settings.endpoints.get(device, cable.to)
        line: RecordedLine | ZmqLine
        if settings.recorded is not None:
            line = RecordedLine(settings.recorded / f"{device}.link")
        else:
            line = open_line(device, named, settings.stop) if "://" in named else ZmqLine(ANYWHERE, settings.stop)
        link = NetLink(monitor, device, hz, cable.latency_ns, line, socket.deliver, _record(settings, device))
        self.links.append(link)
        attach(monitor, device, link)
        socket.plug(link.send)
        if "://" not in named and isinstance(line, ZmqLine):
            self.boards.append(Beside(cable, topology, line, settings))

    def close(self) -> None:
        """This board goes no further; wait for those that were started for it. May be called twice.

        Raises:
            LinkError: one of them failed to come up or to end.
        """
        for link in self.links:
            link.close()
        try:
            for board in self.boards:
                board.wait()
        finally:
            self.stop()

    def stop(self) -> None:
        """As `close`, without patience and without a complaint."""
        for link in self.links:
            link.close()
        for board in self.boards:
            board.stop()


def _record(settings: Settings, device: str) -> BinaryIO | None:
    """A file for what the other board tells."""
    if settings.directory is None:
        return None
    path = settings.directory.link_path(device)
    try:
        path.parent.mkdir(exist_ok=True)
        return path.open("wb")
    except OSError as error:
        raise RunDirError.because(path, error) from error
