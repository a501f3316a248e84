"""A kernel that is a task, without a CPU: exceptions as exits, straight into the microkernel's door, by whoever runs.

lab = L4Lab()
server = lab.server.boot()                        # started, with message registers
task = server.call(Call.TASK_NEW)
server.reply(task, pc=0x8000)                     # and wait: its main thread runs now
server.trap(Trap.SWI, 0)                          # ... and calls: server.message() has the exception
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from hypervisor.abi.l4 import ANY, NIL, Label
from hypervisor.abi.l4_door import FOREVER, UTCB_SIZE, Call, Exchange, Index, pack_item, thread_of
from hypervisor.abi.memory import KERNEL_HYPERCALLS, PAGE
from hypervisor.abi.pv import STATE, TRAP, USER_MODE, TableFormat, Trap
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.core import events as on
from hypervisor.core.cell import CellParams
from hypervisor.core.costs import Costs
from hypervisor.core.effects import TraceRecord
from hypervisor.core.exits import EXITS
from hypervisor.core.frames import FrameTable
from hypervisor.core.l4 import Microkernel
from hypervisor.core.l4.door import Server
from hypervisor.core.lives import fail
from hypervisor.core.monitor import Monitor
from hypervisor.core.policies import make_policy
from hypervisor.core.wiring import Wiring
from tests.support.memory import BytesMemory
from tests.support.talkers import channel

BASE, RAM = 0x4000_0000, 1 << 20
VIRTUAL = 0xC000_0000
UTCB = VIRTUAL + 0x3000
CODE, STACK = 0x8000, 0x2000_0000
ENTRY = VIRTUAL + 0x8000
SIGNAL_CODE = 0xF000_0000
MASK = 0xFFFF_FFFF
COSTS = Costs(operations={"exception": 10, "ipc": 1, "ipc_word": 1, "space_switch": 5, "map": 3, "unmap": 3, "task": 7})


class State(NamedTuple):
    """Where the monitor lets the CPU go on."""

    base: int
    access: int
    flush: int
    registers: tuple[int, ...]

    @property
    def r0(self) -> int:
        """As a signed number."""
        value = self.registers[0]
        return value - (1 << 32) if value >> 31 else value

    @property
    def pc(self) -> int:
        return self.registers[15]


class L4Lab:
    """A cell `server` whose kernel is a task, and an `other` to which it has a channel."""

    def __init__(
        self, layout: TableFormat = TableFormat.MODERN, *, fass: int = 0, on_crash: str = "destroy", ram: int = RAM
    ) -> None:
        cells = [
            CellParams("server", ram, (0,), on_crash=on_crash, max_restarts=9),
            CellParams("other", 1 << 16, (0,)),
        ]
        self.monitor = Monitor(
            cells,
            make_policy("round_robin", slice_cycles=1_000_000),
            costs=COSTS,
            frames=FrameTable(32 << 20, BASE),
            mechanism=Microkernel,
            wiring=Wiring(
                (channel("pipe", 0, 1, kind="console"),),
                paravirtual={0: layout},
                virtual_bases={0: VIRTUAL},
                fass=fass,
            ),
        )
        mechanism = self.monitor.mechanism
        assert isinstance(mechanism, Microkernel)
        self.kernel = mechanism
        self.memory = BytesMemory.under(self.monitor)
        self.traced: list[TraceRecord] = []
        self.settle(self.monitor.start())
        for cell in self.monitor.cells:
            self.settle(self.monitor.handle(on.CellReady(cell.index), self.monitor.now))
        self.server = ServerCpu(self)

    def settle(self, effects: Iterable[Any] = ()) -> None:
        """Carry out what was ordered."""
        pending = [*effects, *self.monitor._effects]
        self.monitor._effects = []
        self.traced += [e for e in self.memory.carry_out(pending) if isinstance(e, TraceRecord)]

    def steps(self) -> list[str]:
        """Kinds of the records since the last look."""
        self.settle()
        kinds = [record.kind for record in self.traced]
        self.traced.clear()
        return kinds

    def restart(self) -> None:
        """The cell dies, and is up again."""
        fail(self.monitor, self.server.cell, "killed")
        self.settle()
        self.monitor.check_invariants()
        self.settle(self.monitor.handle(on.CellReady(0), self.monitor.now))
        self.server.state = self.server.at_entry()


class ServerCpu:
    """The CPU of the cell. `state`: where it is, whoever runs."""

    def __init__(self, lab: L4Lab) -> None:
        self.lab, self.cell = lab, lab.monitor.cells[0]
        self.state = self.at_entry()

    @staticmethod
    def at_entry() -> State:
        return State(0, 0, 0, (*(0,) * 15, ENTRY, USER_MODE))

    @property
    def own(self) -> Server:
        return self.lab.kernel.door.servers[0]

    @property
    def world(self):  # type: ignore[no-untyped-def]
        world = self.own.world
        assert world is not None
        return world

    # ---- exits

    def trap(self, trap: int, immediate: int = 0, *registers: int, far: int = 0, fsr: int = 0) -> State | None:
        """An exception where it is; None: no answer (it sleeps, or has ended)."""
        core = (*registers, *self.state.registers[len(registers) :])
        return self.exit(TRAP.pack(trap, immediate, far, fsr, *core))

    def exit(self, data: bytes) -> State | None:
        now = self.lab.monitor.now
        EXITS[ExitKind.EXCEPTION](self.lab.monitor, self.cell, Exit(0, ExitKind.EXCEPTION, now, 0, NEVER, data=data))
        self.lab.settle()
        return self.answered()

    def answered(self) -> State | None:
        """The state that came with the answer, if there was one; what else waits for the vCPU stays."""
        events = self.cell.vcpu.events
        answers = [event for event in events if event.kind == EventKind.ANSWER]
        events[:] = [event for event in events if event.kind != EventKind.ANSWER]
        if not answers:
            return None
        base, access, flush, *registers = STATE.unpack(answers[0].payload)
        self.state = State(base, access, flush, tuple(registers))
        return self.state

    def hear(self) -> None:
        """The vCPU takes the events that wait for it, and leaves user mode if it was rung."""
        rung = [event for event in self.cell.vcpu.events if event.kind == EventKind.NOTIFY]
        self.cell.vcpu.events.clear()
        if rung:
            self.trap(Trap.IRQ)

    # ---- the server

    def boot(self) -> ServerCpu:
        assert self.trap(Trap.START) is not None
        assert self.call(Call.UTCB, UTCB) == 0
        return self

    def call(self, number: int, *registers: int) -> int:
        """A system call of whoever runs; r0 of who goes on then."""
        state = self.trap(Trap.SWI, number, *registers)
        assert state is not None
        return state.r0

    def poke(self, virtual: int, data: bytes) -> None:
        self.lab.memory.own[0][virtual - VIRTUAL : virtual - VIRTUAL + len(data)] = data

    def peek(self, virtual: int, size: int) -> bytes:
        return bytes(self.lab.memory.own[0][virtual - VIRTUAL :][:size])

    def put(self, label: int, words: Iterable[int] = (), items: Iterable[bytes] = ()) -> None:
        """A message into the registers."""
        untyped, typed = list(words), b"".join(items)
        tag = len(untyped) | len(typed) // 4 << 6 | label << 16
        self.poke(UTCB, struct.pack(f"<{len(untyped) + 1}I", tag, *untyped) + typed)

    def message(self) -> tuple[int, tuple[int, ...]]:
        """Label and words of what is in the registers."""
        tag, *registers = struct.unpack(f"<{UTCB_SIZE // 4}I", self.peek(UTCB, UTCB_SIZE))
        return tag >> 16, tuple(registers[: tag & 0x3F])

    def ipc(self, to: int = NIL, source: int = NIL, until: int = FOREVER) -> State | None:
        return self.trap(Trap.SWI, Call.IPC, to, source, until & MASK, until >> 32)

    def registers(self, pc: int = CODE, psr: int = USER_MODE, r0: int = 0) -> tuple[int, ...]:
        return (r0, *(0,) * 12, STACK, 0, pc, psr)

    def map(self, task: int, *pages: tuple[int, int, int]) -> int:
        """Pages (destination, source, rights)."""
        self.put(Label.USER, items=[pack_item(*page) for page in pages])
        return self.call(Call.MAP, task)

    def new_task(self, *, signal: bool = False) -> int:
        task = self.call(Call.TASK_NEW)
        assert task > 1
        if signal:
            assert self.call(Call.EXCHANGE, thread_of(task, Index.SIGNAL), SIGNAL_CODE, 0, Exchange.START) == 0
        return task

    def run(self, task: int, until: int = FOREVER, pc: int = CODE, items: Iterable[bytes] = ()) -> State | None:
        """Let a process go on, and wait for whatever comes."""
        self.put(Label.EXCEPTION, self.registers(pc), items)
        return self.ipc(thread_of(task, Index.MAIN), ANY, until)

    def signal_waits(self) -> State | None:
        """What a signal thread does first, and again after each signal."""
        return self.trap(Trap.SWI, Call.IPC, NIL, 0x10)


def pages_in(server: ServerCpu, task: int) -> dict[int, tuple[int, bool]]:
    """What a task has, from the tables that a CPU would walk."""
    space = server.world.tasks[task].space
    return {at: (page.address, page.writable) for at, page in space.pages()}


__all__ = ["KERNEL_HYPERCALLS", "NEVER", "PAGE", "L4Lab", "ServerCpu", "State", "pages_in"]
