"""Injected faults of devices, where the monitor stands between a device and its owner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devices import Wiring
from devices.nor_flash import NorFlash
from hypervisor.abi.faults import Armed
from hypervisor.abi.hypercalls import Hypercall
from hypervisor.abi.records import EventKind, Exit, ExitKind
from hypervisor.core.bus import PhysicalDevice
from hypervisor.core.mishaps import dma_address, stuck_at
from hypervisor.shell.inputs import Input, InputKind
from tests.support import talkers
from tests.support.scripted import Bench, ScriptedVcpu
from tests.support.talkers import records, talk

Steps = Iterator[Exit]
BASE, LINE = 0x1000_0000, 5


class Quiet:
    """A device whose line the test drives."""

    registers = None

    def deadline(self) -> int:
        return 1 << 62

    def advance(self) -> None:
        pass

    def reset(self) -> None:
        pass


def a_bench(script) -> Bench:
    bench = talk({"owner": script, "other": lambda vcpu: vcpu.work(10)})
    bench.monitor.bus.attach(PhysicalDevice("dev0", BASE, 0x1000, Quiet(), owner=0, line=LINE))
    bench.monitor.interrupts.route(LINE, 0)
    return bench


def inject(bench: Bench, fault: Armed) -> None:
    bench.loop.take(Input(bench.loop.step, bench.monitor.now, InputKind.INJECT, "owner", fault.to_text()))


def sleeper(vcpu: ScriptedVcpu) -> Steps:
    """Wakes for each event, and counts nothing itself."""
    while vcpu.time < 100_000:
        vcpu.events.clear()
        yield from vcpu.wait(100_000)


def test_a_line_that_comes_up_unheard_is_heard_the_next_time():
    bench = a_bench(sleeper)
    inject(bench, Armed("lose_interrupt", point="core.line"))
    bench.until(1_000)
    for level in (True, False):
        bench.monitor.set_line(LINE, level)
    assert not bench.monitor.interrupts.pending(0, LINE)
    bench.monitor.set_line(LINE, True)
    assert bench.monitor.interrupts.pending(0, LINE)
    bench.monitor.check_invariants()


def test_a_storm_takes_as_many_interrupts_as_it_says_and_leaves_the_line_as_its_device_has_it():
    taken: list[int] = []

    def driver(vcpu: ScriptedVcpu) -> Steps:
        while vcpu.time < 100_000:
            vcpu.events.clear()
            yield from vcpu.wait(100_000)
            line = yield from talkers.call(vcpu, Hypercall.IRQ_ACK)
            if line >= 0:
                taken.append(line)
                yield from talkers.call(vcpu, Hypercall.IRQ_EOI, line)

    bench = a_bench(driver)
    inject(bench, Armed("storm", at=1_000, values={"raises": 20, "every": 500}))
    bench.until(50_000)
    assert taken == [LINE] * 20
    assert not bench.monitor.interrupts.level(LINE)
    assert not bench.monitor.interrupts.pending(0, LINE)
    assert len(records(bench, "fault")) == 1
    bench.until(100_000)


def test_a_storm_over_a_driver_that_sleeps_over_it_takes_no_room():
    bench = a_bench(lambda vcpu: vcpu.work(1_000_000))
    inject(bench, Armed("storm", values={"raises": 5_000, "every": 2}))
    bench.until(20_000)
    lines = [event for event in bench.cell("owner").vcpu.events if event.kind == EventKind.LINE]
    assert len(lines) <= 3
    bench.monitor.check_invariants()


def test_a_storm_on_a_line_that_is_not_the_cells_does_not_come():
    bench = a_bench(sleeper)
    inject(bench, Armed("storm", values={"line": LINE + 1}))
    bench.until(10_000)
    assert not records(bench, "irq")


@pytest.mark.parametrize(
    ("offset", "size", "value"), [(8, 4, 0x11223344), (8, 1, 0x44), (9, 1, 0x33), (10, 2, 0x1122), (12, 4, 7)]
)
def test_a_stuck_register_reads_its_value_whatever_the_size_and_the_others_read_theirs(offset, size, value):
    assert stuck_at({8: 0x11223344}, offset, size, 7) == value


def test_a_register_sticks_for_as_long_as_the_fault_says():
    class Counts:
        def __init__(self) -> None:
            self.registers = self

        def read(self, offset: int, size: int) -> int:
            return 1

        write = write_many = None
        deadline, advance, reset = Quiet.deadline, Quiet.advance, Quiet.reset

    seen: list[int] = []

    def reads(vcpu: ScriptedVcpu) -> Steps:
        for _ in range(4):
            yield vcpu.exit(ExitKind.READ, a0=BASE + 8, a1=4)
            seen.append(vcpu.resume.value)
            yield from vcpu.work(1_000)

    bench = talk({"owner": reads})
    bench.monitor.bus.attach(PhysicalDevice("dev0", BASE, 0x1000, Counts(), owner=0))  # type: ignore[arg-type]
    inject(bench, Armed("stick_register", at=500, hold=2_000, values={"register": 8, "value": 99}))
    bench.until(20_000)
    assert seen == [1, 99, 99, 1]


def test_a_device_that_reaches_into_foreign_memory_finds_an_address_that_is_not_its_owners():
    bench = a_bench(sleeper)
    inject(bench, Armed("foreign_dma", point="core.dma", visit=2))
    bench.until(1_000)
    monitor, owner = bench.monitor, bench.cell("owner")
    own = monitor.memory.ram_base
    first, second, third = (dma_address(monitor, owner, "dev0", own, 64) for _ in range(3))
    assert (first, third) == (own, own)
    assert second >= own + owner.params.ram


def test_a_block_that_goes_bad_gives_other_data_and_takes_nothing_new():
    clock = [0]
    chip = NorFlash(Wiring(clock=lambda: clock[0], hz=1_000_000), size=1 << 20, word_us=1, erase_us=10)

    def command(*cycles: tuple[int, int]) -> int:
        for offset, value in cycles:
            chip.registers.write(offset, 2, value)
        clock[0] += 100
        status = chip.registers.read(0, 2)
        chip.registers.write(0, 2, 0x50)
        chip.registers.write(0, 2, 0xFF)
        return status

    assert command((0, 0x40), (0, 0x1234)) == 0x80
    chip.spoil(None, lambda limit: min(3, limit - 1))
    assert chip.registers.read(0, 2) == 0x1234 ^ 1 << 3
    assert command((2, 0x40), (2, 0)) & 0x10, "programming fails"
    assert chip.registers.read(2, 2) == 0xFFFF
    assert command((0, 0x20), (0, 0xD0)) & 0x20, "erasing fails"
    other = chip.block
    assert command((other, 0x40), (other, 0x55)) == 0x80, "the next block is as good as ever"
