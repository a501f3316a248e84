"""Everything that a run is made of, from its directory to its cells' processes: made in order, given back in the reverse order.

`Run` of hypervisor/api.py is this, with ears (listening.py) and with what its user may ask of it. What fails halfway gives back
what was there already.
"""

from __future__ import annotations

import secrets
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hypervisor.abi.faults import Armed
from hypervisor.abi.records import Exit
from hypervisor.core.cell import Cell
from hypervisor.core.effects import KeepPicture
from hypervisor.core.injected import refused
from hypervisor.core.monitor import Monitor
from hypervisor.shell.beside import JoinedBoards, Settings
from hypervisor.shell.board_devices import attach_devices
from hypervisor.shell.cellhost import CellHost, CellPlan, Patience
from hypervisor.shell.device_files import DeviceFiles
from hypervisor.shell.device_memory import DeviceMemories
from hypervisor.shell.disks import Disks
from hypervisor.shell.files import heal, spoil
from hypervisor.shell.flood import FloodGuard
from hypervisor.shell.inputs import Input, InputLog, ReplayInputs
from hypervisor.shell.links.zmq import ZmqHub
from hypervisor.shell.loop import Loop
from hypervisor.shell.memory import SharedMemory
from hypervisor.shell.picture import Picture
from hypervisor.shell.pinning import pin_to_one_cpu, unpin
from hypervisor.shell.plans import build_monitor, plan_cells, shares_memory
from hypervisor.shell.processes import Zygote
from hypervisor.shell.remotehost import RemoteHost
from hypervisor.shell.rundir import RunDirectory
from hypervisor.shell.served import ServedFiles, views_of
from hypervisor.shell.served_record import ServedRecord
from hypervisor.shell.signal_storm import SignalStorm
from hypervisor.shell.snapshots import RESUMED, Snapshots
from hypervisor.shell.streams import HostStreams
from hypervisor.shell.summary import Summary
from hypervisor.shell.topology import Problem, Topology, TopologyError
from hypervisor.shell.topology.problems import nearest
from hypervisor.shell.trace import Trace

BACKLOG = 1 << 20
"""Console bytes per cell that a run keeps for those who look later; a run directory keeps all."""


@dataclass(frozen=True)
class Options:
    """What `launch` was told beside the topology."""

    out: Path | str | None
    link: str
    sandbox: bool
    replay: Path | None
    measure: bool
    remote: tuple[str, ...]
    listen: str
    ticket: Path | None
    cables: Mapping[str, str]
    patience: Patience
    snapshot: Path | None = None
    at_mark: int = 0
    resume: Path | None = None
    timeline: bool = True


