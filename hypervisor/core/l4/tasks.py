"""Tasks and threads inside a cell: what the microkernel knows of a kernel that is a task beside those of its processes.

```python
world = World(frames, TableFormat.MODERN, virtual_base=0xC000_0000)
task = world.new_task()
world.map(task, 0x8000, 0xC001_2000, READ)            # a page of the server's RAM appears in the task
world.unmap(task, 0x8000, 1, READ)
world.delete_task(task)
```

Theory: the root task has the cell's RAM, the window and the hypercall page in the kernel's half of its address space; any other
task has what the server maps into it, and nothing else. A thread runs, waits for a message, or has one to send: an exception
that the server has not received yet. Of those that could run, the server comes first, then signal threads, then main threads
in the order in which they were let go. One CPU runs all of them, so that one thread at most is `current`.

Nothing here costs time or is told to anybody: that is the door's (door.py). Methods raise `Refused`, and then nothing has
changed unless they say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from hypervisor.abi.hypercalls import HYPERCALL_BASE
from hypervisor.abi.l4 import ANY, NIL
from hypervisor.abi.l4_door import (
    FOREVER,
    ROOT,
    ROOT_TASK,
    SIGNAL_PAGE,
    SIGNAL_SIZE,
    TASKS_LIMIT,
    UNMAP_LIMIT,
    UTCB_SIZE,
    Index,
    task_of,
    thread_of,
)
from hypervisor.abi.memory import (
    KERNEL_HYPERCALLS,
    KERNEL_WINDOW,
    PAGE,
    READ,
    WINDOW_BASE,
    WINDOW_SIZE,
    WRITE,
)
from hypervisor.abi.pv import CORE, KERNEL_ACCESS, USER_ACCESS, USER_MODE, VMM_BASE, TableFormat
from hypervisor.abi.status import Status
from hypervisor.core.errors import Refused, require
from hypervisor.core.spaces import AddressSpace, KernelHalf, TablePool, Translation

NO_REGISTERS = (0,) * (CORE - 1) + (USER_MODE,)


class Phase(StrEnum):
    """What a thread does. READY: it runs if nobody above it does. RECEIVE: it waits. SEND: its exception waits to be heard."""

    STOPPED = "stopped"
    READY = "ready"
    RECEIVE = "receive"
    SEND = "send"


class Wait(NamedTuple):
    """The receive phase of the server. `source`: a thread's number or ANY; `until`: cycles."""

    source: int
    until: int


@dataclass(slots=True, eq=False)
class Thread:
    """One thread. `registers`: as it left the CPU last. `serial`: when it came to its phase. `message`: what it has to send."""

    number: int
    task: Task
    phase: Phase = Phase.STOPPED
    registers: tuple[int, ...] = NO_REGISTERS
    serial: int = 0
    message: bytes = b""

    @property
    def rank(self) -> tuple[int, int]:
        """Who runs first: the server, signal threads, main threads."""
        return 0 if self.number == ROOT else 1 if self.is_signal else 2, self.serial

    @property
    def is_signal(self) -> bool:
        """Whether it is the signal thread of its task."""
        return self.number == thread_of(self.task.number, Index.SIGNAL)

    @property
    def access(self) -> int:
        """What the CPU's domain access register has to hold: a main thread cannot reach what is its signal thread's."""
        return KERNEL_ACCESS if self.number == ROOT or self.is_signal else USER_ACCESS


class Task:
    """An address space and its threads."""

    def __init__(self, number: int, space: AddressSpace, indices: tuple[Index, ...] = tuple(Index)) -> None:
        self.number = number
        self.space = space
        self.threads = {index: Thread(thread_of(number, index), self) for index in indices}


class Frames(Protocol):
    """A cell's memory as the world has to know it. Addresses are guest physical."""

    base: int
    size: int
    reserved: int

    def write(self, address: int, data: bytes) -> None:
        """Change it; also what is reserved."""
        ...

    def read(self, address: int, length: int) -> bytes:
        """Look into it."""
        ...


