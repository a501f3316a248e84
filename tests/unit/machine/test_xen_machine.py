"""An unmodified kernel's machine under xen, in one process: what an HVC tells, and when the line of the upcall is seen."""

from __future__ import annotations

import struct

import pytest

from cells.machine.machine import MachineSpec
from cells.machine.xen import XenMachine
from hypervisor.abi.hypercalls import HYPERCALL_BASE
from hypervisor.abi.records import Event, EventKind, ExitKind
from hypervisor.abi.time import NEVER
from hypervisor.abi.xen_arm import CALL, PPI_INPUT, TRAP_HVC, UPCALL
from tests.support.arm import ONE, assemble

BASE, SIZE, ENTRY, VECTORS = 0x4000_0000, 64 * 4096, 0x4000_1000, 0x4000_0000
BYTE = 0x4000_3008
"""Where the monitor says that the upcall's byte is."""
GIC = 0x0800_0000
HVC = ".word 0xe140ea71"
END = 77
"""A hypercall's number with which the guest asks for its end."""
ENABLE = (
    f"ldr r8, ={GIC:#x}; ldr r9, ={GIC + 0x10000:#x}; mov r0, #1; str r0, [r8]; str r0, [r9]; mov r0, #0xff; str r0, [r9, #4];"
    " mov r0, #0x80000000; str r0, [r8, #0x100]"
)
CALL_1 = f"mov r12, #1; {HVC}"
OVER = f"mov r12, #{END}; {HVC}"


class Over(Exception):  # noqa: N818  it is none
    """The guest has asked for its end."""


class World:
    """A lockstep whose monitor answers each call with its number + 100, and does `then` to the guest's memory."""

    def __init__(self) -> None:
        self.answer, self.calls, self.arguments = b"", list[tuple[int, ...]](), list[tuple[int, ...]]()
        self.start, self.end, self.horizon = 0, NEVER, NEVER
        self.events: list[Event] = []
        self.faults: list[bytes] = []
        self.place = b""
        self.then = lambda: None

    def exit(self, kind: int, time: int, *rest: object) -> int:
        data, arguments = rest[-1], rest[2]
        assert kind == ExitKind.EXCEPTION
        assert isinstance(data, bytes) and isinstance(arguments, tuple)
        self.start = time
        words = CALL.unpack(data)
        self.calls.append(words)
        self.arguments.append(arguments)
        if words[5] == END:
            raise Over
        self.answer, self.place = self.place, b""
        self.then()
        return words[5] + 100

    def due(self, now: int) -> list[Event]:
        events, self.events = self.events, []
        return events

    def next_event(self) -> int:
        return 0 if self.events else NEVER


class Bench:
    """A Cortex-A8 with a GIC."""

    def __init__(self, door: str = "kernel") -> None:
        self.ram = bytearray(SIZE)
        gic = {"name": "gic", "model": "gic", "base": GIC, "size": 0x1_2000, "params": {"cpu_interface": 0x1_0000}}
        spec = MachineSpec(
            hz=10**8,
            ram_base=BASE,
            ram_size=SIZE,
            unicorn_model="CORTEX_A8",
            cycles=ONE,
            code_buffer=32 << 20,
            private=[gic],
            unmodelled=[],
            physical=[],
            hypercall_base=HYPERCALL_BASE,
            entry=ENTRY,
            registers=(0, 1, 2),
            door=door,
        )
        self.machine, self.world = XenMachine(spec, self.ram), World()

    def run(self, source: str) -> World:
        self.load(ENTRY, f"ldr r0, ={VECTORS:#x}; mcr p15, 0, r0, c12, c0, 0; {source}; {OVER}")
        with pytest.raises(Over):
            self.machine.run(self.world)  # type: ignore[arg-type]
        return self.world

    def load(self, address: int, source: str) -> None:
        code = assemble(source, address)
        self.ram[address - BASE : address - BASE + len(code)] = code

    def byte(self, value: int) -> None:
        self.ram[BYTE - BASE] = value


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_call_tells_its_registers_and_those_of_the_mmu_and_gets_r0(bench: Bench) -> None:
    words = "; ".join(f"mov r{number}, #{number + 10}" for number in range(5))
    table = "ldr r0, =0x40004000; mcr p15, 0, r0, c2, c0, 0; mov r0, #5; mcr p15, 0, r0, c3, c0, 0"
    world = bench.run(f"{table}; {words}; mov r12, #29; {HVC}; mov r4, r0")
    first, last = world.calls
    assert first[:6] == (10, 11, 12, 13, 14, 29)
    assert first[8] == 0x4000_4000
    assert first[10] == 5
    assert world.arguments[0][0] == TRAP_HVC
    assert last[4] == 129, "r0 was the answer"