class Machinery(ABC):
    """A topology's monitor, its cells' host sides, and what they write to."""

    def __init__(self, topology: Topology, zygote: Zygote, options: Options) -> None:
        self.topology = topology
        self.link = options.link
        self.zygote = zygote
        self.on_output: list[Callable[[str, bytes], None]] = []
        self.interrupted = False
        self._options = options
        self._hub: ZmqHub | None = None
        self._closed = False
        self._storm = SignalStorm()
        self.pictures: dict[str, Picture] = {}
        """The latest picture that each cell took of what it sees."""
        self._consoles = {cell.name: bytearray() for cell in topology.cells}
        self.guard = FloodGuard(self._talkers)
        with ExitStack() as undo:
            self._bring_up(undo)
            undo.pop_all()

    def _bring_up(self, undo: ExitStack) -> None:
        """Make everything and start every cell; `undo` gets what must be given back should that fail."""
        options, topology = self._options, self.topology
        self._check_remote()
        self.snapshots = Snapshots(topology, options.snapshot, options.at_mark, options.resume)
        undo.callback(self.snapshots.close)
        # The recorded inputs are read before a directory of that name is cleared.
        recorded = ReplayInputs(options.replay) if options.replay else None
        shown = ServedRecord(options.replay.with_name("served.jsonl") if options.replay else None)
        self.directory = self._make_directory(undo)
        if self.directory is not None and options.resume is not None:
            self.directory.write_file(RESUMED, options.resume.read_bytes())
        self.monitor: Monitor = build_monitor(topology, options.remote)
        shown.path = self.directory.served if self.directory else None
        self.monitor.served = self.served = ServedFiles(*views_of(topology), shown)
        undo.callback(self.served.close)
        self.devices = DeviceFiles(self.monitor, self.directory, topology.board.clock_hz, self._show)
        undo.callback(self.devices.close)
        self.shown = DeviceMemories()
        undo.callback(self.shown.close)
        self.disks = Disks(topology, self.directory, copies=recorded is not None)
        undo.callback(self.disks.close)
        sockets = attach_devices(self.monitor, topology, self.devices.outside, self.shown)
        self.joined = JoinedBoards(self.monitor, topology, sockets, self._neighbours())
        undo.callback(self.joined.stop)
        undo.callback(self._close_hub)
        self.hosts = self._make_hosts()
        self.pages = SharedMemory(self.hosts, topology.board.ram_base)
        cells = self.monitor.cells
        self.pages.starved = lambda cell: refused(self.monitor, cells[cell], "host.pages")
        undo.callback(self._end_hosts)
        self.trace = Trace(self.directory.trace if self.directory else None)
        undo.callback(self.trace.close)
        self.streams = HostStreams({cell.name: cell.network.host for cell in topology.cells if cell.network})
        undo.callback(self.streams.close)
        self.inputs = InputLog(self.directory.inputs if self.directory else None)
        undo.callback(self.inputs.close)
        self.loop = Loop(
            self.monitor,
            self.hosts,
            self.trace,
            self.inputs,
            show=self._show,
            poll=self._poll,
            replay=recorded,
            memory=self.pages,
            keep=self._keep,
            harm=self._harm,
        )
        self.loop.streams = self.streams if recorded is None else None
        self._affinity = pin_to_one_cpu(self.zygote.pid) if topology.board.cores == 1 else None
        undo.callback(unpin, self._affinity)
        self.loop.on_mark = self._marked
        self.loop.boot()
        self.snapshots.begin(self.loop.restore)

    def _neighbours(self) -> Settings:
        options = self._options
        recorded = options.replay.parent / "net" if options.replay else None
        return Settings(
            options.cables, self.directory, options.link, options.sandbox, recorded, lambda: self.interrupted
        )

    def _make_directory(self, undo: ExitStack) -> RunDirectory | None:
        if self._options.out is None:
            return None
        path = Path(self._options.out)
        if not path.exists():
            undo.callback(shutil.rmtree, path, ignore_errors=True)
        directory = RunDirectory.create(path, self.topology)
        undo.callback(heal, path)
        undo.callback(directory.close)
        return directory

    def _make_hosts(self) -> list[CellHost | RemoteHost]:
        options = self._options
        plans = plan_cells(
            self.topology, self.monitor, link=options.link, sandbox=options.sandbox, measure=options.measure
        )
        plans = [self.snapshots.equip(self.disks.equip(self.shown.equip(plan))) for plan in plans]
        endpoint = self._make_hub().listen(options.listen) if options.remote else ""
        return [
            self._make_remote(plan, endpoint)
            if plan.name in options.remote
            else CellHost(plan, self.zygote, self._make_hub, options.patience, self.guard.culprit)
            for plan in plans
        ]

    def _check_remote(self) -> None:
        names = list(self._consoles)
        problems = [
            Problem("", "remote", f'no cell is called "{name}"; {nearest(name, names)}', "--remote")
            for name in self._options.remote
            if name not in names
        ]
        problems += [
            Problem("", "remote", f'"{name}" shares memory with other cells: it cannot run on another host', "--remote")
            for name in self._options.remote
            if name in names and shares_memory(self.topology.wiring, names.index(name))
        ]
        problems += [
            Problem(
                "", "remote", f'"{cell.name}" owns a disk, a file of this host: it cannot run on another', "--remote"
            )
            for cell in self.topology.cells
            if cell.name in self._options.remote and self.topology.disks_of(cell)
        ]
        if self._options.remote and (self._options.snapshot or self._options.resume):
            problems.append(Problem("", "remote", "a snapshot holds a cell of this host", "--remote"))
        if problems:
            raise TopologyError(problems)

    def _make_remote(self, plan: CellPlan, endpoint: str) -> RemoteHost:
        several = len(self._options.remote) > 1
        ticket = self._options.ticket or Path(f"{plan.name}.ticket")
        return RemoteHost(
            plan, self._make_hub(), endpoint, ticket.with_stem(f"{ticket.stem}-{plan.name}") if several else ticket
        )

    def _make_hub(self) -> ZmqHub:
        if self._hub is None:
            self._hub = ZmqHub(f"ipc://@cellvisor-{secrets.token_hex(16)}")  # abstract: no file to leave behind
        return self._hub

    def _talkers(self) -> dict[str, int]:
        """Cells with a socket to the monitor, and their processes on this host."""
        local = [host for host in self.hosts if isinstance(host, CellHost) and host.talks]
        return {host.plan.name: host.process.pid for host in local if host.process is not None}

    # ---- what the loop needs

    @abstractmethod
    def _poll(self) -> list[Input]:
        """What came from outside since the last time."""

    def _show(self, cell: Cell, data: bytes) -> None:
        backlog = self._consoles[cell.name]
        backlog += data
        if len(backlog) > BACKLOG:
            del backlog[: len(backlog) - BACKLOG]
        if self.directory is not None:
            self.directory.console(cell.name, data)
        for listener in self.on_output:
            listener(cell.name, data)

    def _keep(self, cell: Cell, taken: KeepPicture) -> None:
        self.pictures[cell.name] = picture = Picture.of_565(taken.width, taken.height, taken.pixels)
        if self.directory is not None:
            self.directory.write_frame(f"{cell.name}-{self.monitor.now:012d}.png", picture.png())

    def _marked(self, cell: int, record: Exit) -> None:
        host = self.hosts[cell]
        if isinstance(host, CellHost):
            self.snapshots.marked(self.monitor, record, host.memory)

    def _harm(self, fault: Armed) -> None:
        """An injected fault of the host."""
        if fault.action == "signal_storm":
            self._storm.begin(fault.value("every", 500))
        elif self.directory is not None:
            spoil(self.directory.path, fault)

    # ---- the end

    @abstractmethod
    def summary(self) -> Summary:
        """The account so far."""

    def close(self) -> None:
        """End every process, write the run directory, give everything back. May be called twice."""
        self._close(account=True)

    def _close(self, *, account: bool) -> None:
        if self._closed:
            return
        self._closed = True
        with ExitStack() as stack:  # each of them, whatever another one raises; the last one first
            if self.directory is not None:
                stack.callback(heal, self.directory.path)
            stack.callback(self._storm.end)
            stack.callback(unpin, self._affinity)
            stack.callback(self._close_hub)
            stack.callback(self.zygote.stop)
            stack.callback(self.joined.close if account else self.joined.stop)
            self._finish(account=account)

    def _finish(self, *, account: bool) -> None:
        summary = self.summary() if self.directory and account else None
        ends: list[Callable[[], None]] = [self.devices.finish] if account else []
        ends += [self.devices.close, self.served.close, self.streams.close, self._end_hosts, self.trace.close]
        ends += [self.inputs.close] + ([self.directory.close] if self.directory else [])
        _each(ends)
        if self.directory and summary is not None:
            self.directory.finish(summary, timeline=self._options.timeline)

    def _end_hosts(self) -> None:
        self.snapshots.close()
        _each(
            [
                self.pages.close,
                self.shown.close,
                self.disks.close,
                *(partial(host.end, keep=False) for host in self.hosts),
            ]
        )

    def _close_hub(self) -> None:
        if self._hub is not None:
            self._hub.close()


def _each(ends: Sequence[Callable[[], None]]) -> None:
    """All of them in order, whatever another one raises: a disk that is full must not keep files open behind it."""
    with ExitStack() as stack:
        for end in reversed(ends):
            stack.callback(end)
