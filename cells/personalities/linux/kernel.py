"""The kernel: which process runs, what its exceptions mean, and how that keeps to virtual time.

Theory: the personality is the guest of its cell, as a machine is (cells/machine/machine.py): it runs up to the end that the
monitor has set, skips its own idle time up to the horizon, and stops for the monitor when its time is over, when nothing can run,
or when there is output. No system call leaves the cell. One process runs at a time, in turn, a quantum each; a call that
sleeps is a generator that waits in queues (wait.py). Time is what the CPU counts, and what the kernel charges for its own work.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

from cells.fault import GuestFault
from cells.lockstep import Lockstep
from cells.personalities.linux import kuser, table
from cells.personalities.linux.cpu import EXCEPTION, Cpu
from cells.personalities.linux.errno import EINTR, ENOMEM, ENOSYS, NAMES, Errno
from cells.personalities.linux.file import FileTable
from cells.personalities.linux.frames import OutOfMemory
from cells.personalities.linux.initramfs import mount
from cells.personalities.linux.life import adopt, finish
from cells.personalities.linux.loader import load
from cells.personalities.linux.process import PC, RUNNING, ZOMBIE, Process, Processes
from cells.personalities.linux.redirection import Account
from cells.personalities.linux.signals import Info, Signals
from cells.personalities.linux.space import EXECUTE, READ, WRITE, Fault, Memory, Space
from cells.personalities.linux.spec import LinuxSpec
from cells.personalities.linux.wait import Interrupted
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.pv import Trap
from hypervisor.abi.records import OUTPUT_LIMIT, EventKind, ExitKind
from hypervisor.abi.redirection import Event
from hypervisor.abi.time import NEVER
from hypervisor.abi.translations import CARRIERS

CALL_CYCLES, PAGE_CYCLES, SWITCH_CYCLES = 250, 900, 400
"""Cycles that the kernel takes for a system call, for a page made or copied, for a change of process: assumed, of the order
of lmbench's results for Linux on an ARM926 (lat_syscall null, lat_pagefault, lat_ctx)."""
QUANTUM_MS = 10
ARM_CACHEFLUSH, ARM_SET_TLS, ARM_GET_TLS = 0xF0002, 0xF0005, 0xF0006
"""Calls of this architecture alone (arch/arm/include/uapi/asm/unistd.h)."""
MESSAGES = 256
"""Lines of the kernel's own that are kept."""
SIGILL, SIGTRAP, SIGBUS, SIGKILL, SIGCHLD = 4, 5, 7, 9, 17
ILL_ILLOPC, TRAP_BRKPT, BUS_OBJERR = 1, 1, 3
SYSTEM_CALL = int(Trap.SWI)
STATUS_WRITE, STATUS_BREAKPOINT, STATUS_PERMISSION = 0x800, 0b0010, 0b1111
"""Bits of the fault status: it was a store (from ARMv6 on); a breakpoint; no right to a page that is there (DDI 0406C, B3.13)."""


class Timer:
    """Something to do at a time."""

    __slots__ = ("function", "time")

    def __init__(self, time: int, function: Callable[[], object]) -> None:
        self.time = time
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """It will not be done."""
        self.function = None


