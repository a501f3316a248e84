"""The ARM engine's face: memory map, device callbacks, limits, errors."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest

from cells.engines.arm import COST_CLASSES, ArmEngine, EngineError, Stop
from tests.support.arm import DISTINCT, ENOUGH, ONE, Bench, assemble

CODE, DEVICE = 0x1000, 0xF100_0000


class Register:
    """A device with one word, which remembers how it was reached."""

    def __init__(self) -> None:
        self.value = 0x8000_00F1
        self.seen: list[tuple[int, ...]] = []

    def read(self, offset: int, size: int) -> int:
        self.seen.append((offset, size))
        return self.value

    def write(self, offset: int, size: int, value: int) -> None:
        self.seen.append((offset, size, value))


def _bench(source: str, model: str = "926", **devices: Register) -> Bench:
    bench = Bench(model)
    for index, device in enumerate(devices.values()):
        bench.engine.map_device(DEVICE + 0x1000 * index, 0x1000, device.read, device.write)
    bench.load(CODE, f"{source}{bench.wait}")
    bench.engine.reset(CODE, DEVICE, 1, 2)
    return bench


def test_reset_sets_the_arguments_and_masks_interrupts() -> None:
    bench = _bench("nop")
    registers = bench.engine.registers()
    assert [registers[name] for name in ("r0", "r1", "r2", "pc", "cpsr")] == [DEVICE, 1, 2, CODE, 0xD3]
    assert _bench("nop", "1176").engine.cpsr == 0x1D3


def test_a_second_reset_brings_back_the_power_on_state() -> None:
    bench = _bench("mrc p15, 0, r3, c1, c0, 0; orr r3, r3, #0x2000; mcr p15, 0, r3, c1, c0, 0; mov r9, #9")
    before = bench.engine.read_cp15(1, 0, 0, 0)
    bench.finish()
    assert bench.engine.read_cp15(1, 0, 0, 0) != before
    bench.engine.reset(CODE)
    assert (bench.engine.read_cp15(1, 0, 0, 0), bench.engine.read_register("R9")) == (before, 0)


def test_loads_and_stores_of_all_sizes_reach_the_device_with_offset_size_and_value() -> None:
    device = Register()
    bench = _bench(
        "ldr r3, [r0, #4]; ldrh r4, [r0, #8]; ldrb r5, [r0, #13]; str r1, [r0]; strh r2, [r0, #2]; strb r2, [r0, #7]",
        a=device,
    )
    bench.finish()
    assert device.seen == [(4, 4), (8, 2), (13, 1), (0, 4, 1), (2, 2, 2), (7, 1, 2)]
    assert [bench.engine.read_register(f"R{n}") for n in (3, 4, 5)] == [0x8000_00F1, 0xF1, 0xF1]


def test_each_device_has_its_own_range() -> None:
    first, second = Register(), Register()
    _bench("ldr r3, [r0, #0x10]; add r0, r0, #0x1000; ldr r3, [r0, #0x20]", a=first, b=second).finish()
    assert (first.seen, second.seen) == ([(0x10, 4)], [(0x20, 4)])


def test_what_a_device_raises_comes_out_of_run_at_the_end_of_the_block() -> None:
    device = Register()
    bench = _bench("ldr r3, [r0]; mov r4, #4; b next; next: mov r5, #5", a=device)
    bench.engine.map_device(DEVICE + 0x1000, 0x1000, lambda _offset, _size: 1 // 0, device.write)
    bench.engine.write_register("R0", DEVICE + 0x1000)
    with pytest.raises(ZeroDivisionError):
        bench.run()
    assert [bench.engine.read_register(f"R{n}") for n in (4, 5)] == [4, 0]
    bench.finish()
    assert bench.engine.read_register("R5") == 5


def test_an_interrupt_from_the_keyboard_in_a_callback_is_not_lost() -> None:
    device = Register()

    def press(*_: int) -> None:
        raise KeyboardInterrupt

    device.write = press  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        _bench("str r1, [r0]; b . + 4; nop", a=device).run()


def test_a_kick_from_a_device_ends_the_run_behind_its_block() -> None:
    device = Register()
    bench = _bench("str r1, [r0]; mov r4, #4; b next; next: mov r5, #5", a=device)
    bench.engine.map_device(DEVICE + 0x1000, 0x1000, device.read, lambda *_: bench.engine.kick())
    bench.engine.write_register("R0", DEVICE + 0x1000)
    assert bench.run() is Stop.LIMIT
    assert (bench.engine.pc, bench.engine.read_register("R4")) == (CODE + 12, 4)


def test_a_line_raised_by_a_device_is_taken_behind_its_block() -> None:
    bench = Bench("926")
    bench.engine.map_device(DEVICE, 0x1000, lambda *_: 0, lambda _o, _s, value: bench.engine.set_irq(bool(value)))
    bench.load(0x18, "b #0x400")
    bench.load(0x400, "mov r6, #6; mov r7, #0; str r7, [r0]; subs pc, lr, #4")
    bench.load(CODE, "str r1, [r0]; mov r3, r6; b next; next: mov r4, r6" + bench.wait)
    bench.engine.reset(CODE, DEVICE, 1)
    bench.engine.write_register("CPSR", 0x13)
    bench.finish()
    assert [bench.engine.read_register(f"R{n}") for n in (3, 4)] == [0, 6]
    assert bench.engine.interrupts == 1


@pytest.mark.parametrize("limit", [1, 7, 50, 333])
def test_a_run_stops_before_the_first_block_at_or_after_the_limit(limit: int) -> None:
    bench = _bench("mov r3, #200; again: add r4, r4, #1; subs r3, r3, #1; bne again")
    assert bench.run(limit=limit) is Stop.LIMIT
    assert limit <= bench.engine.cycles < limit + 4
    before = bench.engine.cycles
    assert bench.run(limit=before) is Stop.LIMIT
    assert bench.engine.cycles == before
    assert bench.engine.insns == bench.engine.cycles


def test_slices_of_any_length_give_the_same_run() -> None:
    source = "mov r3, #200; again: add r4, r4, r3; svc #1; subs r3, r3, #1; bne again"
    ends = []
    for step in (1, 13, 1000, ENOUGH):
        bench = _bench(source)
        while bench.run(limit=bench.engine.cycles + step) is not Stop.WFI:
            pass
        ends.append(bench.state())
    assert all(end == ends[0] for end in ends)


def test_two_buffers_are_seen_as_two_pieces_of_ram() -> None:
    bench = _bench("mov r3, #0x20000000; ldr r4, [r3]; add r4, r4, #1; str r4, [r3, #4]")
    more = bytearray(0x2000)
    more[0] = 41
    bench.engine.map_ram(0x2000_0000, more, 0x2000)
    bench.finish()
    assert more[4] == 42


def test_ram_that_is_mapped_after_a_run_is_found() -> None:
    bench = _bench("mov r3, #0x20000000; ldr r4, [r3]")
    bench.finish()
    assert bench.engine.vcpu.data_aborts == 1
    bench.engine.map_ram(0x2000_0000, bytearray(b"\x07" + bytes(0xFFF)), 0x1000)
    device = Register()
    bench.engine.map_device(0x2000_5000, 0x1000, device.read, device.write)
    bench.load(
        CODE, "mov r3, #0x20000000; ldr r4, [r3]; add r3, r3, #0x5000; ldr r5, [r3]; ldr r6, [r3, #-4]" + bench.wait
    )
    bench.engine.reset(CODE)
    bench.finish()
    assert [bench.engine.read_register(f"R{n}") for n in (4, 5)] == [7, device.value]
    assert bench.engine.vcpu.data_aborts == 2


def test_an_access_beyond_a_short_buffer_is_refused() -> None:
    with pytest.raises(EngineError, match=r"^RAM at 0x0: 8192 bytes asked for, the buffer has 4096$"):
        ArmEngine("926", ONE).map_ram(0, bytearray(4096), 8192)


@pytest.mark.parametrize(
    ("base", "size", "message"),
    [
        (0x10, 0x1000, r"^device at 0x10, 0x1000 bytes: Invalid argument"),
        (0x1000_0000, 0x10, r"^device at 0x10000000, 0x10 bytes: Invalid argument"),
        (0x8000, 0x1000, r"^device at 0x8000, 0x1000 bytes: Invalid memory mapping"),
    ],
)
def test_a_range_that_cannot_be_mapped_is_named(base: int, size: int, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        Bench().engine.map_device(base, size, lambda *_: 0, lambda *_: None)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match=r"^no CPU model 'CORTEX_A99'; Unicorn has 1026, 1136, .*CORTEX_A9,"):
        ArmEngine("CORTEX_A99", ONE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alu": 0}, r"^table of cycles: alu = 0 is not between 1 and 65535$"),
        ({"load": 65536}, r"^table of cycles: load = 65536 is not between 1 and 65535$"),
        ({"jump": 1}, r"^table of cycles: missing or unknown: jump$"),
    ],
)
def test_a_wrong_table_of_cycles_is_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        ArmEngine("926", ONE | change)


def test_a_missing_cost_is_refused() -> None:
    with pytest.raises(EngineError, match=r"missing or unknown: branch$"):
        ArmEngine("926", {name: 1 for name in COST_CLASSES if name != "branch"})


@pytest.mark.parametrize("size", [0, 1 << 19, 1 << 33])
def test_a_code_buffer_of_a_size_that_unicorn_would_change_is_refused(size: int) -> None:
    with pytest.raises(EngineError, match=rf"^code buffer of {size} bytes: it takes 1048576 to 1073741824$"):
        ArmEngine("926", ONE, code_buffer=size)


def test_registers_of_other_processors_are_refused() -> None:
    with pytest.raises(EngineError, match=r"^no register 'RAX'$"):
        Bench().engine.read_register("RAX")
    assert Bench().engine.read_cp15(12, 0, 0, 0) is None  # the ARM926 has no vector base


def test_translate_follows_the_page_tables() -> None:
    bench = Bench()
    assert bench.engine.translate(0x1234) == 0x1234


def test_an_engine_is_freed_with_its_devices() -> None:
    bench = _bench("nop", a=Register())
    bench.finish()
    engine = weakref.ref(bench.engine)
    del bench
    gc.collect()
    assert engine() is None


def test_costs_are_the_boards() -> None:
    bench = Bench("926", DISTINCT)
    code = assemble("add r0, r0, #1; svc #0; nop")
    bench.ram[CODE : CODE + len(code)] = code
    bench.run(CODE, limit=1)
    assert bench.engine.cycles == 2 * DISTINCT["alu"] + DISTINCT["exception"]


def test_a_fault_tells_what_and_where() -> None:
    bench = Bench("CORTEX_A9")
    bench.poke(CODE, 0xE140_0077)
    assert bench.run(CODE) is Stop.HVC
    assert bench.engine.fault().text == "HVC #7 at 0x1000: nobody serves it"


def test_counting_does_not_depend_on_where_the_translator_puts_code() -> None:
    assert Bench().engine.vcpu.cached == 1


@pytest.mark.parametrize(
    "source", ["mrc p15, 0, r0, c9, c13, 0", "mrrc p15, 1, r0, r1, c14", "mrc p15, 0, r0, c14, c2, 0"]
)
def test_reading_a_counter_that_follows_the_hosts_clock_is_noticed(source: str) -> None:
    bench = Bench("CORTEX_A15")
    bench.load(CODE, f"mrc p15, 0, r0, c0, c0, 0; b next; next: {source}; wfi")
    bench.run(CODE, limit=1)
    assert bench.engine.vcpu.host_clocks == 0
    bench.finish()
    assert bench.engine.vcpu.host_clocks == 1


def _executable_mappings() -> list[str]:
    return [line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if "x" in line.split()[1]]


def test_a_warm_engine_needs_no_more_executable_memory() -> None:
    """In real life: the sandbox of a cell refuses it from then on."""
    device = Register()
    bench = _bench(
        "mov r3, #50; again: ldr r4, [r0]; str r4, [r0, #4]; svc #1; ldr r5, [r4]; subs r3, r3, #1; bne again", a=device
    )
    bench.engine.warm_up()
    bench.engine.vcpu.flush_at = 100
    before = _executable_mappings()
    bench.finish()
    bench.engine.restore(bench.engine.snapshot())
    bench.engine.reset(CODE, DEVICE)
    bench.finish()
    assert bench.engine.vcpu.code_flushes > 50
    assert _executable_mappings() == before


def test_aborts_by_the_thousand_leave_no_memory_behind() -> None:
    bench = _bench("mov r3, #0x4000; again: ldr r4, [r5]; subs r3, r3, #1; bne again")

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    sizes = []
    for _ in range(3):
        bench.engine.reset(CODE)
        bench.engine.write_register("R5", 0x3000_0000)
        bench.finish()
        sizes.append(resident())
    assert bench.engine.vcpu.data_aborts == 3 * 0x4000
    assert sizes[2] - sizes[1] < 1 << 20
