"""The kernel: which process runs, what its exceptions mean, and how that keeps to virtual time.

Theory: the personality is the guest of its cell, as a machine is (cells/machine/machine.py): it runs up to the end that the
monitor has set, skips its own idle time up to the horizon, and stops for the monitor when its time is over, when nothing can run,
or when there is output. No system call leaves the cell. One process runs at a time, in turn, a quantum each; a call that
sleeps is a generator that waits in queues (wait.py). Time is what the CPU counts, and what the kernel charges for its own work.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from cells.fault import GuestFault
from cells.lockstep import Lockstep
from cells.memory import CellMemory
from cells.personalities.arm.cpu import EXCEPTION, Cpu
from cells.personalities.arm.errno import NAMES, Errno
from cells.personalities.arm.reach import Memory
from cells.personalities.arm.space import Space
from cells.personalities.linux import kuser, sys_sequence, table, traps
from cells.personalities.linux.attached import Attached
from cells.personalities.linux.calling import go_on, perform
from cells.personalities.linux.file_table import FileTable
from cells.personalities.linux.initramfs import mount
from cells.personalities.linux.life import adopt, finish
from cells.personalities.linux.loader import load
from cells.personalities.linux.process import PC, RUNNING, ZOMBIE, Process, Processes
from cells.personalities.linux.redirection import Account
from cells.personalities.linux.signal_frame import Info
from cells.personalities.linux.signals import Signals
from cells.personalities.linux.spec import LinuxSpec, take_root
from cells.personalities.linux.streams import Streams
from cells.personalities.linux.timers import Timer, Timers
from cells.personalities.port import PersonalityPort
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.pv import Trap
from hypervisor.abi.records import Event, EventKind
from hypervisor.abi.redirection import Event as Redirected

CALL_CYCLES, SWITCH_CYCLES = 250, 400
"""Cycles that the kernel takes for a system call, and for a change of process: assumed, of the order of lmbench's results for
Linux on an ARM926 (lat_syscall null, lat_ctx)."""
QUANTUM_MS = 10
MESSAGES = 256
"""Lines of the kernel's own that are kept."""
SIGBUS, SIGCHLD = 7, 17
BUS_OBJERR = 3
SYSTEM_CALL = int(Trap.SWI)


