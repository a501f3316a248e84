"""From a topology to what is made of it: the monitor's parameters, and for each cell how to make its process.

Pure but for reading the images: descriptions go in, descriptions come out.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import boards
from boards import Board, DeviceSpec, TreeNode
from cells.flavours import module_of
from cells.machine.images import recognise
from cells.machine.placement import Placement, place_bare_metal, place_linux
from cells.order import pickle_guest
from cells.sandbox import SandboxPolicy
from hypervisor.abi.hypercalls import HYPERCALL_BASE
from hypervisor.abi.memory import DISK, PAGE
from hypervisor.abi.xen import GRANT_FRAMES
from hypervisor.abi.xen_arm import PPI, PPI_FLAGS, layout
from hypervisor.core.cell import CellParams
from hypervisor.core.errors import Refused
from hypervisor.core.fass import DOMAINS
from hypervisor.core.frames import FrameTable
from hypervisor.core.monitor import Monitor
from hypervisor.core.policies import make_policy
from hypervisor.core.wiring import LINK_PAGES, FlushCosts, TlbParams, Wiring
from hypervisor.flavours import FLAVOURS
from hypervisor.flavours.flavour import KernelDoor
from hypervisor.shell.cellhost import CellPlan
from hypervisor.shell.counting import counting_settings, names_of
from hypervisor.shell.guest_info import info_page
from hypervisor.shell.personalities import personality_segments, personality_settings, table_format
from hypervisor.shell.topology import CellSpec, Problem, Topology, TopologyError
from hypervisor.shell.topology.spec import DiskSpec
from hypervisor.shell.virtual_devices import virtual_nodes, virtual_settings

GRAIN = 64
"""On several cores a rest of less than this part of a slice is not worth a turn. Every round cuts the slices, a block late, and
a core that runs such a rest would keep the others from running at the same time."""

CODE_BUFFER = {"image": 32 << 20, "kernel": 128 << 20}
"""Bytes for translated code: a kernel with its user space fills the smaller one many times over."""


def build_monitor(topology: Topology, remote: Collection[str] = ()) -> Monitor:
    """The monitor of a topology, with nothing running yet. `remote`: cells that run on other hosts.

    Raises:
        TopologyError: the board cannot carry what the topology connects.
    """
    try:
        return _build(topology, remote)
    except Refused as refusal:  # no room for what is shared, for example
        raise TopologyError([Problem(topology.name, "channels", f"cannot be made: {refusal.why}")]) from None


def _build(topology: Topology, remote: Collection[str]) -> Monitor:
    flavour = topology.architecture
    board = topology.board
    grain = topology.slice // GRAIN if board.cores > 1 else 0
    policy = make_policy(
        topology.policy, slice_cycles=topology.slice, windows=topology.windows, grain=grain, cores=board.cores
    )
    monitor = Monitor(
        [_params(topology, cell, pages=cell.name not in remote) for cell in topology.cells],
        policy,
        costs=flavour.costs,
        frames=FrameTable(board.ram_size, board.ram_base),
        cores=board.cores,
        quantum=topology.quantum,
        latency=topology.cross_core_latency,
        mechanism=flavour.make_mechanism,
        wiring=replace(
            topology.wiring,
            hz=topology.board.clock_hz,
            paravirtual=_paravirtual(topology),
            hvc_kernels=_hvc_kernels(topology),
            vtlb=topology.vtlb,
            virtual_bases=_virtual_bases(topology),
            tlbs=_tlbs(topology),
            flushes=_flushes(topology),
            fass=DOMAINS if topology.board.cpu.architecture.startswith("v5") else 0,
            personalities=(some := _personalities(topology)),
            redirection=flavour.redirection if some else {},
        ),
    )
    facts = [boot_facts(topology, monitor, index) for index in range(len(topology.cells))]
    monitor.memory.bare = frozenset(index for index, told in enumerate(facts) if not _is_told_of_others(told))
    return monitor


def _paravirtual(topology: Topology) -> dict[int, int]:
    """Cells whose kernels run without privileges, and what page tables the board's CPU has."""
    layout = table_format(topology)
    return {index: layout for index, cell in enumerate(topology.cells) if cell.paravirtual}


