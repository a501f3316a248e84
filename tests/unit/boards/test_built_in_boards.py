"""The boards that come with the project: complete, wired, sourced, and true to their device trees."""

from __future__ import annotations

import re
from pathlib import Path

import fdt
import pytest

import boards
from boards import HYPERCALL_BASE, Board, Cache, Timing, Tlb, cpu_names, device_tree, load_board, load_cpu, names
from devices import NEVER, assemble, problem

LINUX = ("arm1176", "arm926", "beagle")
FOLDER = Path(boards.__file__).parent


@pytest.fixture(params=names())
def board(request: pytest.FixtureRequest) -> Board:
    return load_board(request.param)


def test_every_device_has_a_model_with_these_parameters(board: Board) -> None:
    assert [problem(spec) for spec in board.devices] == [None] * len(board.devices)


def test_the_private_devices_can_be_wired_and_are_silent(board: Board) -> None:
    levels: list[bool] = []
    bus = assemble(board.private, clock=lambda: 0, hz=board.clock_hz, irq=levels.append)
    bus.advance()
    assert (levels, bus.deadline()) == ([], NEVER)


def test_the_root_controller_takes_the_interrupts_of_the_physical_devices(board: Board) -> None:
    levels: list[bool] = []
    bus = assemble(board.private, clock=lambda: 0, hz=board.clock_hz, irq=levels.append)
    assert board.controller is not None
    controller = bus.devices[board.controller.name]
    for spec in board.physical:
        if spec.irq is not None:
            controller.line(spec.irq)(True)  # type: ignore[attr-defined]
    assert levels == []  # nothing is enabled yet


GIVEN_AWAY = {
    "timer1": "timer",
    "uart1": "uart",
    "sysclock": "clock",
    "flash0": "flash",
    "nand0": "flash",
    "lcd0": "display",
    "touch0": "touch",
    "nic0": "network",
    "nic1": "network",
}


@pytest.mark.parametrize(("name", "role"), GIVEN_AWAY.items())
def test_every_board_has_physical_devices_to_give_away(board: Board, name: str, role: str) -> None:
    spec = next(spec for spec in board.physical if spec.name == name)
    assert spec.role == role
    assert spec.base % 0x1000 == 0
    assert spec.size % 0x1000 == 0


def test_a_machine_has_a_console_and_a_timer_of_its_own(board: Board) -> None:
    roles = {spec.role for spec in board.private}
    assert {"interrupt_controller", "timer", "uart"} <= roles


def test_the_hypercall_page_is_free(board: Board) -> None:
    assert HYPERCALL_BASE == 0x3F00_0000
    assert not board.ram_base <= HYPERCALL_BASE < board.ram_base + board.ram_size


def test_what_stands_in_for_something_else_says_so(board: Board) -> None:
    assert board.stand_in
    assert board.sources
    assert board.power.source


def test_the_memory_map_drawn_in_the_file_is_that_of_the_data(board: Board) -> None:
    text = (FOLDER / f"{board.name}.toml").read_text(encoding="utf-8")
    drawn = {
        (name, int(address.replace("_", ""), 16)) for address, name in re.findall(r"#\s+([0-9a-f_]{9})\s+(\w+)", text)
    }
    assert {(spec.name, spec.base) for spec in board.devices} <= drawn
    assert ("RAM", board.ram_base) in drawn


@pytest.mark.parametrize("name", cpu_names())
def test_every_cost_of_a_cpu_says_where_it_comes_from(name: str) -> None:
    cpu = load_cpu(name)
    assert set(cpu.cycles) == {
        "alu",
        "multiply",
        "load",
        "store",
        "load_multiple_per_register",
        "store_multiple_per_register",
        "branch",
        "coprocessor",
        "exception",
    }
    items: list[Timing | Tlb | Cache] = [*cpu.timing.values(), cpu.tlb, cpu.caches.l1i, cpu.caches.l1d]
    for item in items:
        assert item.source
        assert item.assumed == bool(re.search(r"not checked|recalled|guess|lower bound", item.source)), item.source


@pytest.mark.parametrize("name", cpu_names())
def test_the_engine_has_a_model_of_the_cpu_with_that_identity(name: str) -> None:
    unicorn = pytest.importorskip("unicorn")
    arm = pytest.importorskip("unicorn.arm_const")
    cpu = load_cpu(name)
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_ARM)
    engine.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_{cpu.unicorn_model}"))
    assert engine.reg_read(arm.UC_ARM_REG_CP_REG, (15, 0, 0, 0, 0, 0, 0)) == cpu.midr


def test_lines_go_in_turn_on_xscale_and_by_chance_on_cores_of_arm() -> None:
    by_chance = {name for name in cpu_names() if load_cpu(name).caches.l1d.replacement == "random"}
    assert by_chance == set(cpu_names()) - {"pxa255"}
    assert all(load_cpu(name).caches.l1i.replacement == load_cpu(name).caches.l1d.replacement for name in cpu_names())


def test_a_timer_tick_of_the_pxa255_is_a_whole_number_of_cycles() -> None:
    board = load_board("pxa255")
    assert board.clock_hz == 108 * int(board.device("timer0").params["frequency"])


@pytest.mark.parametrize("name", LINUX)
def test_a_board_that_boots_linux_places_everything_in_64_mebibytes(name: str) -> None:
    linux = load_board(name).linux
    assert linux is not None
    assert linux.load_offset < linux.dtb_offset < linux.initrd_offset < 64 << 20


@pytest.mark.parametrize("name", sorted(set(names()) - set(LINUX)))
def test_the_other_boards_are_for_bare_metal(name: str) -> None:
    assert load_board(name).linux is None


INTERRUPT_OF = {
    # board: how its tree writes an input number in cells
    "arm926": lambda number: [number],
    "arm1176": lambda number: [number // 32, number % 32],
    "beagle": lambda number: [0, number - 32, 4],
}


@pytest.mark.parametrize("name", LINUX)
def test_the_tree_has_each_device_where_the_board_has_it(name: str) -> None:
    board = load_board(name)
    blob = device_tree(board, ram_size=board.ram_size, bootargs="quiet", initrd=None)
    nodes = {
        offset_of(board) + node.get_property("reg").value: node
        for _, children, _ in fdt.parse_dtb(blob).walk()
        for node in children
        if node.get_property("reg") and node.get_property("compatible") and not node.name.startswith(("cpu", "memory"))
    }
    for spec in board.private:
        if spec.model.startswith("orion_ddr"):
            continue  # the second range of the mbus controller's node
        base = spec.base + (0x10 if spec.model == "orion_bridge" else 0)  # its controller lies inside the block
        assert base in nodes, spec.name
        if spec.irq is not None:
            cells = [cell for irq in (spec.irq, *spec.more_irqs) for cell in INTERRUPT_OF[name](irq)]
            assert list(nodes[base].get_property("interrupts").data) == cells, spec.name


def offset_of(board: Board) -> int:
    """Where the bus of the SoC begins that the tree's addresses are relative to."""
    return 0xF100_0000 if board.name == "arm926" else 0
