"""Tasks in ARM code: the engine they share, the images they come from, and a body that runs one of them.

    arm = ArmTasks(spec, ram, shared)               # before the sandbox closes
    arm.start(kernel, account, "example", image)    # its `main` becomes a task, which makes the others

Theory: an image is one address space in user mode: code that can be read and run, data, and a stack for each task between
two pages that nobody has, so that one that grows too large stops there. Everything is in memory from the start (a
real-time kernel does not page), so an abort is always an error, and the end of the task that made it; the others go on.
Registers stay in the CPU until another task's body comes in. A call is `svc`: its number in r7, words in r0 to r5, and the
answer in r0 (calls.py).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from cells.fault import GuestFault
from cells.personalities.arm.cpu import EXCEPTION, Cpu, Helpers
from cells.personalities.arm.errno import Errno
from cells.personalities.arm.frames import OutOfMemory
from cells.personalities.arm.reach import Memory
from cells.personalities.arm.regions import READ, WRITE
from cells.personalities.arm.space import Space
from cells.personalities.rtos.calls import Calls
from cells.personalities.rtos.elf import parse
from cells.personalities.rtos.status import Refused, Status, TaskFault
from cells.personalities.rtos.task import Clock, Request, State, Task
from hypervisor.abi.pv import CORE, PAGE, Trap
from hypervisor.abi.time import NEVER

if TYPE_CHECKING:
    from cells.memory import CellMemory
    from cells.personalities.rtos.guest import Rtos
    from cells.personalities.rtos.spec import RtosSpec

EXIT_PAGE = 0xFFFF_0000
EXIT_CALL = 2
"""`task_end`, of the caller itself: where a task's function returns to."""
_EXIT_CODE = (0xE3A0_7000 | EXIT_CALL, 0xE3A0_0000, 0xEF00_0000)  # mov r7, #2; mov r0, #0; svc 0
MAIN_PRIORITY, MAIN_STACK = 250, 8192
STACKS, STACK_SLOT = 0x2000_0000, 0x2_0000
"""A slot for each stack: at most 124 KiB of it and a page that nobody has at its end."""
STACK_MOST = STACK_SLOT - PAGE
SP, LR, PC, PSR = 13, 14, 15, 16
THUMB = 0x20
SYSTEM_CALL = int(Trap.SWI)
_ABORTS = {Trap.PREFETCH_ABORT: "runs", Trap.DATA_ABORT: "touches"}


class Service(Protocol):
    """What carries out a call of ARM code: `(task, body, number, words)`; as `Request.function`."""

    def __call__(self, task: Task, body: ArmBody, number: int, words: list[int]) -> object:
        """See above."""
        ...


class ArmTasks:
    """The engine of a cell, and who is in it."""

    def __init__(self, spec: RtosSpec, ram: Any, shared: CellMemory | None, on_fault: Callable[[], int]) -> None:
        """`on_fault`: the cycles that the cell's architecture takes to bring a task's fault here."""
        self.on_fault = on_fault
        self.cpu = Cpu(spec, ram, shared)
        page = struct.pack("<3I", *_EXIT_CODE).ljust(PAGE, b"\0")
        frames, tables, common = self.cpu.share(spec, ram, Helpers(EXIT_PAGE, page, PAGE - 4))
        self.memory = Memory(frames, tables, self.cpu.layout, common, self.cpu.stale)
        self.inside: ArmBody | None = None
        """Whose registers the CPU has."""

    def start(self, kernel: Rtos, name: str, image: bytes) -> None:
        """Load an image and make its main task.

        Raises:
            GuestFault: it is no image, or too large for the cell's RAM.
        """
        try:
            program = Program(self, kernel, name.rpartition("/")[2].removesuffix(".elf"), image)
            body = program.body(program.entry, 0, MAIN_STACK)
        except (ValueError, Errno, OutOfMemory, Refused) as error:
            raise GuestFault(2, 0, 0, f"{name} cannot be loaded: {error}") from None
        program.adopt(kernel.task(f"{program.name}.main", body, priority=MAIN_PRIORITY))

    def enter(self, body: ArmBody) -> None:
        """Its registers into the CPU; those of who was there are kept for him."""
        if self.inside is body:
            return
        self.leave()
        self.cpu.enter(body.program.space.base, body.registers, 0)
        self.inside = body

    def leave(self) -> None:
        """Nobody is in the CPU."""
        if self.inside is not None:
            self.inside.registers = self.cpu.read()
            self.inside = None