class Kernel:
    """The guest of a cell whose personality is Linux's. `root`: a newc cpio; `shared`: its connected memory."""

    def __init__(self, spec: LinuxSpec, ram: Any, root: bytes, shared: CellMemory | None = None) -> None:
        self.spec, self.hz = spec, spec.hz
        self.calls = {number: row.function for number, row in table.load().items() if row.function is not None}
        self.cpu = Cpu(spec, ram, shared)
        self.frames, tables, common = self.cpu.share(spec, ram, kuser.helpers(spec.architecture))
        self.memory = Memory(self.frames, tables, self.cpu.layout, common, self.cpu.stale)
        self.processes = Processes()
        self.current: Process | None = None
        self.account = Account(spec.redirection, lambda: int(self._vcpu.svc))
        self.cpu.call_charge = CALL_CYCLES + self.account.price(Redirected.SYSCALL)
        self.missing: Counter[int] = Counter()
        """Calls that are not there, and how often they were made."""
        self._quantum = spec.hz * QUANTUM_MS // 1000
        self._vcpu = self.cpu.vcpu
        self.port = PersonalityPort(self._vcpu, spec, shared, self.account.pack)
        self.port.on_faults = self.cpu.suffer
        self.cpu.on_mark = self.port.mark
        self._ready: deque[Process] = deque()
        self.timers = Timers(self._vcpu)
        self._random = spec.seed & 0xFFFF_FFFF_FFFF_FFFF
        self._loaded: int | None = None
        """pid of whose registers the CPU has."""
        self.switches = 0
        """Changes of process so far."""
        self.paid = 0
        """Pages made so far for which time has passed."""
        self.messages: deque[str] = deque(maxlen=MESSAGES)
        self._reports: list[str] = []
        self.futexes: dict[Any, Any] = {}
        self.host_name = spec.name
        self.console: Any = None
        self.attached = Attached(self)
        self.vfs: Any = mount(self, root)
        self.frames.reclaim = self.vfs.reclaim
        self.streams = Streams(self)
        self._input_ended = False
        self.port.on_terminal = self._terminal_event
        self.first: Process
        """The cell ends with it. A program that may lie on the host is looked for when the monitor listens."""
        if not spec.views:
            self.first = self._start_first()

    def _start_first(self) -> Process:
        """The first process, from the topology's program."""
        words = [word.encode() for word in self.spec.program]
        process = Process(self, self.processes.number(), None, Space(self.memory), FileTable(), Signals())
        process.directory = process.root = self.vfs.root
        process.files = self.streams.files()
        self.processes.add(process)
        self.console.session = self.console.foreground = process.pid
        process.terminal = self.console
        try:
            program = load(
                self,
                lambda path: self.vfs.lookup(process, path),
                words[0],
                words,
                [word.encode() for word in self.spec.environment],
            )
        except Errno as error:
            self.output(f"{self.spec.program[0]}: {NAMES.get(error.code, error.code)}\r\n".encode())
            finish(self, process, 127 << 8)
            return process
        adopt(process, program)
        self._ready.append(process)
        return process

    # ---- time

    def now(self) -> int:
        """Global virtual time, in cycles."""
        time: int = self._vcpu.cycles + self._vcpu.offset
        return time

    def at(self, time: int, function: Callable[[], object]) -> Timer:
        """Have something done at a time, or soon after."""
        return self.timers.at(time, function)

    # ---- what the parts ask of the kernel

    def ready(self, process: Process) -> None:
        """It can run."""
        self._ready.append(process)

    def copied(self, size: int) -> None:
        """The kernel has moved so many bytes, which takes time. Small pieces (file.SMALL) are in a call's price."""
        self.port.work(size)

    def end_turn(self) -> None:
        """Who runs now goes to the end of the line."""
        self._vcpu.limit = 0

    def output(self, data: bytes) -> None:
        """To the cell's console."""
        self.port.emit(data)

    @property
    def crowded(self) -> bool:
        """More output waits than one exit carries: whoever prints should wait."""
        return self.port.crowded

    def log(self, text: str) -> None:
        """A line of the kernel's own, which syslog(2) shows; the oldest go."""
        seconds, rest = divmod(self.now() * 1_000_000 // self.hz, 1_000_000)
        self.messages.append(f"[{seconds:5d}.{rest:06d}] {text}\n")

    def report(self, name: str) -> None:
        """A figure for the run's account: that this has happened."""
        self._reports.append(name)
        self._vcpu.limit = 0

    def random(self, size: int) -> bytes:
        """Bytes that look random and follow from the seed (splitmix64)."""
        found = bytearray()
        while len(found) < size:
            self._random = (self._random + 0x9E3779B97F4A7C15) & 0xFFFF_FFFF_FFFF_FFFF
            word = self._random
            word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFF_FFFF_FFFF_FFFF
            word = (word ^ word >> 27) * 0x94D049BB133111EB & 0xFFFF_FFFF_FFFF_FFFF
            found += (word ^ word >> 31).to_bytes(8, "little")
        return bytes(found[:size])

    def exit(self, process: Process, status: int) -> None:
        """A process ends: `status` as wait4 tells it."""
        finish(self, process, status)

    def forget(self, process: Process) -> None:
        """Its registers and its space are not those in the CPU any more."""
        if self._loaded == process.pid:
            self._loaded = None

    def child_changed(self, process: Process, code: int, status: int) -> None:
        """Tell the parent: SIGCHLD, and its wait looks again."""
        parent = process.parent
        if parent is None:
            return
        parent.child_changed.wake()
        flags = parent.signals.action(SIGCHLD).flags
        if not (flags & 1 and code in (5, 6)):  # SA_NOCLDSTOP
            info = Info(code, process.leader, process.user[0], status)
            parent.signals.send(parent, process.exit_signal or SIGCHLD, info)

    # ---- the loop

    def run(self, world: Lockstep) -> None:
        """Run for ever; the monitor ends the process."""
        self.port.begin(world)
        if self.spec.views:
            self.first = self._start_first()
        while True:
            self._step(self.port)

    def _step(self, port: PersonalityPort) -> None:
        port.take()
        self.attached.progress()
        if typed := port.typed():
            self.streams.typed(typed)
        if self._input_ended:
            self._input_ended = False
            self.streams.ended()
        self.timers.ring(self.now())
        if self.first.state is ZOMBIE:
            self._shut_down()
        elif port.settle():
            if not port.crowded:
                self.console.writers.wake()
        elif self.streams.wanted:
            self.streams.asked()
            port.hypercall(Hypercall.INPUT)
        elif self._reports:
            port.report(self._reports.pop(0), 1)
        elif self._ready:
            self._turn(self._ready.popleft(), min(port.until(), self.timers.next()))
        else:
            port.idle(self.timers.next())

    def _terminal_event(self, event: Event) -> None:
        if event.kind == EventKind.WINDOW:
            self.console.resize(event.payload)
        else:
            self._input_ended = True  # behind what was typed before

    def _shut_down(self) -> None:
        """The first process has ended, and with it the cell: its status as a shell tells it."""
        status = self.first.status
        self.port.shut_down(128 + (status & 0x7F) if status & 0x7F else status >> 8 & 0xFF)

    # ---- a turn of a process

    def _turn(self, process: Process, until: int) -> None:
        """Let it run until it sleeps or ends, its quantum is over, or something else is due."""
        vcpu = self._vcpu
        if process.state is not RUNNING:  # it was ended while it stood in line
            return
        self.current = process
        if process.pid != self._loaded:
            vcpu.cycles += SWITCH_CYCLES
            self.switches += 1
        before = process.turn_began = vcpu.cycles
        vcpu.limit = max(min(until - vcpu.offset, before + self._quantum), 0)
        if process.sequence[0]:
            sys_sequence.interrupted(process)
        if process.sleeping is not None:
            go_on(process)
        self._run(process)
        process.cycles_user += vcpu.cycles - before
        self.current = None
        _ = process.core  # another may come into the CPU
        if process.state is RUNNING and process not in self._ready:
            self._ready.append(process)

    def _run(self, process: Process) -> None:
        vcpu, cpu = self._vcpu, self.cpu
        while process.state is RUNNING:
            if process.attention:
                self._deliver(process)
                continue
            if process.sleeping is not None:
                break
            if not process.in_cpu:
                if vcpu.cycles >= vcpu.limit:
                    break
                self._enter(process)
            try:
                stop = cpu.run()
            except GuestFault as fault:  # the engine cannot go on from what this program has done; others can
                self.log(f"{process.name} ({process.pid}): {fault}")
                process.signals.fault(process, SIGBUS, BUS_OBJERR, fault.pc)
                continue
            if stop != EXCEPTION:
                process.core[PC] = kuser.restarted(process.core[PC])
            elif vcpu.trap == SYSTEM_CALL:
                perform(self, process)
            else:
                traps.serve(self, process)

    def _enter(self, process: Process) -> None:
        """Its registers into the CPU, and its space if another's is there."""
        if process.pid != self._loaded:
            self._loaded = process.pid
            self.cpu.enter(process.space.base, process.registers, process.thread_pointer)
        else:
            self.cpu.write(process.registers)
        process.in_cpu = True

    def _deliver(self, process: Process) -> None:
        for _ in range(process.signals.deliver(process)):
            self._vcpu.cycles += self.account.happened(Redirected.SIGNAL)


def build(told: Mapping[str, Any], ram: Any, shared: CellMemory | None) -> Kernel:
    """The guest that a cell's order describes (cells/runtime.py)."""
    spec = LinuxSpec(**told)
    return Kernel(spec, ram, take_root(spec, ram), shared)
