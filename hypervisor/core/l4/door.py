"""The door of the microkernel: exits of a cell whose kernel is a task come in here, and who goes on with what goes out.

Theory: an exit EXCEPTION says why the CPU left user mode, and with which registers; which thread that was is known here alone.
Each is served in three steps: the thread's own affair (a call, or an exception to tell the server), then whether the server's
wait ends, then who runs next, with the switch of the address space that this takes. When nobody can run the vCPU sleeps; what
wakes it makes it come here first, for there is nobody to go on as.

What things cost stands in flavours/l4.py; each step here is one of the trace. A message of an exception has all registers and
takes the slow path, step `exception`, in both directions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from hypervisor.abi.l4 import ANY, FREE_REGISTERS, ITEM_WORDS, NIL, NOTIFICATION, Label, Message
from hypervisor.abi.l4_door import FIRST_CALL, FOREVER, LAST_CALL, ROOT
from hypervisor.abi.pv import L1_SIZE, STATE, TRAP, TableFormat, Trap
from hypervisor.abi.records import EventKind, Exit
from hypervisor.abi.status import Status
from hypervisor.abi.time import NEVER
from hypervisor.core.cell import Cell
from hypervisor.core.delivery import ring
from hypervisor.core.deprivileged import Crashed, Told, blame, real_psr
from hypervisor.core.errors import Refused
from hypervisor.core.fass import Fass
from hypervisor.core.injected import refused
from hypervisor.core.l4.notifications import Signals
from hypervisor.core.l4.tasks import Phase, Task, Thread, Wait, World
from hypervisor.core.lives import fail

if TYPE_CHECKING:
    from hypervisor.core.monitor import Monitor
    from hypervisor.core.wiring import Wiring

WORD = 0xFFFF_FFFF
TABLES_SHARE, TABLES_LEAST, TABLES_MOST = 8, 8 * L1_SIZE, 128 * L1_SIZE
"""Of RAM, an eighth is for tables, within limits: a first-level table and its few second-level ones take some 20 KiB, so that
16 MiB of RAM have room for a hundred processes. Choices of ours."""


class CellFrames:
    """A cell's RAM, the part of it included that is reserved for tables."""

    def __init__(self, monitor: Monitor, cell: Cell, reserved: int) -> None:
        self._monitor, self._cell = monitor, cell
        self.base, self.size, self.reserved = monitor.memory.ram_base, cell.params.ram, reserved

    def write(self, address: int, data: bytes) -> None:
        """Change it."""
        self._monitor.memory.write(self._cell, address, data)

    def read(self, address: int, length: int) -> bytes:
        """Look into it."""
        return bytes(self._monitor.memory.read(self._cell, address, length))


