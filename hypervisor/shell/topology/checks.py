"""Rules between keys and between cells: one owner per device, enough memory, a schedule that can be kept.

Each check takes the resolved cells and the report; `CHECKS` is the whole list. They run on whatever could be
resolved, so a cell with one wrong key is still counted when memory is added up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from boards import Board
from hypervisor.abi.info_page import FlavourNumber
from hypervisor.core.wiring import LINK_PAGES, Wiring
from hypervisor.flavours import FLAVOURS
from hypervisor.shell.topology import programs, roots
from hypervisor.shell.topology.cells import KERNEL_RAM
from hypervisor.shell.topology.forms import PAGE
from hypervisor.shell.topology.problems import Report, nearest
from hypervisor.shell.topology.schema import MESSAGE, File
from hypervisor.shell.topology.spec import CellSpec

NEEDED_ROLES = {"interrupt_controller": "interrupt controller", "timer": "timer", "uart": "UART"}
"""What a bare-metal image finds in its info page, and so every board has to have for it."""
DEFAULT_FLAVOUR = "okl4"
PROMISING = ("reservation", "edf")
"""Policies that promise each cell its budget in each period, and so can promise too much."""


@dataclass(frozen=True)
class Checked:
    """What the checks look at. `windows` in cycles, as `Topology` has them."""

    file: File
    flavour: str
    board: Board | None
    cells: Sequence[CellSpec]
    windows: tuple[tuple[str, int], ...]
    wiring: Wiring
    report: Report

    @property
    def names(self) -> list[str]:
        """The cells' names, copies included."""
        return [cell.name for cell in self.cells]

    def machines(self) -> list[CellSpec]:
        """Cells that run ARM code on the board's devices, one per table of the file."""
        groups = {cell.group: cell for cell in self.cells if cell.kind not in ("guest", "personality")}
        return list(groups.values())


def check_flavour(it: Checked) -> None:
    """The flavour is known, available, and can carry these cells."""
    flavour = FLAVOURS.get(it.flavour)
    if flavour is None:
        it.report.add("flavour", f'"{it.flavour}" is not known; {nearest(it.flavour, FLAVOURS)}')
        return
    if flavour.most_cells is not None and len(it.cells) > flavour.most_cells:
        many = "one cell, alone on the board" if flavour.most_cells == 1 else f"{flavour.most_cells} cells at most"
        it.report.add("flavour", f"{it.flavour} runs {many}; here are {len(it.cells)} (choose another flavour)")
    for cell in it.cells:
        if flavour.most_cells == 1 and cell.kind == "guest" and cell.source:
            # Alone on the board means that there is no monitor whose port a Python program could call.
            why = f"a Python guest cannot run under {it.flavour} (choose another flavour)"
            it.report.add(f"cells.{cell.group}", why)


def check_served(it: Checked) -> None:
    """What the file asks for is something that the flavour has. A policy may stand there for those that have one (xen)."""
    flavour = FLAVOURS.get(it.flavour)
    if flavour is not None and flavour.most_cells == 1:
        for key, given in (("channels", it.file.channels), ("shared", it.file.shared)):
            if given:
                it.report.add(key, f"{it.flavour} has nobody to share with (choose another flavour)")


def check_console(it: Checked) -> None:
    """The console belongs to a cell."""
    console = it.file.console
    if console is not None and console not in it.names:
        it.report.add("console", f'no cell is called "{console}"; {nearest(console, it.names)}')


def check_cells(it: Checked) -> None:
    """There is something to run."""
    if not it.cells and not it.report.spoiled("cells"):
        it.report.add("cells", "there is none (a topology needs at least one cell)")


