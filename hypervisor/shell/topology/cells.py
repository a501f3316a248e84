"""From a cell's table to its `CellSpec`: what runs in it, whether that exists, and its figures in cycles and bytes.

Cells with `count = N` are judged once and then copied, as name0 to nameN-1.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from boards import Board
from cells.machine.notes import NO_NOTES
from hypervisor.abi.info_page import ARGS_LIMIT
from hypervisor.abi.time import parse_size, parse_time
from hypervisor.shell.topology import personalities, programs, sources
from hypervisor.shell.topology.network import resolve_network
from hypervisor.shell.topology.problems import Report
from hypervisor.shell.topology.schema import Cell
from hypervisor.shell.topology.spec import CellSpec, CountingSpec, Kind

KINDS = ("guest", "image", "kernel", "personality", "domain")
BELONGS = {
    "initrd": ("kernel", "image"),
    "append": ("kernel",),
    "args": ("guest", "image", "domain", "personality"),
    "preload": ("guest", "domain", "personality"),
    "emulated": ("image", "kernel"),
    "paravirtual": ("image",),
    "tlb_lockdown": ("image",),
    "page_tables": ("image",),
    "flushes": ("image", "kernel"),
    "virtio": ("image", "kernel"),
    "io_timeout": ("image", "kernel"),
    "network": ("domain",),
    "counting": ("kernel", "image", "personality"),
    "root": ("personality",),
    "run": ("personality",),
    "modules": ("personality",),
    "env": ("personality",),
    "files": ("personality",),
    "terminal": ("personality",),
    "pipes": ("personality",),
}
"""Keys that mean something for some kinds of guest only."""

DEFAULT_RAM = {"guest": "1MiB", "image": "1MiB", "kernel": "64MiB", "personality": "32MiB"}
RESTART_KEYS = ("back_off", "back_off_limit", "restart_window")
BACK_OFF_FACTOR = 64
"""The longest wait before a restart, in first ones, if the topology does not say it."""
KERNEL_RAM = 32 << 20
"""Below this a Debian kernel with its initramfs does not come up."""
DRIVERS = "cells.domains"
"""The package of driver domains: a module for each class."""
FROM_CALLER = "python"
"""`guest = "python"`: the function is passed by the Python program that loads the topology."""

_NAME = re.compile(r"[a-z0-9_]{1,32}")


@dataclass(frozen=True)
class Context:
    """What judging a cell needs. `hashes` gathers the SHA-256 of every program by its key; `flavour` is that of the run."""

    report: Report
    board: Board | None
    hz: int
    directory: Path | None
    guests: Mapping[str, Callable[..., Any]]
    hashes: dict[str, str] = field(default_factory=dict)
    flavour: str = ""

    def cycles(self, key: str, text: str | None) -> int:
        """A time in cycles, 0 for none."""
        if text is None:
            return 0
        cycles = parse_time(text, self.hz)
        if cycles == 0:
            self.report.add(key, f'"{text}" is less than one cycle of the board\'s clock ({self.hz} Hz)')
        return cycles


def resolve_cells(cells: Mapping[str, Cell], context: Context) -> list[CellSpec]:
    """Every cell of the file, copies included; with problems in the report they serve for further checks only."""
    specs: list[CellSpec] = []
    for name, cell in cells.items():
        spec = _resolve(name, cell, context)
        for copy in _copies(spec, cell, context):
            if any(other.name == copy.name for other in specs):
                context.report.add(f"cells.{name}", f'makes a second cell "{copy.name}" (rename one, or change count)')
            specs.append(copy)
    _check_callers(specs, context)
    return specs


def _resolve(name: str, cell: Cell, context: Context) -> CellSpec:
    """One table as the spec of its first copy."""
    at = f"cells.{name}"
    kind = _kind(at, name, cell, context)
    _check_belonging(at, kind, cell, context.report)
    path, initrd_path = _programs(at, kind, name, cell, context)
    known_kind = cast(Kind, kind if kind in DEFAULT_RAM else "guest")
    given = known_kind == "guest" and _passed(name, cell, context)
    notes = programs.notes_of(path) if known_kind == "image" else NO_NOTES
    return CellSpec(
        name=name,
        group=name,
        kind=known_kind,
        source=FROM_CALLER if given else _source(known_kind, cell),
        path=path,
        ram=parse_size(cell.ram or DEFAULT_RAM[known_kind]),
        priority=cell.priority,
        budget=context.cycles(f"{at}.budget", cell.budget),
        period=context.cycles(f"{at}.period", cell.period),
        weight=cell.weight,
        cap=cell.cap,
        on_crash=cast(Literal["destroy", "restart", "preserve"], cell.on_crash),
        max_restarts=cell.max_restarts,
        heartbeat=context.cycles(f"{at}.heartbeat", cell.heartbeat),
        **_restarts(at, cell, context),
        cores=cell.cores if cell.cores is not None else tuple(range(context.board.cores if context.board else 1)),
        preload=cell.preload,
        initrd=cell.initrd,
        initrd_path=initrd_path,
        append=cell.append or "",
        args=cell.args or (() if known_kind in ("guest", "personality") else ""),
        devices=cell.devices,
        label=cell.label,
        domain=cell.domain or "",
        pager=cell.pager or "",
        emulated=cell.emulated,
        tlb_lockdown=cell.tlb_lockdown,
        page_tables=cell.page_tables,
        flushes=cell.flushes,
        network=resolve_network(at, cell, context.report),
        counting=_counting(cell),
        io_timeout=context.cycles(f"{at}.io_timeout", cell.io_timeout),
        virtio=known_kind == "kernel" if cell.virtio is None else cell.virtio,
        paravirtual=cell.paravirtual or bool(notes.flavour),
        notes=notes,
        **_personality(at, cell, context),
    )


def _counting(cell: Cell) -> CountingSpec | None:
    asked = cell.counting
    return CountingSpec(tuple(asked.functions.items()), asked.caches, asked.charge) if asked else None


def _restarts(at: str, cell: Cell, context: Context) -> dict[str, Any]:
    """How it is started again after a crash, for cells that are."""
    given = {key: context.cycles(f"{at}.{key}", getattr(cell, key)) for key in RESTART_KEYS if getattr(cell, key)}
    for key in given:
        if cell.on_crash != "restart":
            context.report.add(f"{at}.{key}", 'is about restarts; it belongs to on_crash = "restart" (remove it)')
    first, most = given.get("back_off", 0), given.get("back_off_limit")
    if most is not None and most < first:
        context.report.add(f"{at}.back_off_limit", "is shorter than back_off, the first time that the cell waits")
    if first and most is None:
        given["back_off_limit"] = first * BACK_OFF_FACTOR
    return given


def _personality(at: str, cell: Cell, context: Context) -> dict[str, Any]:
    """What a personality starts with; nothing for other cells."""
    if cell.personality is None:
        return {}
    if cell.personality in personalities.PYTHON:
        _check_python(at, cell, context)
    return personalities.resolve(at, cell, context.report, partial(found, context=context))


def _source(kind: Kind, cell: Cell) -> str:
    """What runs in the cell, as text. A driver domain is a Python guest of ours."""
    return f"{DRIVERS}.{cell.domain}:main" if cell.domain else getattr(cell, kind) or ""


def _kind(at: str, name: str, cell: Cell, context: Context) -> str:
    """Which of the five kinds the cell says; "" if that is a problem."""
    report = context.report
    given = [kind for kind in KINDS if getattr(cell, kind) is not None]
    if _passed(name, cell, context) and "guest" not in given:
        given.append("guest")
    if len(given) == 1:
        return given[0]
    if given:
        report.add(at, f"has {' and '.join(given)} (keep one: exactly one says what runs in the cell)")
    elif not report.spoiled(at):
        report.add(at, f"says nothing to run (give exactly one of {', '.join(KINDS)})")
    return ""


def _check_belonging(at: str, kind: str, cell: Cell, report: Report) -> None:
    for key, kinds in BELONGS.items():
        if kind and kind not in kinds and key in cell.model_fields_set and getattr(cell, key):
            report.add(f"{at}.{key}", f"means nothing beside {kind}; it belongs to {' or '.join(kinds)} (remove it)")


def _programs(at: str, kind: str, name: str, cell: Cell, context: Context) -> tuple[Path | None, Path | None]:
    """The files behind the cell, found and looked into."""
    if kind == "guest":
        return _guest(at, name, cell, context), None
    if kind == "domain":
        return _driver(at, cell, context), None
    if kind == "image" and cell.image is not None:
        _check_args(at, cell, context.report)
        image = found(f"{at}.image", partial(sources.find_image, flavour=context.flavour), cell.image, context)
        return image, found(f"{at}.initrd", sources.find_ramdisk, cell.initrd, context) if cell.initrd else None
    if kind == "kernel" and cell.kernel is not None:
        find = partial(programs.find_fetched, board=context.board)
        kernel = found(f"{at}.kernel", find, cell.kernel, context)
        return kernel, found(f"{at}.initrd", find, cell.initrd, context) if cell.initrd else None
    return None, None


def _guest(at: str, name: str, cell: Cell, context: Context) -> Path | None:
    _check_python(at, cell, context)
    if _passed(name, cell, context):
        return None
    if cell.guest == FROM_CALLER:
        context.report.add(f"{at}.guest", f"is passed from Python only: load(..., guests={{{name!r}: function}})")
        return None
    return found(f"{at}.guest", sources.check_guest, cell.guest or "", context)


def _driver(at: str, cell: Cell, context: Context) -> Path | None:
    _check_python(at, cell, context)
    return found(f"{at}.domain", sources.check_guest, _source("guest", cell), context)


def _check_python(at: str, cell: Cell, context: Context) -> None:
    """Modules and arguments of a Python program."""
    for module in cell.preload:
        if not sources.module_exists(module, context.directory):
            context.report.add(
                f"{at}.preload", f'there is no module "{module}" (on Python\'s path or beside the topology)'
            )
    if isinstance(cell.args, str) and cell.args:
        context.report.add(f"{at}.args", 'must be a list for a Python guest (write for example ["fast", 3])')


def found(
    key: str,
    find: Callable[[str, Path | None], Path | None],
    text: str,
    context: Context,
    digest: Callable[[Path], str] = sources.sha256,
) -> Path | None:
    """What `find` makes of the text; its refusal becomes a problem, its file's hash part of the account."""
    try:
        path = find(text, context.directory)
        if path is not None and (content := digest(path)):
            context.hashes[key] = content
    except ValueError as error:
        context.report.add(key, str(error))
        return None
    except OSError as error:
        context.report.add(key, f'"{text}" cannot be read: {error.strerror}')
        return None
    return path