class Server:
    """A cell whose kernel came in by this door: its tasks, and what is done to them."""

    def __init__(self, monitor: Monitor, cell: Cell, signals: Signals, fass: Fass | None) -> None:
        self.monitor, self.cell = monitor, cell
        self._signals, self._fass = signals, fass
        self.world: World | None = None
        """None before its first instruction."""
        self._rung = False
        """Something happened that the server has not been told of."""
        self._alarm: int | None = None

    def step(self, operation: str, /, *, times: int = 1, **facts: int | str) -> None:
        """A step of the mechanism on behalf of this cell."""
        self.monitor.step(self.cell, operation, times=times, **facts)

    @property
    def now(self) -> int:
        """The present of its vCPU."""
        return max(self.monitor.now, self.cell.vcpu.time)

    # ---- messages

    def tell(self, thread: Thread, told: Told) -> None:
        """An exception of a process's thread: it has a message to send now, and waits for its reply."""
        trap = (told.trap, told.immediate, told.address, told.status)
        number = {"svc": told.immediate} if told.trap is Trap.SWI else {}
        fault = {"address": told.address} if told.trap in (Trap.DATA_ABORT, Trap.PREFETCH_ABORT) else {}
        self.step("exception", thread=thread.number, why=told.trap.name.lower(), **number, **fault)
        assert self.world is not None
        self.world.enter_phase(thread, Phase.SEND)
        thread.message = TRAP.pack(*trap, *thread.registers)

    def charge(self, sender: int, to: int, label: int, words: int, items: int = 0) -> None:
        """The path of a message; threads by number."""
        self.step("ipc", **{"from": sender}, to=to, label=label, words=words, items=items)
        more = words + ITEM_WORDS * items - FREE_REGISTERS
        if more > 0:
            self.step("ipc_word", times=more, words=more)

    def deliver(self, who: int, message: Message) -> None:
        """The server's wait ends with a message."""
        assert self.world is not None
        self.charge(who, ROOT, message.label, len(message.words))
        self.world.store_registers(message.tag.to_bytes(4, "little") + message.data)
        self.end_wait(who)

    def end_wait(self, value: int) -> None:
        """The server goes on, and learns why."""
        world = self.world
        assert world is not None
        world.wait = Wait(NIL, FOREVER)
        world.root.registers = (value & WORD, *world.root.registers[1:])
        world.enter_phase(world.root, Phase.READY)

    def look(self) -> None:
        """Whether the server's wait is over: an exception, a notification, something else that happened, the time."""
        world = self.world
        if world is None or world.root.phase is not Phase.RECEIVE:
            return
        sender = world.heard_next()
        if sender is not None:
            words = TRAP.unpack(sender.message)
            world.enter_phase(sender, Phase.RECEIVE)
            self.deliver(sender.number, Message(Label.EXCEPTION, words))
        elif world.wait.source == ANY and (signal := self._signals.take(self.cell)) is not None:
            self._interrupt("notification")
            self.deliver(NOTIFICATION, signal[1])
        elif self.now >= world.wait.until:
            self._interrupt("time")
            self.end_wait(Status.EMPTY)
        elif world.wait.source == ANY and (self._rung or self._has_news()):
            self._interrupt("event")
            self.end_wait(NIL)

    def _interrupt(self, cause: str) -> None:
        self._rung = False
        self.monitor.spend(self.cell, "virq", self.monitor.costs.virq)
        self.monitor.note("irq", self.cell, cause=cause, told="end of a wait")

    def _has_news(self) -> bool:
        return any(
            event.kind not in (EventKind.MEMORY, EventKind.ANSWER, EventKind.FAULT) for event in self.cell.vcpu.events
        )

    # ---- who goes on

    def ring(self) -> None:
        """Have the vCPU come here before anything else."""
        ring(self.cell.vcpu.events, 0, 0, 1)

    def go_on(self, deadline: int) -> None:
        """The thread that is next, with its tables; or sleep, if there is none. `deadline`: what the vCPU knows will happen."""
        world = self.world
        assert world is not None
        self.look()
        self._drop_alarm()
        thread = world.current = world.pick()
        if thread is None:
            self._sleep(world, deadline)
            return
        if world.mounted is not thread.task:
            self._switch(world, thread.task)
        if thread is not world.root and world.root.phase is Phase.RECEIVE and world.wait.until < NEVER:
            self._alarm = self.monitor.alarms.at(world.wait.until, self._time_is_up)
            self.monitor.rounds.heed_timers()
        *registers, psr = thread.registers
        flush, world.stale = world.stale, False
        words = (thread.task.space.base, thread.access, flush, *registers, real_psr(psr))
        self.monitor.reply(self.cell, STATE.pack(*words))

    def _switch(self, world: World, task: Task) -> None:
        world.mounted = task
        entry = self._fass.enter(task.number) if self._fass else None
        facts = {"domain": entry.domain} if entry else {}
        self.step("space_switch", task=task.number, **facts)
        if entry and entry.cache_flush:
            self.step("cache_flush", domain=entry.domain)
        if entry and entry.tlb_flush:
            self.step("tlb_flush", domain=entry.domain)

    def forget(self, task: Task) -> None:
        """A task is no more."""
        if self._fass:
            self._fass.leave(task.number)

    def _sleep(self, world: World, deadline: int) -> None:
        """Nobody can run: until something happens that the server waits for."""

        def wake() -> int:
            self.ring()
            return Status.OK

        until = min(world.wait.until, deadline, NEVER)
        interrupted = wake if world.wait.source == ANY else None
        self.monitor.suspend(self.cell, "l4 wait", until, wake, interrupted)

    def _time_is_up(self) -> None:
        self._alarm = None
        self.monitor.ring(self.cell, 0, 1)

    def _drop_alarm(self) -> None:
        if self._alarm is not None:
            self.monitor.alarms.cancel(self._alarm)
            self._alarm = None

    def end(self) -> None:
        """Its life is over."""
        self._drop_alarm()
        self.world = None

    # ---- exceptions

    def start(self, told: Told, layout: TableFormat, virtual_base: int, reserved: int) -> None:
        """The first instruction: the root task is there, and its one thread runs."""
        if self.world is not None:
            raise Crashed("its CPU was started twice")
        try:
            self.world = World(CellFrames(self.monitor, self.cell, reserved), layout, virtual_base)
        except Refused as refusal:
            raise Crashed(f"there is no room for its page tables: {refusal.why}") from None
        self.world.starve(partial(refused, self.monitor, self.cell, "core.tables"))
        root = self.world.root
        root.registers = told.registers
        self.world.enter_phase(root, Phase.READY)
        self.step("task", made=root.task.number)

    def interrupted(self) -> None:
        """The vCPU was rung: nothing happens to who ran."""
        self._rung = True


