"""A paravirtual machine against the monitor's door, in one process: the CPU's registers out, the monitor's answer in."""

from __future__ import annotations

import pytest

from cells.machine.machine import MachineSpec
from cells.machine.pv import PvMachine
from hypervisor.abi.hypercalls import HYPERCALL_BASE
from hypervisor.abi.pv import STATE, PvCall, TableFormat, Trap
from hypervisor.abi.records import Event, EventKind, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.abi.xen import Errno
from tests.support.arm import ONE, assemble
from tests.support.pv import BATCH, ENTRY, L1, STACK, VECTORS, PvLab
from tests.support.xen import BASE, PAGES

SIZE = PAGES * 4096
END = 99
READY = f"ldr r0, ={VECTORS:#x}; svc #{PvCall.TRAP_TABLE}; ldr sp, ={STACK:#x}"


class Over(Exception):  # noqa: N818  it is none
    """The guest has asked for its end, by an svc that is no hypercall."""


class World:
    """A lockstep whose monitor is here. `exits`: kinds of exceptions, in order."""

    def __init__(self, lab: PvLab) -> None:
        self.lab, self.answer, self.exits = lab, b"", list[int]()
        self.start, self.end, self.horizon = 0, NEVER, NEVER
        self.events: list[Event] = []
        self.faults: list[bytes] = []

    def exit(self, kind: int, time: int, *rest: object) -> int:
        data = rest[-1]
        assert kind == ExitKind.EXCEPTION
        assert isinstance(data, bytes)
        self.start = time
        self.exits.append(int.from_bytes(data[:4], "little"))
        number = int.from_bytes(data[4:8], "little")
        if number == END:
            raise Over
        return self.serve(number, data)

    def serve(self, number: int, data: bytes) -> int:
        self.lab.kernel.exit(data)
        self.answer = STATE.pack(*self.lab.kernel.words)
        return 0

    def due(self, now: int) -> list[Event]:
        events, self.events = self.events, []
        return events

    def next_event(self) -> int:
        return 0 if self.events else NEVER


class Waited(World):
    """A monitor that lets the kernel wait in each BASIC call, and then says 17."""

    def serve(self, number: int, data: bytes) -> int:
        if number != PvCall.BASIC:
            return super().serve(number, data)
        self.answer = b""
        return 17


class Bench:
    """The machine of the lab's kernel."""

    def __init__(self, model: str, layout: TableFormat) -> None:
        self.lab = PvLab(layout)
        self.ram = self.lab.memory.own[1]
        spec = MachineSpec(
            hz=10**8,
            ram_base=BASE,
            ram_size=SIZE,
            unicorn_model=model,
            cycles=ONE,
            code_buffer=32 << 20,
            private=[],
            unmodelled=[],
            physical=[],
            hypercall_base=HYPERCALL_BASE,
            entry=ENTRY,
            registers=(0, 1, 2),
            paravirtual=True,
        )
        self.machine = PvMachine(spec, self.ram)
        self.world = World(self.lab)

    def load(self, address: int, source: str, *, thumb: bool = False) -> None:
        code = assemble(source, address, thumb=thumb)
        self.ram[address - BASE : address - BASE + len(code)] = code

    def run(self) -> None:
        with pytest.raises(Over):
            self.machine.run(self.world)  # type: ignore[arg-type]

    def register(self, name: str) -> int:
        return self.machine.engine.read_register(name)


