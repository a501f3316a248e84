"""A real-time kernel in the test's own process: time that nobody else needs, and a diary of what the tasks say.

bench = RtosBench()
bench.kernel.task("a", bench.say("a", Work(10)), priority=1)
bench.run(1000)
assert bench.diary == ["a"]
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cells.personalities.rtos.guest import Guest
from cells.personalities.rtos.kernel import Kernel
from cells.personalities.rtos.spec import RtosSpec
from cells.personalities.rtos.status import Refused
from cells.personalities.rtos.task import Request, Work
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import ExitKind
from hypervisor.abi.time import NEVER
from tests.support.arm import ONE
from tests.support.linux import CPUS, Over, World, program

HZ = 10**8
RAM = 4 << 20
Steps = Generator[Request | Work, Any, None]


class Time:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        """See `Clock`."""
        return self.time

    def work(self, cycles: int) -> None:
        """See `Clock`."""
        self.time += cycles


class RtosBench:
    """A kernel, and interrupts at given times."""

    def __init__(self, on_call: Callable[[], int] = lambda: 0) -> None:
        self.clock = Time()
        self.kernel = Kernel(self.clock, hz=HZ, on_call=on_call)
        self.diary: list[Any] = []
        self._interrupts: list[tuple[int, Callable[[], object]]] = []

    def interrupt(self, time: int, handler: Callable[[], object]) -> None:
        """Have an interrupt at a time."""
        self._interrupts.append((time, handler))
        self._interrupts.sort(key=lambda entry: entry[0])

    def run(self, until: int = NEVER) -> None:
        """Run until a time, or until nothing is left to do."""
        clock, kernel = self.clock, self.kernel
        while clock.time < until:
            while self._interrupts and self._interrupts[0][0] <= clock.time:
                kernel.interrupt(self._interrupts.pop(0)[1])
            due = self._interrupts[0][0] if self._interrupts else NEVER
            if not kernel.turn(min(until, due)):
                wake = min(due, kernel.agenda.next())
                if wake >= NEVER:
                    return
                clock.time = max(min(wake, until), clock.time)

    def say(self, name: str, *steps: Request | Work) -> Steps:
        """A task that does one thing after another and writes into the diary when each is done, with what came of it."""
        for step in steps:
            try:
                answer = yield step
            except Refused as refused:
                answer = refused.status.name
            self.diary.append(name if answer is None else (name, answer))


class Patient(World):
    """Answers every call of the monitor with 0, what `World` does not know as well. `calls`: their words."""

    def __init__(self, typed: Sequence[tuple[int, bytes]], end: int) -> None:
        super().__init__(typed, end)
        self.calls: list[tuple[int, ...]] = []

    def exit(self, kind: int, time: int, cycles: int, deadline: int, arguments: tuple[int, ...], *rest: object) -> int:
        if kind == ExitKind.HYPERCALL:
            self.calls.append(arguments)
        if kind == ExitKind.HYPERCALL and arguments[0] not in (Hypercall.SHUTDOWN, Hypercall.REPORT):
            kind = ExitKind.OUTPUT  # heard, and no more
        return super().exit(kind, time, cycles, deadline, arguments, *rest)


class RtosCell:
    """The guest of a whole cell in the test's own process, without a monitor (`World`). `images`: by name, in the order of
    `run`."""

    def __init__(
        self,
        images: Mapping[str, bytes],
        *,
        run: Sequence[str] = (),
        args: Sequence[str | int | float] = (),
        typed: Sequence[tuple[int, bytes]] = (),
        architecture: str = "v5te",
        redirection: Mapping[str, int] | None = None,
        boot: Mapping[str, Any] | None = None,
        end: int = HZ,
    ) -> None:
        model, layout = CPUS[architecture]
        self.ram = mmap.mmap(-1, RAM)
        content = b"".join(images.values())
        self.ram[: len(content)] = content
        spec = RtosSpec(
            name="rt",
            hz=HZ,
            ram_base=0x8000_0000,
            ram_size=RAM,
            unicorn_model=model,
            architecture=architecture,
            layout=layout,
            cycles=ONE,
            code_buffer=32 << 20,
            redirection=redirection or {},
            boot=boot or {},
            run=run or list(images),
            args=args,
            images=[(name, len(image)) for name, image in images.items()],
        )
        self.guest = Guest(spec, self.ram)
        self.kernel = self.guest.kernel
        self.world = Patient(typed, end)

    def run(self) -> int | None:
        """Run to its end: the status of the cell; None if it waits for ever, or its time is over."""
        with suppress(Over):
            self.guest.run(self.world)  # type: ignore[arg-type]
        return self.world.status

    @property
    def output(self) -> str:
        """What it has printed."""
        return self.world.output.decode()


def task_image(source: str) -> bytes:
    """An image of tasks from assembler; its main task begins at the first instruction."""
    return program(source)
