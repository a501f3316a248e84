"""The guest of a cell whose personality is a real-time kernel: the kernel on a port, and its interrupts.

Theory: the personality runs up to the next thing that is known to happen (an event of the cell, the end of the slice, an
alarm) and looks then what has happened: lines of physical devices that the cell owns, messages, typed lines. Each is an
interrupt with a handler. If no task can run it sleeps until an alarm or until anything happens. When all tasks have ended,
so does the cell: its status is 1 if one of them was ended by a fault.

A cell without ARM code has no engine: its time is counted by a `Counter`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from cells.personalities.arm.spec import take_files
from cells.personalities.linux.redirection import Account
from cells.personalities.port import PersonalityPort
from cells.personalities.rtos.kernel import Kernel
from cells.personalities.rtos.lines import Console, Line
from cells.personalities.rtos.spec import RtosSpec, is_python
from cells.personalities.rtos.status import Refused, Status
from cells.personalities.rtos.task import Task
from cells.port import RefusedError
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.redirection import Event

if TYPE_CHECKING:
    from cells.lockstep import Lockstep
    from cells.memory import CellMemory

LISTENS_PER_SECOND = 1000
"""Where what has happened has to be asked for (l4), while tasks run: assumed, a tick of common real-time kernels."""
MICRO = 1_000_000


class Counter:
    """What an engine has of time, for a cell without one."""

    def __init__(self) -> None:
        self.cycles = self.offset = self.limit = self.insns = 0


class RtosPort(PersonalityPort):
    """The port; messages are the kernel's (`Line`), which never waits for a partner."""

    def begin(self, world: Lockstep) -> None:
        """See `PersonalityPort`."""
        self._world = world
        self._time = world.start
        if self.boot:
            _ = self.connections

    def listen(self, until: int) -> None:
        """Sleep until anything happens, or `until`; with a time that has passed, look only."""
        if self.boot:
            self.connections.wait(until)
        else:
            self._wait(until)


class PortClock:
    """The kernel's clock."""

    def __init__(self, port: RtosPort) -> None:
        self._port = port
        self.work = port.work

    def now(self) -> int:
        """See `Clock`."""
        return self._port.time


class Rtos(Kernel):
    """The kernel as tasks of a cell have it: with channels, a console, devices and the account."""

    def __init__(self, port: RtosPort, account: Account) -> None:
        super().__init__(PortClock(port), hz=port.hz, on_call=lambda: account.happened(Event.SYSCALL))
        self.port, self.name = port, port.name
        self.random = port.random
        self.console = Console(self)
        self.lines: dict[str, Line] = {}
        self.handlers: dict[int, Callable[[int], object]] = {}
        """Physical line -> who handles it."""
        self.on_ended = self._tell_of_end
        self.on_job = self._tell_of_job
        self._told: dict[str, int] = {}

    def print(self, *words: object) -> None:
        """A line on the console."""
        self.port.emit((" ".join(map(str, words)) + "\n").encode())

    def report(self, name: str, value: int) -> bool:
        """A figure for the account of the run, if it is another one than the last time; False if the account has no room
        for it."""
        if self._told.get(name) == value:
            return True
        try:
            self.port.report(name, value)
        except RefusedError:
            return False
        self._told[name] = value
        return True

    def on_line(self, line: int, handler: Callable[[int], object]) -> None:
        """Have the interrupts of a physical line that this cell owns handled; the handler quiets the device.

        Raises:
            Refused: IN_USE. RefusedError: the line is not the cell's.
        """
        if line in self.handlers:
            raise Refused(Status.IN_USE, f"line {line}")
        self.port.hypercall(Hypercall.IRQ_UNMASK, line)
        self.handlers[line] = handler

    def micros(self, cycles: int) -> int:
        """Microseconds in a number of cycles."""
        return cycles * MICRO // self.hz

    def _tell_of_job(self, task: Task) -> None:
        timing = task.timing
        self.report(f"{task.name} worst us", self.micros(timing.worst))
        self.report(f"{task.name} missed", timing.misses)

    def _tell_of_end(self, task: Task) -> None:
        if task.fault:
            self.print(f"{self.name}: {task.name} {task.fault}")
            self.report("task faults", self.faults)


class Guest:
    """See above."""

    def __init__(self, spec: RtosSpec, ram: Any, shared: CellMemory | None = None) -> None:
        self.spec = spec
        self.account = Account(spec.redirection)
        images = take_files(spec.images, ram)
        self.arm = self._engine(ram, shared) if images else None
        self.port = RtosPort(self.arm.cpu.vcpu if self.arm else Counter(), spec, shared, self.account.pack)
        if self.arm:
            self.port.on_faults = self.arm.cpu.suffer
            self.arm.cpu.on_mark = self.port.mark
        self.kernel = Rtos(self.port, self.account)
        self._starts = [self._start_of(program, images) for program in spec.run]
        self._next_listen = 0

    def _engine(self, ram: Any, shared: CellMemory | None) -> Any:
        """The ARM engine. Imported here: cells with tasks in Python do without."""
        from cells.personalities.rtos.arm_tasks import ArmTasks

        return ArmTasks(self.spec, ram, shared, lambda: self.account.happened(Event.FAULT))

    def _start_of(self, program: str, images: dict[str, bytes]) -> Callable[[], object]:
        """What makes the tasks of an entry of `run`; modules are imported now, before the sandbox closes."""
        kernel, arm = self.kernel, self.arm
        if is_python(program):
            module, _, function = program.partition(":")
            main = getattr(importlib.import_module(module), function)
            return lambda: main(kernel, *self.spec.args)
        assert arm is not None, f"no image came for {program}"
        return lambda: arm.start(kernel, program, images[program])

    # ---- the life of the cell

    def run(self, world: Lockstep) -> None:
        """Run for ever; the monitor ends the process."""
        port, kernel = self.port, self.kernel
        port.begin(world)
        if port.boot:
            kernel.lines |= {peer: Line(kernel, channel) for peer, channel in port.connections.channels.items()}
        self._polls = port.await_line != port._wait or any(line.meets for line in kernel.lines.values())
        for start in self._starts:
            start()
        while kernel.tasks:
            self._step()
        port.shut_down(1 if kernel.faults else 0)

    def _step(self) -> None:
        port, kernel = self.port, self.kernel
        self._hear()
        if not port.settle() and not kernel.turn(port.until()):
            wake = min([kernel.agenda.next(), *(line.next_try() for line in kernel.lines.values())])
            if wake > port.time:
                port.listen(wake)

    def _hear(self) -> None:
        """What has happened up to now, as interrupts."""
        port, kernel = self.port, self.kernel
        if self._polls and port.time >= self._next_listen:
            self._next_listen = port.time + port.hz // LISTENS_PER_SECOND
            port.listen(port.time)
        else:
            port.take()
        if typed := port.typed():
            kernel.console.typed(typed)
        while kernel.handlers and (line := port.wait_irq(port.time)) is not None:
            handler = kernel.handlers.get(line, _ignore)
            kernel.interrupt(partial(handler, line))
            port.end_irq(line)
        for line_ in kernel.lines.values():
            line_.look(port.time)


def _ignore(_line: int) -> None:
    """Nobody handles it."""


def build(told: Mapping[str, Any], ram: Any, shared: CellMemory | None) -> Guest:
    """The guest that a cell's order describes (cells/runtime.py)."""
    return Guest(RtosSpec(**told), ram, shared)