def _hvc_kernels(topology: Topology) -> dict[int, bool]:
    """Cells that call by HVC: unmodified kernels, and images that have to do with others."""
    kinds = {index: cell for index, cell in enumerate(topology.cells) if kernel_door(topology, cell)}
    return {
        index: cell.kind == "kernel"
        for index, cell in kinds.items()
        if cell.kind == "kernel" or is_connected(topology.wiring, index)
    }


def kernel_door(topology: Topology, cell: CellSpec) -> KernelDoor | None:
    """The flavour's door for kernels in all their modes, if the board's CPU has HVC and the cell is such a machine."""
    door = FLAVOURS[topology.flavour].kernel_door
    machine = cell.kind in ("kernel", "image") and not cell.paravirtual
    return door if door and machine and topology.board.cpu.architecture.startswith(door.architecture) else None


def _personalities(topology: Topology) -> frozenset[int]:
    """Cells whose kernel is a personality."""
    return frozenset(index for index, cell in enumerate(topology.cells) if cell.kind == "personality")


def _virtual_bases(topology: Topology) -> dict[int, int]:
    """Where kernels that were made to run without privileges find their RAM; others, put there, find it where it is."""
    kernels = {index: cell.notes for index, cell in enumerate(topology.cells) if cell.paravirtual}
    return {index: notes.virtual_base for index, notes in kernels.items() if notes.flavour and notes.virtual_base}


def _tlbs(topology: Topology) -> dict[int, TlbParams]:
    """What such kernels share with the hypervisor, under a flavour where the two share a TLB."""
    if not FLAVOURS[topology.flavour].shares_tlb:
        return {}
    cpu, kernels = topology.board.cpu, {i: cell for i, cell in enumerate(topology.cells) if cell.paravirtual}
    virtual = cpu.caches.l1d.kind == "VIVT"
    return {
        index: TlbParams(cpu.tlb.entries, cpu.tlb.asid, virtual, cell.tlb_lockdown, cell.page_tables == "separate")
        for index, cell in kernels.items()
    }


def _flushes(topology: Topology) -> dict[int, FlushCosts]:
    """Cells whose own flushes are counted."""
    cpu = topology.board.cpu
    entry, line = (cpu.flush[name].cycles if name in cpu.flush else 0 for name in ("tlb_entry", "cache_line"))
    lines = cpu.caches.l1d.size // cpu.caches.l1d.line if cpu.caches.l1d.kind == "VIVT" else 0
    counted = [index for index, cell in enumerate(topology.cells) if cell.flushes == "counted"]
    return dict.fromkeys(counted, FlushCosts(entry, line * lines))


def _params(topology: Topology, cell: CellSpec, *, pages: bool) -> CellParams:
    return CellParams(
        name=cell.name,
        ram=cell.ram,
        cores=cell.cores,
        priority=cell.priority,
        budget=cell.budget,
        period=cell.period,
        weight=cell.weight,
        cap=cell.cap,
        on_crash=cell.on_crash,
        max_restarts=cell.max_restarts,
        heartbeat=cell.heartbeat,
        back_off=cell.back_off,
        back_off_limit=cell.back_off_limit,
        restart_window=cell.restart_window,
        digest=_digest(topology, cell),
        label=cell.label,
        ports=len(cell.network.ports) if cell.network else 0,
        counting=names_of(cell),
        pages=pages,
    )


def _digest(topology: Topology, cell: CellSpec) -> str:
    """The programs of a cell: its image, or kernel and initrd, or the module of its guest."""
    prefix = f"cells.{cell.group}."
    found = [f"{key} {sha256}" for key, sha256 in sorted(topology.hashes.items()) if key.startswith(prefix)]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] if found else ""