class Program:
    """One image: its address space, and the tasks and objects that it made, which are all that it may end."""

    def __init__(self, arm: ArmTasks, kernel: Rtos, name: str, image: bytes) -> None:
        self.arm, self.kernel, self.name = arm, kernel, name
        self.space = Space(arm.memory)
        self.calls = Calls(self)
        self.tasks: dict[int, Task] = {}
        self.objects: dict[int, Any] = {}
        self._stacks: set[int] = set()
        self.entry, segments = parse(image)
        for part in segments:
            start, end = part.address & -PAGE, part.address + part.size + PAGE - 1 & -PAGE
            self._map(start, end, READ | WRITE)
            self.space.write(part.address, part.data)
            self.space.protect(start, end, part.rights)
            self._show(start, end, READ)

    def adopt(self, task: Task) -> Task:
        """It is a task of this image."""
        self.tasks = {handle: mine for handle, mine in self.tasks.items() if mine.state is not State.ENDED}
        self.tasks[task.handle] = task
        return task

    def body(self, entry: int, argument: int, stack: int) -> ArmBody:
        """A body that begins at `entry` with `argument` in r0, on a stack of its own.

        Raises:
            Refused: BAD_ARGUMENT, NO_ROOM.
        """
        if not 0 < stack <= STACK_MOST:
            raise Refused(Status.BAD_ARGUMENT, f"a stack of {stack} bytes")
        slot = next(slot for slot in range(len(self._stacks) + 1) if slot not in self._stacks)
        top = STACKS + (slot + 1) * STACK_SLOT
        bottom = top - (stack + PAGE - 1 & -PAGE)
        try:
            self._map(bottom, top, READ | WRITE)
        except OutOfMemory:
            self.space.unmap(bottom, top)
            raise Refused(Status.NO_ROOM, "no memory for a stack") from None
        self._stacks.add(slot)
        registers = [argument, *[0] * (CORE - 1)]
        registers[SP], registers[LR], registers[PC], registers[PSR] = top, EXIT_PAGE, entry & ~1, THUMB * (entry & 1)
        return ArmBody(self, registers, (bottom, top))

    def free(self, stack: tuple[int, int]) -> None:
        """A stack that nobody uses any more."""
        self.space.unmap(*stack)
        self._stacks.discard((stack[1] - STACKS) // STACK_SLOT - 1)
        self.arm.cpu.stale()

    def _map(self, start: int, end: int, rights: int) -> None:
        """Memory that is there at once."""
        self.space.map(start, end, rights)
        self._show(start, end, WRITE)

    def _show(self, start: int, end: int, access: int) -> None:
        for address in range(start, end, PAGE):
            self.space.page(address, access)


class ArmBody:
    """A task in ARM code. `registers`: r0 to r15 and the status, while it is not in the CPU."""

    def __init__(self, program: Program, registers: list[int], stack: tuple[int, int]) -> None:
        self.program, self.registers, self.stack = program, registers, stack
        self.buffer: tuple[int, int] | None = None
        """Where the item goes that it waits for: address and room."""

    def advance(self, clock: Clock, limit: int) -> Request | None:
        """See `Body`."""
        arm = self.program.arm
        vcpu = arm.cpu.vcpu
        if clock.now() >= limit:
            return None
        arm.enter(self)
        vcpu.limit = max(min(limit, NEVER - 1) - vcpu.offset, 0)
        try:
            stop = arm.cpu.run()
        except GuestFault as fault:
            arm.inside = None
            raise TaskFault(str(fault), fault.pc, fault.address) from None
        if stop != EXCEPTION:
            return None
        if vcpu.trap != SYSTEM_CALL:
            clock.work(arm.on_fault())
            raise self._fault()
        *words, _, number = arm.cpu.call()
        return Request(self.program.calls.serve, (self, number, words))

    def answer(self, value: object) -> None:
        """See `Body`."""
        word = self._word(value) & 0xFFFF_FFFF
        if self.program.arm.inside is self:
            self.program.arm.cpu.answer(word)
        else:
            self.registers[0] = word

    def close(self) -> None:
        """See `Body`."""
        if self.program.arm.inside is self:
            self.program.arm.inside = None
        self.program.free(self.stack)

    def _word(self, value: object) -> int:
        """An answer as r0 has it; an item goes where it was asked for, and its length is the answer."""
        buffer, self.buffer = self.buffer, None
        if isinstance(value, Refused):
            return value.status
        if value is None or isinstance(value, int):
            return value or 0
        if buffer is None or not isinstance(value, bytes) or len(value) > buffer[1]:
            return Status.BAD_ARGUMENT
        try:
            self.program.space.write(buffer[0], value)
        except Errno:
            return Status.BAD_ADDRESS
        return len(value)

    def _fault(self) -> TaskFault:
        arm = self.program.arm
        trap, pc = arm.cpu.trap(), arm.cpu.read()[PC]
        what = _ABORTS.get(Trap(trap.kind))
        if what is None:
            return TaskFault("executes what is no instruction", pc)
        if self.stack[0] - PAGE <= trap.address < self.stack[0]:
            return TaskFault("has used up its stack", pc, trap.address)
        return TaskFault(f"{what} memory that it may not", pc, trap.address)
