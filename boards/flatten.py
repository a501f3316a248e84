"""The flattened device tree of a board: what an unmodified kernel is told about the machine.

The tree's source lies in boards/trees, written by hand. What depends on the cell or on the board's data is filled in
here: memory, command line, initial RAM disk, the CPU, and the frequency of each device's input clock (a fixed-clock
node `clock-NAME` for the device NAME). The PyPI library `fdt` parses the source and makes the blob; it needs one
property or node per line.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from boards.errors import BoardError
from boards.loader import data
from boards.schema import Board

with warnings.catch_warnings():  # its sources hold escape sequences that newer Pythons warn of when they compile them
    warnings.simplefilter("ignore")
    import fdt

VERSION, LAST_COMPATIBLE = 17, 16
"""The blob's format (Devicetree Specification v0.4, section 5.2)."""


class Hypervisor(NamedTuple):
    """What a kernel is told of a Xen hypervisor below it (Documentation/devicetree/bindings/arm/xen.txt): where its grant frames
    are, and the upcall's private interrupt as the controller counts it. `without`: roles of devices that it does not find.
    """

    grants: int
    size: int
    interrupt: int
    flags: int
    without: frozenset[str]


class TreeNode(NamedTuple):
    """A node that the cell adds below the root: its name and its properties."""

    name: str
    properties: Mapping[str, Any]


def device_tree(
    board: Board,
    *,
    ram_size: int,
    bootargs: str,
    initrd: tuple[int, int] | None,
    hypervisor: Hypervisor | None = None,
    nodes: Sequence[TreeNode] = (),
) -> bytes:
    """The blob for a cell with `ram_size` bytes of RAM; `initrd` is (start, end) in guest physical addresses.

    Raises:
        BoardError: the board boots no kernel, its tree cannot be read, or the initrd does not lie in RAM.
    """
    try:
        return _flattened(board, ram_size, bootargs, initrd, hypervisor, nodes)
    except BoardError:
        raise
    except Exception as error:  # fdt meets damage with whatever its code runs into, and so does what looks for nodes
        why = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
        raise BoardError(board.name, "linux.device_tree", f"cannot be used as a device tree ({why})") from None


def _flattened(
    board: Board,
    ram_size: int,
    bootargs: str,
    initrd: tuple[int, int] | None,
    hypervisor: Hypervisor | None,
    nodes: Sequence[TreeNode],
) -> bytes:
    tree = _source(board)
    if hypervisor is not None:
        _put_under(tree, board, hypervisor)
    _fill_memory(tree, board, ram_size)
    _fill_chosen(tree, board, bootargs, initrd, ram_size)
    for added in nodes:
        for name, value in added.properties.items():
            tree.set_property(name, value, f"/{added.name}")
    tree.set_property("compatible", board.cpu.compatible, "/cpus/cpu@0")
    for spec in board.private:
        if "frequency" in spec.params:
            node = f"/clock-{spec.name}"
            if not tree.exist_node(node):
                raise BoardError(board.name, f"private.{spec.name}.params.frequency", f"the device tree has no {node}")
            tree.set_property("clock-frequency", spec.params["frequency"], node)
    blob: bytes = tree.to_dtb(version=VERSION, last_comp_version=LAST_COMPATIBLE, boot_cpuid_phys=0)
    return blob


def _put_under(tree: Any, board: Board, below: Hypervisor) -> None:
    """The kernel is a guest: it finds its hypervisor, and not the devices that it does without."""
    for spec in board.private:
        if spec.role in below.without:
            for node in [node for node in tree.root.nodes if node.name.endswith(f"@{spec.base:x}")]:
                tree.root.remove_subnode(node.name)
    if tree.exist_property("stdout-path", "/chosen"):
        tree.remove_property("stdout-path", "/chosen")
    tree.set_property("compatible", ["xen,xen-4.17", "xen,xen"], "/hypervisor")
    tree.set_property("reg", [below.grants, below.size], "/hypervisor")
    tree.set_property("interrupts", [1, below.interrupt, below.flags], "/hypervisor")


def _source(board: Board) -> Any:
    if board.linux is None:
        raise BoardError(board.name, "linux", "no unmodified kernel runs on this board: it has no device tree")
    name = board.linux.device_tree
    source = Path(name) if Path(name).is_absolute() else data("trees", name)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError:
        raise BoardError(board.name, "linux.device_tree", f'there is no device tree "{name}"') from None
    return fdt.parse_dts(text)


def _fill_memory(tree: Any, board: Board, ram_size: int) -> None:
    node = next(node for node in tree.root.nodes if node.name.startswith("memory"))
    node.set_name(f"memory@{board.ram_base:x}")
    node.set_property("reg", [board.ram_base, ram_size])


def _fill_chosen(tree: Any, board: Board, bootargs: str, initrd: tuple[int, int] | None, ram_size: int) -> None:
    if not (bootargs.isascii() and bootargs.isprintable()):
        raise BoardError(board.name, "linux.cmdline", "a kernel command line is printable ASCII")
    if bootargs:  # an empty string would be an empty property, which is another thing
        tree.set_property("bootargs", bootargs, "/chosen")
    if initrd is None:
        return
    start, end = initrd
    if not board.ram_base <= start <= end <= board.ram_base + ram_size:
        raise BoardError(board.name, "linux.initrd_offset", f"the initrd {start:#x}..{end:#x} does not lie in RAM")
    tree.set_property("linux,initrd-start", start, "/chosen")
    tree.set_property("linux,initrd-end", end, "/chosen")