def check_devices(it: Checked) -> None:
    """Every physical device that is asked for is on the board, and has one owner."""
    owners: dict[str, str] = {}
    disks = [disk.name for disk in it.file.disks]
    on_board = None if it.board is None else [*(device.name for device in it.board.physical), *disks]
    for cell in it.cells:
        for device in cell.devices:
            key = f"cells.{cell.group}.devices"
            if on_board is not None and device not in on_board and not it.report.spoiled("disks"):
                it.report.add(key, f'the board has no device "{device}"; {nearest(device, on_board)}')
            if device in owners:
                it.report.add(key, f'"{device}" belongs to {owners[device]} already (a device has one owner)')
            owners.setdefault(device, cell.name)


def check_emulated(it: Checked) -> None:
    """What a pager is to emulate is on the board, and there is a pager."""
    private = [] if it.board is None else [device.name for device in it.board.private]
    for cell in it.cells:
        key = f"cells.{cell.group}.emulated"
        for device in cell.emulated:
            if it.board is not None and device not in private:
                it.report.add(key, f'the board has no private device "{device}"; {nearest(device, private)}')
        if cell.emulated and not cell.pager:
            it.report.add(key, "needs a cell that emulates (name it as pager)")


def check_paravirtual(it: Checked) -> None:
    """A kernel without privileges needs a flavour with a door for it, and no devices: they could write its tables."""
    flavour = FLAVOURS.get(it.flavour)
    for cell in it.cells:
        key = f"cells.{cell.group}.paravirtual"
        made_for = FlavourNumber(cell.notes.flavour or 0).name.lower()
        if cell.notes.flavour and made_for != it.flavour:
            what = f"{cell.source} is a kernel for {made_for}, this run is under {it.flavour}"
            it.report.add(f"cells.{cell.group}.image", f'{what} (choose flavour {made_for}, or image = "wren")')
        elif cell.paravirtual and flavour is not None and not flavour.has_pv:
            able = " or ".join(name for name, other in FLAVOURS.items() if other.has_pv)
            it.report.add(key, f"{it.flavour} has no door for such kernels (choose flavour {able}, or remove the key)")
        if cell.paravirtual and (cell.devices or cell.emulated):
            it.report.add(key, "such a kernel cannot own devices (remove devices and emulated, or the key)")


def check_tlb(it: Checked) -> None:
    """What a cell says of its hypervisor's part of the TLB: under a flavour that shares it, of a kernel without privileges, and
    no more than the CPU can lock.
    """
    flavour = FLAVOURS.get(it.flavour)
    for cell in it.cells:
        given = {"tlb_lockdown": cell.tlb_lockdown > 0, "page_tables": cell.page_tables != "shared"}
        for key in (key for key, said in given.items() if said):
            at = f"cells.{cell.group}.{key}"
            if flavour is not None and not flavour.shares_tlb:
                able = " or ".join(name for name, other in FLAVOURS.items() if other.shares_tlb)
                it.report.add(at, f"{it.flavour} has no such choice (choose flavour {able}, or remove the key)")
            elif not cell.paravirtual:
                it.report.add(at, "belongs to a paravirtual kernel (remove the key)")
        if cell.flushes == "counted" and flavour is not None and not flavour.owns_cpu:
            able = " or ".join(name for name, other in FLAVOURS.items() if other.owns_cpu)
            why = f"under {it.flavour} it is the monitor that flushes, and counts (choose flavour {able}, or remove the key)"
            it.report.add(f"cells.{cell.group}.flushes", why)
        lockable = cell.tlb_lockdown if it.board is None else it.board.cpu.tlb.locked
        if cell.tlb_lockdown > lockable and (flavour is None or flavour.shares_tlb):
            what = f"the TLB of board {it.board.name} can lock" if it.board else ""
            why = f"{what} {lockable} entries (give 0..{lockable})" if lockable else f"{what} none (remove the key)"
            it.report.add(f"cells.{cell.group}.tlb_lockdown", why)