def _check_args(at: str, cell: Cell, report: Report) -> None:
    """An image gets its arguments as text in the info page."""
    if not isinstance(cell.args, str):
        report.add(f"{at}.args", "must be a text for an image, not a list")
    elif not cell.args.isascii() or "\0" in cell.args or len(cell.args) > ARGS_LIMIT:
        report.add(f"{at}.args", f"must be ASCII text without NUL, of at most {ARGS_LIMIT} characters")


def _copies(spec: CellSpec, cell: Cell, context: Context) -> Iterator[CellSpec]:
    """The cells that one table stands for, each with the function that the caller passed for it."""
    names = [spec.name] if cell.count is None else [f"{spec.name}{number}" for number in range(cell.count)]
    for name in names:
        function = context.guests.get(name, context.guests.get(spec.group))
        yield dataclasses.replace(spec, name=name, function=function)
    if not all(_NAME.fullmatch(name) for name in names):
        why = "is no cell's name (small letters, digits and _, at most 32 characters"
        context.report.add(f"cells.{spec.group}", why + (", the number of the copy included)" if cell.count else ")"))


def _passed(name: str, cell: Cell, context: Context) -> bool:
    """Whether the caller passed a function for this cell or for each of its copies."""
    if name in context.guests:
        return True
    return cell.count is not None and all(f"{name}{number}" in context.guests for number in range(cell.count))


def _check_callers(specs: list[CellSpec], context: Context) -> None:
    """Functions for cells that the file does not have."""
    names = {spec.name for spec in specs} | {spec.group for spec in specs}
    for name in context.guests:
        if name not in names:
            context.report.add("cells", f'guests= has a function for "{name}", but there is no such cell')