def test_in_user_mode_and_with_another_number_it_is_an_undefined_instruction(bench: Bench) -> None:
    bench.load(VECTORS + 4, f"mrs r3, spsr; mov r4, lr; {OVER}")
    world = bench.run("cps #0x10; nop; " + HVC)
    assert world.calls[-1][3] & 0x1F == 0x10
    again = Bench()
    again.load(VECTORS + 4, f"mrs r3, spsr; mov r4, lr; mrs r2, cpsr; {OVER}")
    world = again.run("mov r6, r6; here: .word 0xe140ea72; mov r0, #1")
    (end,) = world.calls
    assert end[3] & 0x1F == 0x13, "it came from its own mode"
    assert end[2] & 0x9F == 0x9B, "it is in undefined mode, interrupts masked"
    code = bytes(again.ram[ENTRY - BASE : ENTRY - BASE + 64])
    assert end[4] == ENTRY + code.index(struct.pack("<I", 0xE140EA72)) + 4


def test_a_call_of_firmware_is_told_that_there_is_none(bench: Bench) -> None:
    world = bench.run("mov r0, #3; .word 0xe1400070; mov r4, r0")
    assert world.calls[-1][4] == 0xFFFF_FFFF


def test_the_upcall_is_a_level_that_follows_the_byte(bench: Bench) -> None:
    bench.world.place = UPCALL.pack(BYTE)
    bench.world.then = lambda: bench.byte(1)
    iar = "ldr r1, [r9, #0xc]"
    look = f"ldr r5, ={BYTE:#x}"
    world = bench.run(
        f"{ENABLE}; {iar}; mov r6, r1; {CALL_1}; ldr r2, [r9, #0xc]; {look}; mov r3, #0; strb r3, [r5]; str r2, [r9, #0x10];"
        " ldr r3, [r9, #0xc]; mov r1, r6"
    )
    end = world.calls[-1]
    assert end[1] == 1023, "nothing before the call"
    assert end[2] == PPI_INPUT, "the call's answer said where the byte is, and it was set"
    assert end[3] == 1023, "the kernel has cleared it"


def test_a_byte_outside_of_its_memory_is_no_line(bench: Bench) -> None:
    bench.world.place = UPCALL.pack(BASE + SIZE)
    world = bench.run(f"{ENABLE}; {CALL_1}; ldr r2, [r9, #0xc]")
    assert world.calls[-1][2] == 1023


@pytest.mark.parametrize(("door", "heard"), [("kernel", 0), ("image", 1)])
def test_a_notification_raises_the_line_and_is_kept_for_images_alone(door: str, heard: int) -> None:
    bench = Bench(door)
    bench.world.place = UPCALL.pack(BYTE)

    def ring() -> None:
        bench.byte(1)
        bench.world.events.append(Event(0, EventKind.NOTIFY, struct.pack("<IQ", 3, 1)))

    bench.world.then = ring
    bench.run(f"{ENABLE}; {CALL_1}; nop; ldr r2, [r9, #0xc]")
    assert bench.world.calls[-1][2] == PPI_INPUT
    assert len(bench.machine.hypercalls.events) == heard