def check_counting(it: Checked) -> None:
    """What a cell counts can be counted: misses are charged where they are seen and the board says what one takes."""
    for cell in it.cells:
        if cell.counting is None or not cell.counting.charge:
            continue
        at = f"cells.{cell.group}.counting.charge"
        if not cell.counting.caches:
            it.report.add(at, "charges what the caches miss (set caches = true, or remove the key)")
        if cell.kind not in ("kernel", "image"):
            it.report.add(at, f"means nothing beside {cell.kind}; it belongs to kernel or image (remove it)")
        missing = [key for key in ("line_fill", "store") if it.board and key not in it.board.cpu.memory]
        if missing and it.board:
            why = f"the CPU of board {it.board.name} does not say memory.{missing[0]} (remove the key)"
            it.report.add(at, why)


def check_board_serves(it: Checked) -> None:
    """The board has what images and kernels need."""
    if it.board is None:
        return
    roles = {device.role for device in it.board.private}
    missing = [what for role, what in NEEDED_ROLES.items() if role not in roles]
    for cell in it.machines():
        if cell.kind == "kernel" and it.board.linux is None:
            why = f"board {it.board.name} does not say how Linux boots on it (choose another board)"
            it.report.add(f"cells.{cell.group}.kernel", why)
        if cell.kind == "image" and missing:
            why = f"board {it.board.name} has no {' and no '.join(missing)}"
            it.report.add(f"cells.{cell.group}.image", f"{why} (choose another board)")


def check_virtual(it: Checked) -> None:
    """Channels of a kernel that is no guest of ours lead somewhere: the flavour shows them to it, and the board has room."""
    flavour = FLAVOURS.get(it.flavour)
    if flavour is None or it.board is None or flavour.most_cells == 1:
        return
    door = flavour.kernel_door
    knows = door is not None and it.board.cpu.architecture.startswith(door.architecture)
    for index, cell in enumerate(it.cells):
        shown = sum(channel.front == index and channel.kind != MESSAGE for channel in it.wiring.channels)
        if not shown or not cell.virtio or (knows and cell.kind == "kernel"):
            continue
        key, room = f"cells.{cell.group}.{cell.kind}", it.board.virtual
        if not flavour.virtual_devices:
            able = " or ".join(name for name, other in FLAVOURS.items() if other.virtual_devices)
            it.report.add(key, f"has channels, and {it.flavour} has no virtual devices (choose flavour {able})")
        elif room is None:
            why = f"has channels, and board {it.board.name} has no room for virtual devices (choose another board)"
            it.report.add(key, why)
        elif shown > room.most:
            why = f"has {shown} channels; board {it.board.name} has room for {room.most} virtual devices"
            it.report.add(key, f"{why} (give it fewer)")


def check_ram(it: Checked) -> None:
    """Each cell has enough memory, and all of them fit into the board's."""
    for cell in it.machines():
        if cell.kind == "kernel" and cell.ram < KERNEL_RAM:
            it.report.add(f"cells.{cell.group}.ram", f"{_mib(cell.ram)} is too small for a kernel (give 32MiB or more)")
    shared = sum(memory.size for memory in it.wiring.shared)
    shared += sum(LINK_PAGES.get(channel.kind, 0) * PAGE for channel in it.wiring.channels)
    total = sum(cell.ram for cell in it.cells) + shared
    if it.board is not None and total > it.board.ram_size:
        what = "the cells' ram and shared memory are" if shared else "the cells' ram is"
        why = f"{what} {_mib(total)} in sum, but board {it.board.name} has {_mib(it.board.ram_size)}"
        it.report.add("cells", f"{why} (give them less)")


def check_programs(it: Checked) -> None:
    """Images and kernels can be loaded."""
    programs.check_programs(it.machines(), it.board, it.report)


def check_roots(it: Checked) -> None:
    """The root of a personality fits beside what its processes need: it takes half of the memory at most."""
    for cell in {cell.group: cell for cell in it.cells if cell.root_path is not None}.values():
        try:
            size = len(roots.archive(cell))
        except (OSError, ValueError):
            continue  # said where it was looked for
        if size > cell.ram // 2:
            why = f"{_mib(cell.ram)} is too small for a root of {_mib(size)} (give twice as much)"
            it.report.add(f"cells.{cell.group}.ram", why)


