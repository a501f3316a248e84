"""One cell on the host: its process, its memory segment and its link, through all its lives."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from cells.order import CellOrder
from cells.sandbox import SandboxPolicy
from hypervisor.abi.messages import BadMessage, unpack
from hypervisor.abi.records import BadRecord, Exit, ExitKind, Resume
from hypervisor.core.lives import KILLED
from hypervisor.shell.backstop import MOMENT_S, Backstop
from hypervisor.shell.flood import FLOODS
from hypervisor.shell.links import Link, PeerDied
from hypervisor.shell.links.shm import ShmLink
from hypervisor.shell.links.zmq import ZmqHub, ZmqLink
from hypervisor.shell.loop_ports import HostTrouble, NoRoom
from hypervisor.shell.post import PostedLink
from hypervisor.shell.processes import CellProcess, ExitStatus, Zygote, ZygoteError

WAIT_NS = 20_000_000
"""How long one wait for an exit lasts before the host side of the cell is looked at."""


class Patience(NamedTuple):
    """When a cell counts as hung: a matter of the host, far above anything honest.

    `backstop`: seconds of CPU time that it may spend within one resume, or of wall time that it may sleep there. `hello`: seconds
    of wall time within which a new cell must be ready.
    """

    backstop: float = 10.0
    hello: float = 60.0


PATIENCE = Patience()

_IDLE = frozenset("STtXZ")
"""States of a thread in /proc (proc_pid_stat(5)): sleeping, stopped, traced, dead. Running and waiting for a disk are work."""

SAID_LIMIT = 4000
"""Characters of what a process printed that the account keeps."""

_ADVICE = {
    errno.EFBIG: "raise the limit of file sizes, ulimit -f, or give the cell less ram",
    errno.EMFILE: "raise the limit of open files, ulimit -n, or run fewer cells",
    errno.ENFILE: "the host has too many files open; run fewer cells",
    errno.ENOMEM: "give the cells less ram, or free memory on this host",
    errno.ENOSPC: "give the cells less ram, or free memory on this host",
}
"""What to do when the host has no shared memory."""

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


@dataclass(frozen=True)
class CellPlan:
    """How to make a cell's process: everything that stays the same over its lives.

    `segments`: (offset in RAM, bytes) to load before each start. `ram_size`: 0 for a cell without memory of its own.
    `pages`: it may get pages of others. `fds`: descriptors that each life gets beside those, by name.
    """

    index: int
    name: str
    settings: dict[str, Any]
    guest: bytes
    sandbox: SandboxPolicy
    ram_size: int = 0
    segments: Sequence[tuple[int, bytes]] = ()
    transport: str = "shm"
    pages: bool = False
    fds: Mapping[str, int] = field(default_factory=dict)
    later: CellPlan | None = None
    """How to make all lives but the first, if otherwise."""

    @property
    def posted(self) -> Sequence[int]:
        """Slots of its message channels that ride on ZeroMQ."""
        slots: Sequence[int] = self.settings.get("posted", ())
        return slots


@dataclass(slots=True)
class HostFigures:
    """What was measured of a cell on the host, over all its lives."""

    cpu_seconds: float = 0.0
    peak_memory: int = 0
    memory_at_start: int = 0
    lacking: tuple[str, ...] = field(default=())
    said: str = ""
    """What its process had printed when it last ended by itself: the end of it, control characters shown."""


class Greeting(NamedTuple):
    """What a cell says first: layers of the sandbox that its host lacks, and its own memory in bytes (0: not measured)."""

    lacking: tuple[str, ...]
    memory: int


def greeting(record: Exit) -> Greeting:
    """What a new cell's first exit says.

    Raises:
        HostTrouble: it is no greeting.
    """
    try:
        said = unpack(record.data) if record.kind == ExitKind.HELLO else {}
        return Greeting(tuple(str(layer) for layer in said["lacking"]), int(said["memory"]))
    except (BadMessage, TypeError, KeyError, ValueError):
        raise HostTrouble("protocol: no hello") from None


def _nobody(_runs: str) -> None:
    """The default of who floods the monitor."""


class CellHost:
    """Starts, resumes, waits for and ends one local cell. `culprit(name)`: who floods the monitor while this one runs."""

    def __init__(
        self,
        plan: CellPlan,
        zygote: Zygote,
        hub: Callable[[], ZmqHub],
        patience: Patience = PATIENCE,
        culprit: Callable[[str], str | None] = _nobody,
    ) -> None:
        self.plan, self.patience = plan, patience
        self._culprit = culprit
        self.figures = HostFigures()
        self.process: CellProcess | None = None
        self.starved = False
        self._zygote, self._hub = zygote, hub
        self._link: Link | None = None
        self._ram = -1
        self._pages: socket.socket | None = None
        self._backstop = Backstop(patience.backstop)
        self._earlier = 0.0

    # ---- life

    def start(self) -> None:
        """Make the process and wait until it is ready.

        Raises:
            NoRoom: the host refuses memory, descriptors or a process.
        """
        try:
            self._start()
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            advice = _ADVICE.get(error.errno or 0, "see what limits this user has on the host")
            raise NoRoom(
                f"cell {self.plan.name}: no {self.plan.ram_size >> 10} KiB of shared memory: {why} ({advice})"
            ) from None
        except ZygoteError as error:
            raise NoRoom(f"{error} (see what limits this user has on the host: ulimit -a)") from None

    def _start(self) -> None:
        plan = self.plan
        settings = {**plan.settings, "link": {"transport": plan.transport}}
        fds = {**self._load_ram(), **plan.fds}
        page = ShmLink() if plan.transport == "shm" else None
        hub = self._hub() if page is None or plan.posted else None
        if page is not None:
            self._link = page
            fds["page"] = page.fd
        if self.starved:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if hub is not None:
            settings["link"]["address"] = self._admit(hub)
            link = page or ZmqLink(hub, plan.name)
            posted = plan.posted
            patience = self.patience.backstop
            self._link = PostedLink(link, hub, plan.name, posted, patience, self._asleep) if posted else link
        order = CellOrder(plan.name, plan.index, settings, plan.guest, plan.sandbox)
        self.process = self._spawn(order, fds)
        self.plan = plan.later or plan
        if page is not None:
            page.attach(self.process.pidfd)
        if hub is not None:
            hub.watch(plan.name, self.process.pidfd)

    def _admit(self, hub: ZmqHub) -> dict[str, str | bytes]:
        """With what the cell connects."""
        public, secret = hub.admit(self.plan.name, felt=self.plan.transport == "zmq")
        return {
            "endpoint": hub.endpoint,
            "server_key": hub.public_key,
            "public_key": public,
            "secret_key": secret,
        }

    def _spawn(self, order: CellOrder, fds: dict[str, int]) -> CellProcess:
        if not self.plan.pages:
            return self._zygote.spawn(order, fds)
        self._pages, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._pages.setblocking(False)  # a cell that takes nothing must not hold the monitor
        with theirs:
            return self._zygote.spawn(order, {**fds, "pages": theirs.fileno()})

    def await_hello(self) -> None:
        """Wait until the new process says that it is ready.

        Raises:
            HostTrouble: it died, or said nothing for too long.
        """
        waited = 0.0
        while waited < self.patience.hello:
            began = time.monotonic()
            record = self._poll(WAIT_NS)
            if record is not None:
                said = greeting(record)
                self.figures.lacking, self.figures.memory_at_start = said.lacking, said.memory
                return
            waited += min(time.monotonic() - began, MOMENT_S)
        raise HostTrouble("did not become ready")

    def _load_ram(self) -> dict[str, int]:
        if not self.plan.ram_size:
            return {}
        self._drop_ram()
        self._ram = os.memfd_create(f"cellvisor-{self.plan.name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self._ram, self.plan.ram_size)
        fcntl.fcntl(self._ram, fcntl.F_ADD_SEALS, _SEALS)
        for offset, content in self.plan.segments:
            if os.pwrite(self._ram, content, offset) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return {"ram": self._ram}

    def end(self, *, keep: bool) -> None:
        """End the process, whatever it does; forget its memory unless it is kept."""
        if self.process is not None:
            self.measure()
            self._earlier = self.figures.cpu_seconds
            self.process.kill()
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._pages is not None:
            self._pages.close()
            self._pages = None
        if self.process is not None:
            self.process.close()
            self.process = None
        if not keep:
            self._drop_ram()

    def _drop_ram(self) -> None:
        if self._ram >= 0:
            used = os.fstat(self._ram).st_blocks * 512
            self.figures.peak_memory = max(self.figures.peak_memory, used)
            os.close(self._ram)
            self._ram = -1

    def memory(self) -> mmap.mmap | None:
        """The cell's RAM, for inspection; None if it has none."""
        return mmap.mmap(self._ram, self.plan.ram_size) if self._ram >= 0 else None

    @property
    def talks(self) -> bool:
        """Whether its process has a socket to the monitor."""
        return bool(self.plan.posted) or self.plan.transport != "shm"

    # ---- pages of others

    @property
    def ram(self) -> int:
        """The descriptor of its own memory, -1 if it has none."""
        return self._ram

    def hand_over(self, message: bytes, descriptor: int) -> None:
        """Let the cell have a descriptor; what becomes of it is said in `message`.

        Raises:
            HostTrouble: it takes none.
        """
        if self._pages is None:
            raise HostTrouble("has no way to take pages of others")
        try:
            socket.send_fds(self._pages, [message], [descriptor])
        except ConnectionError:
            pass  # it is dead, as will be found
        except BlockingIOError:
            raise HostTrouble("protocol: does not take the pages that it is given") from None

    # ---- the world switch

    def resume(self, record: Resume) -> None:
        """Let the vCPU run."""
        assert self._link is not None
        self._backstop.begin()
        self._link.resume(record)

    def wait(self) -> Exit:
        """The vCPU's exit.

        Raises:
            HostTrouble: there will be none.
        """
        while True:
            record = self._poll(WAIT_NS)
            if record is not None:
                return record
            self._watch()

    def _poll(self, timeout_ns: int) -> Exit | None:
        assert self._link is not None
        try:
            return self._link.wait(timeout_ns)
        except PeerDied:
            raise HostTrouble(self.how_it_ended()) from None
        except BadRecord as error:
            raise HostTrouble(f"protocol: {error}") from None

    def _watch(self) -> None:
        """No exit yet: is the cell stopped, spinning outside of the engine, or asleep?"""
        assert self.process is not None
        try:
            host = psutil.Process(self.process.pid)
            state, used = host.status(), sum(host.cpu_times()[:2])
        except psutil.Error:
            return  # it is just ending; the link will tell
        why = self._backstop.look(state, used, time.monotonic())
        if state != psutil.STATUS_STOPPED and self.talks and self._culprit(self.plan.name) == self.plan.name:
            why = FLOODS
        if why:
            raise HostTrouble(why)

    # ---- what the host says

    def _asleep(self) -> bool:
        """Whether no thread of the process has anything to do, or may: a stopped one does nothing either."""
        assert self.process is not None
        with suppress(OSError):
            tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
            states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks]
            return all(state in _IDLE for state in states)
        return True  # it is just ending; the hub will tell

    def ended(self) -> bool:
        """True once the process has ended by itself."""
        if self.process is None:
            return False
        poller = select.poll()
        poller.register(self.process.pidfd, select.POLLIN)
        return bool(poller.poll(0))

    def how_it_ended(self) -> str:
        """Why the process is gone, in the words of the trace."""
        status = self.process.wait(1.0) if self.process is not None else None
        if status is not None:
            self.figures.said = status.log[-SAID_LIMIT:]
        return describe_end(status)

    def measure(self) -> None:
        """Bring the figures up to now."""
        if self.process is not None:
            with suppress(psutil.Error):
                spent = psutil.Process(self.process.pid).cpu_times()
                self.figures.cpu_seconds = self._earlier + spent.user + spent.system
        if self._ram >= 0:
            self.figures.peak_memory = max(self.figures.peak_memory, os.fstat(self._ram).st_blocks * 512)


def describe_end(status: ExitStatus | None) -> str:
    """A process's end. SIGKILL says "killed", as a planned kill does: the trace must not tell them apart."""
    if status is None:
        return "protocol: gave up its link"
    return KILLED if status.signal == signal.SIGKILL else f"process ended: {status}"