@pytest.fixture(params=[("926", TableFormat.LEGACY), ("CORTEX_A8", TableFormat.MODERN)], ids=["926", "CORTEX_A8"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(*request.param)


def test_the_first_exit_is_the_start_and_the_answer_an_address_space(bench: Bench) -> None:
    bench.load(ENTRY, "mrs r5, cpsr; svc #99")
    bench.run()
    assert bench.world.exits == [Trap.START, Trap.SWI]
    assert bench.register("R0") == bench.lab.own.tables.base
    assert bench.register("R5") & 0x1F == 0x10


def test_an_upcall_reaches_the_kernels_vector_and_comes_back(bench: Bench) -> None:
    bench.load(ENTRY, f"{READY}; mov r4, #1; udf #0; add r4, r4, #1; svc #99")
    bench.load(VECTORS + 4, f"ldr r1, [sp, #4]; add r1, r1, #4; str r1, [sp, #4]; mov r6, #7; svc #{PvCall.RETURN}")
    bench.run()
    assert bench.world.exits == [Trap.START, Trap.SWI, Trap.UNDEFINED, Trap.SWI, Trap.SWI]
    assert (bench.register("R4"), bench.register("R6"), bench.register("SP")) == (2, 7, STACK)


def test_thumb_code_calls_with_its_own_numbers(bench: Bench) -> None:
    bench.load(ENTRY, f"ldr r1, ={ENTRY + 0x101:#x}; bx r1")
    bench.load(ENTRY + 0x100, f"movs r0, #1; svc #{PvCall.MASK}; adds r7, r0, #4; svc #99", thumb=True)
    bench.run()
    assert bench.register("R7") == 5, "interrupts were masked"


def test_a_notification_interrupts_only_when_it_is_let_in(bench: Bench) -> None:
    lab = bench.lab
    bench.load(ENTRY, f"{READY}; mov r4, #0; mov r0, #0; svc #{PvCall.MASK}; loop: cmp r4, #0; beq loop; svc #99")
    bench.load(
        VECTORS + 4 * Trap.IRQ,
        f"mov r4, #1; ldr r1, ={BASE + 4096:#x}; mov r2, #0; strb r2, [r1]; svc #{PvCall.RETURN}",
    )
    lab.kernel.guest.set_up_events()
    bench.ram[4096:4098] = b"\1\0"  # the upcall of shared_info is pending
    bench.world.events.append(Event(0, EventKind.NOTIFY, bytes(12)))
    bench.run()
    assert Trap.IRQ in bench.world.exits
    assert bench.register("R4") == 1


def test_a_store_into_the_live_table_is_seen_as_a_fault_and_reflected(bench: Bench) -> None:
    bench.load(ENTRY, f"mov r7, r0; {READY}; str r7, [r7]; svc #99")
    bench.load(VECTORS + 4 * Trap.DATA_ABORT, f"mov r0, #1; svc #{PvCall.FAULT}; mov r9, r0; svc #99")
    bench.run()
    assert bench.register("R9") == bench.register("R7") == bench.lab.own.tables.base
    assert bench.world.exits[-3] == Trap.DATA_ABORT


def test_a_call_in_which_the_kernel_waited_ends_with_its_value(bench: Bench) -> None:
    bench.load(ENTRY, f"mov r0, #1; svc #{PvCall.BASIC}; mov r4, r0; svc #99")
    bench.world = Waited(bench.lab)
    bench.run()
    assert bench.register("R4") == 17


@pytest.mark.parametrize("mode", [0x11, 0x12, 0x17, 0x1B, 0x1F])
def test_arm_code_that_returns_to_a_privileged_mode_is_refused_and_stays_in_user_mode(bench: Bench, mode: int) -> None:
    frame = f"mov r1, #{mode:#x}; str r1, [sp, #-16]!; ldr r1, ={ENTRY:#x}; str r1, [sp, #4]"
    bench.load(ENTRY, f"{READY}; {frame}; svc #{PvCall.RETURN}; mov r4, r0; mrs r5, cpsr; svc #99")
    bench.run()
    assert bench.register("R4") == (-Errno.EPERM) & 0xFFFF_FFFF
    assert bench.register("R5") & 0x1F == 0x10


def test_arm_code_that_has_its_table_mapped_writable_is_refused(bench: Bench) -> None:
    slot = L1 - 0x1000 + (L1 - BASE) // 4096 * 4
    batch = f"ldr r1, ={slot:#x}; ldr r2, ={L1 | 3:#x}; ldr r0, ={BATCH:#x}; str r1, [r0]; str r2, [r0, #4]"
    bench.load(ENTRY, f"{batch}; mov r1, #1; svc #{PvCall.MMU_UPDATE}; mov r4, r0; svc #99; nop")
    bench.run()
    assert bench.register("R4") == (-Errno.EBUSY) & 0xFFFF_FFFF