def check_cores(it: Checked) -> None:
    """Cells name cores that the board has."""
    if it.board is None:
        return
    for cell in it.cells:
        key, strange = f"cells.{cell.group}.cores", [core for core in cell.cores if not 0 <= core < it.board.cores]
        if strange:
            there = "core 0 only" if it.board.cores == 1 else f"cores 0..{it.board.cores - 1}"
            it.report.add(key, f"board {it.board.name} has no core {strange[0]}; it has {there}")
        elif not cell.cores or len(set(cell.cores)) != len(cell.cores):
            it.report.add(key, "must name one core or more, each once")


def check_budgets(it: Checked) -> None:
    """A budget and its period come together, and one fits into the other."""
    reserved = it.file.scheduler.policy == "reservation"
    for cell in it.cells:
        at = f"cells.{cell.group}"
        missing = [
            key for key in ("budget", "period") if not getattr(cell, key) and not it.report.spoiled(f"{at}.{key}")
        ]
        if missing and not it.report.spoiled(at) and (reserved or len(missing) == 1):
            because = "policy reservation needs it" if reserved else "budget and period come together"
            for key in missing:
                it.report.add(f"{at}.{key}", f"missing; {because}")
        if cell.period and cell.budget > cell.period:
            it.report.add(f"{at}.budget", "is longer than the period (a budget is what the cell gets in each period)")
    if it.file.scheduler.policy in PROMISING:
        _check_load(it)


def _check_load(it: Checked) -> None:
    """No set of cores is promised more time than it has.

    Cells that may run on some of `cores` only have to fit into these; looking at every set of cores also finds three
    cells of 70 % that share two cores.
    """
    shares = {cell.name: Fraction(cell.budget, cell.period) for cell in it.cells if 0 < cell.budget <= cell.period}
    cores = range(it.board.cores) if it.board else range(1)
    over: list[set[int]] = []
    for size in range(1, len(cores) + 1):
        for group in map(set, combinations(cores, size)):
            bound = [cell.name for cell in it.cells if cell.name in shares and set(cell.cores) <= group]
            load = sum((shares[name] for name in bound), Fraction())
            if load > size and not any(smaller <= group for smaller in over):
                over.append(group)
                where = ", ".join(map(str, sorted(group)))
                parts = " + ".join(f"{name} {_percent(shares[name])}" for name in bound)
                why = f"core {where} is over-committed: {parts} = {_percent(load)} of {size * 100}%"
                it.report.add("cells", f"{why} (lower a budget or lengthen a period)")


def check_windows(it: Checked) -> None:
    """The time table of the partition policy names every cell, and only cells."""
    given, key = it.file.scheduler.windows, "scheduler.windows"
    if it.file.scheduler.policy != "partition":
        if given:
            it.report.add(key, f"belongs to policy partition, not {it.file.scheduler.policy} (remove one of them)")
        return
    if not given:
        if not it.report.spoiled(key):
            it.report.add(key, 'missing; policy partition needs a time table, for example [["rt", "2ms"]]')
        return
    named = [name for name, _ in it.windows]
    for name in named:
        if name not in it.names:
            it.report.add(key, f'no cell is called "{name}"; {nearest(name, it.names)}')
    for name in it.names:
        if name not in named:
            it.report.add(key, f'cell "{name}" has no window and would never run (give it one)')


CHECKS: tuple[Callable[[Checked], None], ...] = (
    check_flavour,
    check_served,
    check_cells,
    check_console,
    check_devices,
    check_emulated,
    check_paravirtual,
    check_tlb,
    check_counting,
    check_board_serves,
    check_virtual,
    check_ram,
    check_programs,
    check_roots,
    check_cores,
    check_budgets,
    check_windows,
)


def _mib(size: int) -> str:
    """A size for people."""
    return f"{size >> 20}MiB" if size % (1 << 20) == 0 else f"{size // PAGE * 4}KiB"


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.4g}%"