class World:
    """All tasks of a cell. `virtual_base`: where the server finds its RAM.

    Raises:
        PoolExhausted: what is reserved has no room for the first address space.
    """

    def __init__(self, frames: Frames, layout: TableFormat, virtual_base: int) -> None:
        self._frames, self._layout = frames, layout
        self.end = frames.base + frames.size - frames.reserved
        """Physical: RAM from here on is ours."""
        self._pool = TablePool(frames.write, self.end, frames.reserved)
        self._kernel = KernelHalf(self._pool, layout)
        self._kernel.map(virtual_base, frames.base, self.end - frames.base)
        self._kernel.map(KERNEL_WINDOW, WINDOW_BASE, WINDOW_SIZE)
        self._kernel.map(KERNEL_HYPERCALLS, HYPERCALL_BASE, PAGE)
        root = Task(ROOT_TASK, AddressSpace(self._pool, layout, self._kernel), (Index.MAIN,))
        self.tasks = {ROOT_TASK: root}
        self.root = root.threads[Index.MAIN]
        self.wait = Wait(NIL, FOREVER)
        """The receive phase of the server, while it is in one."""
        self.utcb: int | None = None
        """Physical address of the server's message registers."""
        self.current: Thread | None = None
        self.mounted: Task | None = None
        """The task whose tables the CPU has."""
        self.stale = False
        """The TLB may know translations that are no more."""
        self._serial = 0

    def starve(self, refused: Callable[[], bool]) -> None:
        """Who says whether there is to be no memory for tables, by an injected fault."""
        self._pool.starved = refused

    # ---- tasks and threads

    def new_task(self) -> Task:
        """A task whose main thread waits for its first message, and whose signal thread is stopped.

        Raises:
            Refused: NO_ROOM: too many tasks, or no table is free.
        """
        require(len(self.tasks) < TASKS_LIMIT, Status.NO_ROOM, f"{TASKS_LIMIT} tasks are all")
        number = next(n for n in range(ROOT_TASK, ROOT_TASK + TASKS_LIMIT + 1) if n not in self.tasks)
        task = Task(number, AddressSpace(self._pool, self._layout))
        self.tasks[number] = task
        self.enter_phase(task.threads[Index.MAIN], Phase.RECEIVE)
        return task

    def delete_task(self, task: Task) -> None:
        """The task, its threads and its tables are no more."""
        del self.tasks[task.number]
        task.space.destroy()
        if self.mounted is task:
            self.mounted, self.stale = None, True
        if self.current is not None and self.current.task is task:
            self.current = None

    def task(self, number: int) -> Task:
        """A task of a process.

        Raises:
            Refused: NO_SUCH_SLOT: there is none, or it is the root's own.
        """
        found = self.tasks.get(number)
        if found is None or number == ROOT_TASK:
            raise Refused(Status.NO_SUCH_SLOT, f"no process has task {number:#x}")
        return found

    def thread(self, number: int) -> Thread:
        """A thread of a process.

        Raises:
            Refused: NO_SUCH_SLOT.
        """
        index = number - thread_of(task_of(number), 0)
        threads = self.task(task_of(number)).threads
        found = next((thread for at, thread in threads.items() if at == index), None)
        if found is None:
            raise Refused(Status.NO_SUCH_SLOT, f"no process has thread {number:#x}")
        return found

    def enter_phase(self, thread: Thread, phase: Phase) -> None:
        """The thread does something else from now on."""
        self._serial += 1
        thread.phase, thread.serial = phase, self._serial
        if phase is not Phase.SEND:
            thread.message = b""

    def pick(self) -> Thread | None:
        """Who runs next; None: nobody can."""
        return min(self._in_phase(Phase.READY), key=lambda thread: thread.rank, default=None)

    def heard_next(self) -> Thread | None:
        """Whose exception the server's wait accepts, the one first that came first among the most urgent."""
        source = self.wait.source
        waiting = [thread for thread in self._in_phase(Phase.SEND) if source in (ANY, thread.number)]
        return min(waiting, key=lambda thread: thread.rank, default=None)

    def _in_phase(self, phase: Phase) -> list[Thread]:
        return [t for task in self.tasks.values() for t in task.threads.values() if t.phase is phase]

    # ---- memory

    def physical(self, virtual: int, length: int) -> int:
        """Where in RAM the server's bytes lie. A range within a page, or one that RAM holds in one piece.

        Raises:
            Refused: BAD_ARGUMENT: not mapped in the root task, or no RAM of its own.
        """
        found = self._kernel.walk(virtual) if 0 <= virtual < VMM_BASE else None
        if found is None or not self._frames.base <= found.address <= self.end - length:
            raise Refused(Status.BAD_ARGUMENT, f"{virtual:#x} is no RAM of the server")
        return found.address

    def map(self, task: Task, destination: int, source: int, rights: int) -> None:
        """A page of the server's RAM appears in a task, instead of what was there.

        Raises:
            Refused: BAD_ARGUMENT, NO_ROOM.
        """
        self.check_map(destination, source)
        physical = self.physical(source, PAGE)
        user = not SIGNAL_PAGE <= destination < SIGNAL_PAGE + SIGNAL_SIZE
        self.stale |= task.space.set(destination, physical, writable=bool(rights & WRITE), user=user)

    def check_map(self, destination: int, source: int) -> None:
        """Whether a page could appear there, as far as it can be seen before.

        Raises:
            Refused: BAD_ARGUMENT.
        """
        inside = destination % PAGE == 0 and source % PAGE == 0 and 0 <= destination < VMM_BASE
        require(inside, Status.BAD_ARGUMENT, f"no page of a task: {destination:#x}")
        self.physical(source, PAGE)

    def unmap(self, task: Task, address: int, pages: int, rights: int) -> int:
        """Take pages, or the right to write them, from a task; how many it had like that.

        Raises:
            Refused: BAD_ARGUMENT.
        """
        odd = address % PAGE or not 0 < pages <= UNMAP_LIMIT or address + pages * PAGE > VMM_BASE
        if odd or not rights & (READ | WRITE):
            raise Refused(Status.BAD_ARGUMENT, f"unmap {pages} pages at {address:#x} from {rights:#x}")
        take = self._take_all if rights & READ else self._take_write
        gone = sum(take(task, at) for at in range(address, address + pages * PAGE, PAGE))
        self.stale |= bool(gone)
        return gone

    @staticmethod
    def _take_all(task: Task, at: int) -> bool:
        return task.space.clear(at)

    @staticmethod
    def _take_write(task: Task, at: int) -> bool:
        found = task.space.walk(at)
        if found is None or not found.writable:
            return False
        return task.space.set(at, found.address, writable=False, user=found.user)

    # ---- message registers

    def set_utcb(self, virtual: int) -> None:
        """Where the server's message registers are.

        Raises:
            Refused: BAD_ARGUMENT.
        """
        require(virtual % UTCB_SIZE == 0, Status.BAD_ARGUMENT, f"{virtual:#x} is not aligned to {UTCB_SIZE}")
        self.utcb = self.physical(virtual, UTCB_SIZE)

    def load_registers(self) -> bytes:
        """The tag and all message registers.

        Raises:
            Refused: WRONG_STATE: the server has none.
        """
        if self.utcb is None:
            raise Refused(Status.WRONG_STATE, "the server has no message registers")
        return self._frames.read(self.utcb, UTCB_SIZE)

    def store_registers(self, data: bytes) -> None:
        """A message arrives. Requires: the server receives, so that it has registers."""
        assert self.utcb is not None
        self._frames.write(self.utcb, data)

    # ---- questions

    def problems(self) -> list[str]:
        """What contradicts itself: who runs with whose tables, who has pages of whom, which tables are nobody's."""
        current, found = self.current, []
        if current is not None and (self.mounted is not current.task or current.phase is not Phase.READY):
            found.append(f"l4: thread {current.number:#x} runs, {current.phase}, and not with its own tables")
        live = set(self.tasks.values())
        if {self.mounted, current and current.task} - live - {None}:
            found.append("l4: a task that is no more runs")
        for task in self.tasks.values():
            found += [
                f"l4: task {task.number:#x} has {at:#x}, which is not the server's to give"
                for at, page in task.space.pages()
                if not self._may_have(page)
            ]
        if (self.root.phase is Phase.RECEIVE) != (self.wait.source != NIL):
            found.append(f"l4: the server is {self.root.phase} with {self.wait}")
        return found + self._pool_problems()

    def _may_have(self, page: Translation) -> bool:
        return self._frames.base <= page.address <= self.end - PAGE

    def _pool_problems(self) -> list[str]:
        bases = [task.space.base for task in self.tasks.values()]
        orphans = (
            self._pool.taken()
            - self._kernel.tables()
            - {t for task in self.tasks.values() for t in task.space.tables()}
        )
        shared = [] if len(set(bases)) == len(bases) else ["l4: two tasks have one table"]
        return shared + [f"l4: nobody has the table at {table:#x}" for table in sorted(orphans)]


Charge = Callable[..., None]
"""(operation, times=, **facts): a step of the mechanism."""