class Kernel:
    """The guest of a cell whose personality is Linux's. `root`: a newc cpio."""

    def __init__(self, spec: LinuxSpec, ram: Any, root: bytes) -> None:
        self.spec, self.hz = spec, spec.hz
        self.calls = {number: row.function for number, row in table.load().items() if row.function is not None}
        self.cpu = Cpu(spec, ram)
        self.frames, tables, common = self.cpu.share(spec, ram)
        self.memory = Memory(self.frames, tables, self.cpu.layout, common, self.cpu.stale)
        self.processes = Processes()
        self.current: Process | None = None
        self.account = Account(spec.redirection)
        self.missing: Counter[int] = Counter()
        """Calls that are not there, and how often they were made."""
        self._quantum = spec.hz * QUANTUM_MS // 1000
        self._vcpu = self.cpu.vcpu
        self._world: Lockstep | None = None
        self._ready: deque[Process] = deque()
        self._timers: list[tuple[int, int, Timer]] = []
        self._most_timers = MESSAGES
        self._serial = itertools.count()
        self._output = bytearray()
        self._random = spec.seed & 0xFFFF_FFFF_FFFF_FFFF
        self._loaded: int | None = None
        """pid of whose registers the CPU has."""
        self._made = 0
        self.messages: deque[str] = deque(maxlen=MESSAGES)
        self._reports: list[bytes] = []
        self.futexes: dict[Any, Any] = {}
        self.host_name = spec.name
        self.console: Any = None
        self.vfs: Any = mount(self, root)
        self.frames.reclaim = self.vfs.reclaim
        self.first = self._start_first()

    def _start_first(self) -> Process:
        """The first process, from the topology's program."""
        words = [word.encode() for word in self.spec.program]
        process = Process(self, self.processes.number(), None, Space(self.memory), FileTable(), Signals())
        process.directory = process.root = self.vfs.root
        process.files = FileTable.first(self)
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
        timer = Timer(time, function)
        if len(self._timers) >= self._most_timers:  # cancelled ones stay until their time: not for ever
            self._timers = [entry for entry in self._timers if entry[2].function is not None]
            heapq.heapify(self._timers)
            self._most_timers = max(MESSAGES, 2 * len(self._timers))
        heapq.heappush(self._timers, (time, next(self._serial), timer))
        self._vcpu.limit = min(self._vcpu.limit, max(time - self._vcpu.offset, 0))
        return timer

    def _next_timer(self) -> int:
        timers = self._timers
        while timers and timers[0][2].function is None:
            heapq.heappop(timers)
        return timers[0][0] if timers else NEVER

    # ---- what the parts ask of the kernel

    def ready(self, process: Process) -> None:
        """It can run."""
        self._ready.append(process)

    def end_turn(self) -> None:
        """Who runs now goes to the end of the line."""
        self._vcpu.limit = 0

    def output(self, data: bytes) -> None:
        """To the cell's console."""
        self._output += data
        if len(self._output) >= OUTPUT_LIMIT:
            self._vcpu.limit = 0

    @property
    def crowded(self) -> bool:
        """More output waits than one exit carries: whoever prints should wait."""
        return len(self._output) >= OUTPUT_LIMIT

    def log(self, text: str) -> None:
        """A line of the kernel's own, which syslog(2) shows; the oldest go."""
        seconds, rest = divmod(self.now() * 1_000_000 // self.hz, 1_000_000)
        self.messages.append(f"[{seconds:5d}.{rest:06d}] {text}\n")

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
        self._world = world
        self._vcpu.offset = world.start - self._vcpu.cycles
        while True:
            self._step(world)

    def _step(self, world: Lockstep) -> None:
        for event in world.due(self.now()):
            self._take(event.kind, event.payload)
        while self._next_timer() <= self.now():
            function = heapq.heappop(self._timers)[2].function
            if function is not None:
                function()
        if self.first.state is ZOMBIE:
            self._shut_down()
        elif self.now() >= world.end:
            self._exit(ExitKind.BUDGET)
        elif len(self._output) >= OUTPUT_LIMIT:
            self._exit(ExitKind.OUTPUT)
        elif self._reports:
            self._exit(ExitKind.HYPERCALL, (Hypercall.REPORT, 0, 1, 0), data=self._reports.pop(0))
        elif self._ready:
            self._turn(self._ready.popleft(), min(world.end, world.next_event(), self._next_timer()))
        else:
            self._idle(world)

    def _idle(self, world: Lockstep) -> None:
        deadline = min(world.next_event(), self._next_timer())
        if deadline <= world.horizon and not self._output:
            self._vcpu.offset += max(deadline - self.now(), 0)
        else:
            self._exit(ExitKind.WAIT, deadline=deadline)

    def _exit(
        self, kind: int, arguments: tuple[int, int, int, int] = (0, 0, 0, 0), deadline: int = NEVER, data: bytes = b""
    ) -> None:
        """Stop for the monitor; go on at the time that it gives."""
        world, vcpu = self._world, self._vcpu
        assert world is not None
        output = bytes(self._output[:OUTPUT_LIMIT])
        del self._output[:OUTPUT_LIMIT]
        cycles = vcpu.cycles
        if kind in CARRIERS:
            data = self.account.pack()
        world.exit(kind, cycles + vcpu.offset, cycles, deadline, arguments, (vcpu.insns, 0), output, data)
        vcpu.offset = world.start - cycles

    def _shut_down(self) -> None:
        """The first process has ended, and with it the cell: its status as a shell tells it."""
        self._exit(ExitKind.OUTPUT)  # the last word on what has happened, too
        while self._output:
            self._exit(ExitKind.OUTPUT)
        status = self.first.status
        word = 128 + (status & 0x7F) if status & 0x7F else status >> 8 & 0xFF
        self._exit(ExitKind.HYPERCALL, (Hypercall.SHUTDOWN, word, 0, 0))

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == EventKind.CONSOLE:
            self.console.typed(payload)

    # ---- a turn of a process

    def _turn(self, process: Process, until: int) -> None:
        """Let it run until it sleeps or ends, its quantum is over, or something else is due."""
        vcpu = self._vcpu
        if process.state is not RUNNING:  # it was ended while it stood in line
            return
        self.current = process
        if process.pid != self._loaded:
            vcpu.cycles += SWITCH_CYCLES
        before = process.turn_began = vcpu.cycles
        vcpu.limit = min(until - vcpu.offset, before + self._quantum)
        if process.sleeping is not None:
            self._continue(process)
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
            if vcpu.cycles >= vcpu.limit or process.sleeping is not None:
                break
            if not process.in_cpu:
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
                self._call(process)
            else:
                self._fault(process)

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
            self._vcpu.cycles += self.account.happened(Event.SIGNAL)

    # ---- system calls

    def _call(self, process: Process) -> None:
        *arguments, _, number = self.cpu.call()
        self._vcpu.cycles += CALL_CYCLES + self.account.happened(Event.SYSCALL)
        function = self.calls.get(number)
        result: Any
        try:
            result = function(process, *arguments) if function is not None else self._absent(process, number)
        except Errno as error:
            result = -error.code
        except OutOfMemory:
            result = -ENOMEM
        if type(result) is not int:
            process.sleeping = result
            self._continue(process)
        elif process.in_cpu:
            self.cpu.answer(result & 0xFFFF_FFFF)
        else:
            process.registers[0] = result & 0xFFFF_FFFF

    def _continue(self, process: Process) -> None:
        """Go on with a call that sleeps, until it sleeps again or is done."""
        call = process.sleeping
        assert call is not None
        core = process.core
        try:
            wait = next(call)
            if process.attention:
                wait = call.throw(Interrupted())
            if process.state is RUNNING:
                process.sleep(wait)
        except StopIteration as done:
            core[0] = done.value & 0xFFFF_FFFF
        except Errno as error:
            core[0] = -error.code & 0xFFFF_FFFF
        except OutOfMemory:
            core[0] = -ENOMEM & 0xFFFF_FFFF
        except Interrupted:
            process.interrupted, core[0] = core[0], -EINTR & 0xFFFF_FFFF
        else:
            return
        process.sleeping = None

    def _absent(self, process: Process, number: int) -> int:
        """A call that is not there: one of ARM's own, or none."""
        if number == ARM_SET_TLS:
            process.thread_pointer = process.core[0]
            self.cpu.set_thread_pointer(process.core[0])
            return 0
        if number == ARM_GET_TLS:
            return process.thread_pointer
        if number == ARM_CACHEFLUSH:  # the engine notices new code by itself
            return 0
        if number not in self.missing and len(self.missing) < MESSAGES:
            row = table.CALLS.get(number)
            name = row.name if row else str(number)
            self.log(f"{process.name}: system call {name} is not supported")
            self._reports.append(f"missing call {name}".encode())
            self._vcpu.limit = 0
        if number in self.missing or len(self.missing) < MESSAGES:
            self.missing[number] += 1
        return -ENOSYS

    # ---- faults

    def _fault(self, process: Process) -> None:
        """An exception that is no system call."""
        trap = self.cpu.trap()
        pc = process.core[PC]
        process.core[PC] = kuser.restarted(pc)
        if trap.kind in (Trap.DATA_ABORT, Trap.PREFETCH_ABORT):
            self._abort(process, trap.kind, trap.address, trap.status)
        else:
            process.signals.fault(process, SIGILL, ILL_ILLOPC, pc)

    def _abort(self, process: Process, kind: int, address: int, status: int) -> None:
        self._vcpu.cycles += self.account.happened(Event.FAULT)
        if kind == Trap.PREFETCH_ABORT and status & 0xF == STATUS_BREAKPOINT:
            process.signals.fault(process, SIGTRAP, TRAP_BRKPT, address)
            return
        try:
            self._page_in(process, kind, address, status)
        except Fault as fault:
            process.signals.fault(process, fault.signal, fault.code, fault.address)
        except OutOfMemory:
            self.log(f"out of memory: {process.name} ({process.pid}) is ended")
            self.exit(process, SIGKILL)

    def _page_in(self, process: Process, kind: int, address: int, status: int) -> None:
        process.faults += 1
        if kind == Trap.PREFETCH_ABORT:
            access = EXECUTE
        elif self.cpu.tells_stores:
            access = WRITE if status & STATUS_WRITE else READ
        else:  # what is there can be read; if it was a store into what is not, it comes again
            access = WRITE if status & 0xF == STATUS_PERMISSION else READ
        process.space.page(address, access)
        made = self.memory.made
        self._vcpu.cycles += PAGE_CYCLES * (made - self._made) + CALL_CYCLES
        self._made = made