def plan_cells(topology: Topology, monitor: Monitor, *, link: str, sandbox: bool, measure: bool) -> list[CellPlan]:
    """How to make each cell's process, in the order of the topology."""
    policy = SandboxPolicy(enabled=sandbox)
    plans = [
        _plan(
            topology,
            index,
            boot_facts(topology, monitor, index),
            link,
            policy,
            measure,
            _reserved(topology, monitor, index),
        )
        for index in range(len(topology.cells))
    ]
    return [_with_pages(plan, topology) if monitor.cells[plan.index].params.pages else plan for plan in plans]


def _reserved(topology: Topology, monitor: Monitor, index: int) -> int:
    """Bytes at the end of a cell's RAM that the monitor keeps, for page tables or rings."""
    return monitor.mechanism.reserved(monitor.cells[index])


def _with_pages(plan: CellPlan, topology: Topology) -> CellPlan:
    """What a cell on this host gets if it is connected to others: a socket for their pages, and in any case memory of its own."""
    if not _is_told_of_others(plan.settings.get("boot", {})):
        return plan
    size = topology.cells[plan.index].ram
    memory = {"base": topology.board.ram_base, "size": size}
    return replace(plan, settings={**plan.settings, "memory": memory}, ram_size=size, pages=True)


def _is_told_of_others(boot: Mapping[str, Any]) -> bool:
    return "flavour" in boot


def boot_facts(topology: Topology, monitor: Monitor, index: int) -> dict[str, Any]:
    """What a cell is told of its connections and devices at each of its starts; nothing if it has none."""
    info, cell = monitor.mechanism.boot_info(monitor.cells[index]), topology.cells[index]
    drives = cell.kind == "guest" and bool(cell.devices)  # a device that reaches for its owner's memory must find some
    tables = cell.paravirtual  # the monitor writes them into its memory
    known = info or drives or tables or is_connected(topology.wiring, index)
    facts = {"flavour": topology.flavour, **info} if known else {}
    disks = {disk.name: _disk(disk) for disk in topology.disks_of(cell)}
    owned = {name: disks.get(name) or _place(topology.board.device(name)) for name in cell.devices}
    more = {
        "devices": owned,
        "hosted": _hosted(topology, index),
        "network": cell.network.told() if cell.network else None,
    }
    return facts | {key: told for key, told in more.items() if told}


def _place(spec: DeviceSpec) -> dict[str, Any]:
    """Where a driver finds a physical device: its registers and the line that the monitor routes."""
    return {"base": spec.base, "size": spec.size, "line": spec.line, "model": spec.model}


def _disk(spec: DiskSpec) -> dict[str, Any]:
    """A disk has no registers: its owner has the content mapped (cells/disks.py)."""
    return {"base": 0, "size": spec.size, "line": None, "model": DISK}


def is_connected(wiring: Wiring, index: int) -> bool:
    """Whether a cell has anything to do with another one."""
    pager = index in wiring.pagers or index in wiring.pagers.values()
    return pager or bool(wiring.of(index)) or any(index in memory.cells for memory in wiring.shared)


def shares_memory(wiring: Wiring, index: int) -> bool:
    """Whether a cell is given pages of others under every flavour."""
    linked = any(channel.kind in LINK_PAGES for channel in wiring.of(index))
    return linked or any(index in memory.cells for memory in wiring.shared)