CallHandler = Callable[[Server, Thread, tuple[int, ...]], int | None]
"""(cell, calling thread, r0..r12) -> its r0; None: it waits, or has been given its registers."""


class TaskDoor:
    """All cells of a board whose kernels are tasks. `calls`: the microkernel's, by number (door_calls.py)."""

    def __init__(self, monitor: Monitor, wiring: Wiring, signals: Signals, calls: Mapping[int, CallHandler]) -> None:
        self._monitor, self._wiring, self._signals, self._calls = monitor, wiring, signals, calls
        self.servers: dict[int, Server] = {}

    def reserved(self, cell: Cell) -> int:
        """Bytes at the end of its RAM for tables."""
        if cell.index not in self._wiring.paravirtual:
            return 0
        share = cell.params.ram // TABLES_SHARE & -L1_SIZE
        return min(max(share, TABLES_LEAST), TABLES_MOST)

    def born(self, cell: Cell) -> None:
        """A life begins."""
        if cell.index in self._wiring.paravirtual:
            fass = Fass(self._wiring.fass) if self._wiring.fass else None
            self.servers[cell.index] = Server(self._monitor, cell, self._signals, fass)

    def ended(self, cell: Cell) -> None:
        """It is over: its memory is gone, and with it all tables."""
        own = self.servers.pop(cell.index, None)
        if own is not None:
            own.end()

    def exception(self, cell: Cell, record: Exit) -> int:
        """Serve one exit.

        Raises:
            Refused: the cell has no such kernel, or says what no CPU says.
        """
        own = self.servers.get(cell.index)
        if own is None:
            raise Refused(Status.WRONG_STATE, "an exception of a cell that is not paravirtual")
        told = Told.unpack(record.data)
        try:
            self._serve(own, told)
            if self.servers.get(cell.index) is own and not cell.ended:
                own.go_on(record.deadline)
        except Crashed as crash:
            fail(self._monitor, cell, f"guest fault: {crash}{blame(self._monitor, cell, told.trap, told.registers)}")
        return Status.OK

    def _serve(self, own: Server, told: Told) -> None:
        if told.trap is Trap.START:
            index = own.cell.index
            base = self._wiring.virtual_bases.get(index, self._monitor.memory.ram_base)
            own.start(told, TableFormat(self._wiring.paravirtual[index]), base, self.reserved(own.cell))
            return
        if own.world is None:
            raise Refused(Status.WRONG_STATE, f"{told.trap.name} before the start")
        thread = own.world.current
        if told.trap is Trap.IRQ:
            own.interrupted()
        elif thread is None:
            raise Refused(Status.WRONG_STATE, f"{told.trap.name}, and nobody runs")
        if thread is not None:
            thread.registers = told.registers
            if told.trap is not Trap.IRQ:
                self._leave(own, thread, told)

    def _leave(self, own: Server, thread: Thread, told: Told) -> None:
        """A thread comes to an exception of its own making."""
        call = told.trap is Trap.SWI and FIRST_CALL <= told.immediate <= LAST_CALL
        if call:
            self._call(own, thread, told)
        elif thread.number == ROOT:
            raise Crashed(f"the server: {told.story()}")
        else:
            own.tell(thread, told)

    def _call(self, own: Server, thread: Thread, told: Told) -> None:
        """A system call of the microkernel."""
        own.step("hypercall", thread=thread.number, number=told.immediate)
        try:
            call = self._calls.get(told.immediate)
            if call is None:
                raise Refused(Status.UNKNOWN_CALL, f"svc #{told.immediate:#x} is no call")
            value = call(own, thread, told.registers)
        except Refused as refusal:
            self._monitor.refused(own.cell, f"l4 call {told.immediate:#x} of thread {thread.number:#x}", str(refusal))
            value = refusal.status
        if value is not None:
            thread.registers = (value & WORD, *thread.registers[1:])

    def problems(self) -> list[str]:
        """What contradicts itself."""
        worlds = [own.world for own in self.servers.values() if own.world is not None]
        return [problem for world in worlds for problem in world.problems()]
