"""The flattened device tree: what is filled in, and that the blob is one."""

from __future__ import annotations

import shutil
import struct
import subprocess
from typing import Any

import fdt
import pytest

from boards import Board, BoardError, Hypervisor, device_tree, load_board

LINUX = ("arm1176", "arm926", "beagle")


@pytest.fixture(params=LINUX)
def board(request: pytest.FixtureRequest) -> Board:
    return load_board(request.param)


def tree_of(board: Board, **changes: Any) -> Any:
    arguments: dict[str, Any] = {"ram_size": 128 << 20, "bootargs": "console=ttyS0,115200 quiet", "initrd": None}
    return fdt.parse_dtb(device_tree(board, **arguments | changes))


def test_the_blob_begins_as_the_specification_says(board: Board) -> None:
    blob = device_tree(board, ram_size=1 << 26, bootargs="", initrd=None)
    magic, size, _, _, _, version, compatible = struct.unpack_from(">7I", blob)
    assert (magic, size, version, compatible) == (0xD00DFEED, len(blob), 17, 16)


def test_memory_is_that_of_the_cell(board: Board) -> None:
    node = tree_of(board, ram_size=96 << 20).get_node(f"/memory@{board.ram_base:x}")
    assert node.get_property("reg").data == [board.ram_base, 96 << 20]


def test_the_command_line_is_handed_on(board: Board) -> None:
    assert tree_of(board).get_property("bootargs", "/chosen").value == "console=ttyS0,115200 quiet"


def test_an_empty_command_line_is_no_property(board: Board) -> None:
    assert not tree_of(board, bootargs="").exist_property("bootargs", "/chosen")


def test_the_initrd_is_named_by_start_and_end(board: Board) -> None:
    start = board.ram_base + 0x30_0000
    chosen = tree_of(board, initrd=(start, start + 12345)).get_node("/chosen")
    assert chosen.get_property("linux,initrd-start").value == start
    assert chosen.get_property("linux,initrd-end").value == start + 12345


def test_without_an_initrd_nothing_is_said_of_it(board: Board) -> None:
    assert not tree_of(board).exist_property("linux,initrd-start", "/chosen")


def test_clocks_run_as_the_boards_data_says(board: Board) -> None:
    timer = next(spec for spec in board.private if spec.role == "timer")
    assert timer.params["frequency"] == 1_000_000
    assert tree_of(board).get_property("clock-frequency", f"/clock-{timer.name}").value == 1_000_000
    slow = board.with_(**{f"private.{timer.name}.params.frequency": 32_768})
    assert tree_of(slow).get_property("clock-frequency", f"/clock-{timer.name}").value == 32_768


def test_the_cpu_is_that_of_the_board() -> None:
    changed = load_board("beagle").with_(cpu="cortex_a9")
    assert tree_of(changed).get_property("compatible", "/cpus/cpu@0").value == "arm,cortex-a9"


def test_references_lead_to_the_nodes_they_name(board: Board) -> None:
    tree = tree_of(board)
    phandles = {
        node.get_property("phandle").value: node
        for _, children, _ in tree.walk()
        for node in children
        if node.exist_property("phandle")
    }
    root = phandles[tree.get_property("interrupt-parent").value]
    assert root.exist_property("interrupt-controller")
    for _, children, _ in tree.walk():
        for node in children:
            for phandle in node.get_property("clocks") or []:
                assert phandles[phandle].get_property("compatible").value == "fixed-clock"


def test_the_cascade_of_kirkwood_leads_from_timer_to_bridge_to_main_controller() -> None:
    tree = tree_of(load_board("arm926"))
    bridge = tree.get_node("/ocp@f1000000/bridge-interrupt-ctrl@20110")
    timer = tree.get_node("/ocp@f1000000/timer@20300")
    assert timer.get_property("interrupt-parent").value == bridge.get_property("phandle").value
    assert bridge.get_property("interrupts").data == [1]


def test_the_same_arguments_give_the_same_bytes(board: Board) -> None:
    blobs = {device_tree(board, ram_size=1 << 26, bootargs="quiet", initrd=None) for _ in range(3)}
    assert len(blobs) == 1


def test_an_initrd_outside_of_ram_is_refused(board: Board) -> None:
    end = board.ram_base + (64 << 20)
    with pytest.raises(BoardError, match=r"linux\.initrd_offset: the initrd .* does not lie in RAM$"):
        device_tree(board, ram_size=64 << 20, bootargs="", initrd=(end - 4, end + 4))


def test_a_command_line_is_printable_ascii(board: Board) -> None:
    with pytest.raises(BoardError, match="printable ASCII"):
        device_tree(board, ram_size=64 << 20, bootargs="a\nb", initrd=None)


def test_a_bare_metal_board_has_no_tree() -> None:
    with pytest.raises(BoardError, match=r"^pxa255: linux: no unmodified kernel runs on this board"):
        device_tree(load_board("pxa255"), ram_size=64 << 20, bootargs="", initrd=None)


def test_a_tree_that_is_not_there_is_named() -> None:
    board = load_board("beagle").with_(**{"linux.device_tree": "beagel.dts"})
    with pytest.raises(BoardError, match=r'^beagle: linux\.device_tree: there is no device tree "beagel\.dts"$'):
        device_tree(board, ram_size=64 << 20, bootargs="", initrd=None)


@pytest.mark.skipif(shutil.which("dtc") is None, reason="the device tree compiler is not installed")
def test_the_reference_compiler_reads_the_blob(board: Board) -> None:
    blob = device_tree(board, ram_size=64 << 20, bootargs="quiet", initrd=(board.ram_base, board.ram_base + 1))
    done = subprocess.run(["dtc", "-I", "dtb", "-O", "dts"], input=blob, capture_output=True, check=True)
    assert b'bootargs = "quiet"' in done.stdout
    assert b"ERROR" not in done.stderr


def test_a_kernel_above_xen_finds_its_hypervisor_and_no_uart() -> None:
    below = Hypervisor(0x47FE_0000, 0x1_0000, 15, 0xF08, frozenset({"uart"}))
    tree = tree_of(load_board("beagle"), hypervisor=below)
    node = tree.get_node("/hypervisor")
    assert node.get_property("compatible").data == ["xen,xen-4.17", "xen,xen"]
    assert node.get_property("reg").data == [0x47FE_0000, 0x1_0000]
    assert node.get_property("interrupts").data == [1, 15, 0xF08]
    assert not tree.exist_node("/serial@9000000")
    assert not tree.exist_property("stdout-path", "/chosen")
    assert tree.exist_node("/timer@9020000")