def _plan(
    topology: Topology,
    index: int,
    boot: dict[str, Any],
    link: str,
    sandbox: SandboxPolicy,
    measure: bool,
    reserved: int,
) -> CellPlan:
    cell = topology.cells[index]
    settings: dict[str, Any] = {"preload": list(cell.preload), "measure": measure, "small": cell.kind != "kernel"}
    if boot:
        settings["boot"] = boot
    if posted := _posted(topology.wiring, boot):
        settings["posted"] = posted
    if cell.kind == "guest":
        settings |= _python_settings(topology, cell) | {"preload": [*cell.preload, module_of(boot)]}
        guest = pickle_guest(cell.function) if cell.function is not None else b""
        return CellPlan(index, cell.name, settings, guest, sandbox, transport=link)
    if cell.kind == "personality":
        settings |= personality_settings(topology, cell, boot)
        segments = personality_segments(cell)
        return CellPlan(index, cell.name, settings, b"", sandbox, ram_size=cell.ram, segments=segments, transport=link)
    placement = place(topology, cell, boot, reserved)
    base = topology.board.ram_base
    settings |= {"kind": "machine", "machine": _machine_settings(topology, cell, placement)}
    settings |= {"memory": {"base": base, "size": cell.ram}}
    if virtual := virtual_settings(topology, cell, boot):
        settings["machine"]["virtual"] = virtual
        settings["preload"] = [*settings["preload"], module_of(boot)]
    segments = [(address - base, content) for address, content in placement.segments]
    return CellPlan(index, cell.name, settings, b"", sandbox, ram_size=cell.ram, segments=segments, transport=link)


def _posted(wiring: Wiring, boot: Mapping[str, Any]) -> list[int]:
    """Slots of a cell's message channels that ride on ZeroMQ. A channel without a slot is made of the cells' own memory."""
    transports = {channel.name: channel.transport for channel in wiring.channels}
    return [told["slot"] for told in boot.get("channels", ()) if "slot" in told and transports[told["name"]] == "zmq"]


def _python_settings(topology: Topology, cell: CellSpec) -> dict[str, Any]:
    return {
        "kind": "python",
        "program": cell.source,
        "directory": str(topology.directory) if topology.directory else "",
        "args": list(cell.args),
        "hz": topology.board.clock_hz,
        "seed": topology.seed,
    }


def _machine_settings(topology: Topology, cell: CellSpec, placement: Placement) -> dict[str, Any]:
    """`MachineSpec` as plain data."""
    board = topology.board
    owned = [board.device(name) for name in cell.devices]
    hosted = emulated_devices(topology, cell)
    door = kernel_door(topology, cell)
    absent = door.without if door and cell.kind == "kernel" else frozenset()
    found = [spec for spec in board.private if spec.name not in hosted and spec.role not in absent]
    own = [] if cell.paravirtual else [_part(spec) for spec in found]
    gaps = (
        [] if cell.paravirtual else [(region.name, region.base, region.size) for region in board.regions_not_modelled]
    )
    return {
        "hz": board.clock_hz,
        "ram_base": board.ram_base,
        "ram_size": cell.ram,
        "unicorn_model": board.cpu.unicorn_model,
        "cycles": board.cpu.cycles,
        "code_buffer": CODE_BUFFER[cell.kind],
        "private": own,
        "unmodelled": gaps,
        "physical": [*((spec.base, spec.size) for spec in owned), *map(_whole_pages, hosted.values())],
        "hypercall_base": HYPERCALL_BASE,
        "entry": placement.entry,
        "registers": placement.registers,
        "paravirtual": cell.paravirtual,
        "door": cell.kind if door else "",
        "vtlb": None if cell.paravirtual else _vtlb(topology, cell),
        "counting": counting_settings(topology, cell),
    }


def _vtlb(topology: Topology, cell: CellSpec) -> dict[str, int] | None:
    """The board's TLB and the flavour's virtual one, or no such one if the guest's own flushes are counted; None: not every
    flavour's MMU is virtual in this way."""
    tlb, costs = topology.board.cpu.tlb, topology.architecture.costs
    shape = {"entries": tlb.entries, "ways": tlb.ways, "split": int(tlb.split), "asid": int(tlb.asid)}
    if cell.flushes == "counted":
        own = next(iter(_flushes(topology).values()))
        prices = {"miss_cycles": own.entry, "upkeep_cycles": 0, "flush_cycles": own.cache}
        return {**shape, "virtual_entries": 0, **prices}
    if "vtlb" not in costs.operations or not topology.vtlb:
        return None
    prices = {"miss_cycles": costs.of("vtlb"), "upkeep_cycles": costs.hypercall}
    return {**shape, "virtual_entries": topology.vtlb, **prices}


def emulated_devices(topology: Topology, cell: CellSpec) -> dict[str, DeviceSpec]:
    """Those of the board's private devices that this cell finds at its pager, by name."""
    names = cell.emulated if FLAVOURS[topology.flavour].hosts else ()
    return {spec.name: spec for spec in topology.board.private if spec.name in names}


def _whole_pages(spec: DeviceSpec) -> tuple[int, int]:
    """The pages in which a device lies (base, size): what the engine can let go."""
    first, end = spec.base // PAGE, -(-(spec.base + spec.size) // PAGE)
    return first * PAGE, (end - first) * PAGE


def _hosted(topology: Topology, index: int) -> dict[str, Any]:
    """What the clients of a pager want emulated: cell -> its devices."""
    clients = [topology.cells[client] for client, pager in topology.wiring.pagers.items() if pager == index]
    wanted = {client.name: emulated_devices(topology, client).values() for client in clients}
    return {name: [_part(spec) for spec in specs] for name, specs in wanted.items() if specs}


def _part(spec: DeviceSpec) -> dict[str, Any]:
    return spec.model_dump(include={"name", "model", "base", "size", "irq", "more_irqs", "parent", "params"})


def _chance(topology: Topology, cell: CellSpec) -> TreeNode:
    """Random numbers as a boot loader leaves them in the device tree (dt-schema, chosen.yaml: rng-seed), of the run's seed.

    Without them a kernel that has no source of its own lets the first program that asks, as Python does, wait for seconds.
    """
    digest = hashlib.sha512(f"{topology.seed} {cell.name}".encode()).digest()
    return TreeNode("chosen", {"rng-seed": list(struct.unpack(">16I", digest))})


def place(topology: Topology, cell: CellSpec, boot: Mapping[str, Any] | None = None, reserved: int = 0) -> Placement:
    """What lies where in the cell's RAM at its start. `boot`: what it is told of its connections; `reserved`: bytes at the end
    of its RAM that the monitor keeps.

    Raises:
        ImageError: it does not fit.
    """
    assert cell.path is not None
    image = recognise(cell.path.name, cell.path.read_bytes())
    board = topology.board
    initrd = cell.initrd_path.read_bytes() if cell.initrd_path else b""
    if cell.kind == "image":
        page = info_page(topology, cell, boot or {})
        return place_bare_metal(
            image, ram_base=board.ram_base, ram_size=cell.ram, info_page=page, initrd=initrd, reserved=reserved
        )
    linux = board.linux
    assert linux is not None
    start = board.ram_base + linux.initrd_offset
    door = kernel_door(topology, cell)
    tree = boards.device_tree(
        board,
        ram_size=cell.ram - reserved,
        bootargs=_command_line(board, cell, door),
        initrd=(start, start + len(initrd)) if initrd else None,
        hypervisor=_hypervisor(board, cell, door) if door else None,
        nodes=[_chance(topology, cell), *virtual_nodes(topology, cell, boot or {})],
    )
    return place_linux(
        image,
        ram_base=board.ram_base,
        ram_size=cell.ram - reserved,
        dtb=tree,
        initrd=initrd,
        load_offset=linux.load_offset,
        dtb_offset=linux.dtb_offset,
        initrd_offset=linux.initrd_offset,
    )


def _hypervisor(board: Board, cell: CellSpec, door: KernelDoor) -> boards.Hypervisor:
    """What the kernel's device tree says of its hypervisor."""
    made = layout(board.ram_base, cell.ram)
    return boards.Hypervisor(made.grant_frames, GRANT_FRAMES * PAGE, PPI, PPI_FLAGS, door.without)


def _command_line(board: Board, cell: CellSpec, door: KernelDoor | None = None) -> str:
    """The board's or the door's defaults, how to tell the monitor of the end, and what the topology adds."""
    assert board.linux is not None
    words = [door.cmdline if door else board.linux.cmdline, f"cellvisor.hypercalls={HYPERCALL_BASE:#x}", cell.append]
    return " ".join(word for word in words if word)
