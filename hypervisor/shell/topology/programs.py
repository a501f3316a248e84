"""The programs of machine cells: found by name or path, and looked into far enough to know that they can be loaded.

The formats belong to `cells.machine.images` and the fetched guests to `hypervisor.shell.guests`; here their refusals
become problems of a key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import boards
from boards import Board
from cells.machine.images import Image, ImageError, recognise
from cells.machine.initrd import check_initrd
from cells.machine.notes import NO_NOTES, Notes
from cells.machine.placement import place_bare_metal, place_linux
from hypervisor.abi.info_page import PAGE_SIZE
from hypervisor.shell.guests import GuestError, resolve
from hypervisor.shell.topology import sources
from hypervisor.shell.topology.problems import Report
from hypervisor.shell.topology.spec import CellSpec

Found = TypeVar("Found")

FETCHED = "debian:"
"""Begins the names of guests that `scripts/fetch_guests` brings."""
DEBIAN = {"v5te": "armel", "v6k": "armel", "v7a": "armhf"}
"""A board's architecture -> Debian's name of the port that runs on it."""


def find_fetched(text: str, directory: Path | None, board: Board | None) -> Path | None:
    """The file behind `debian:NAME` or a path; None while the board, and with it the architecture, is not known.

    Raises:
        ValueError: there is none, or it is not fetched.
    """
    if not text.startswith(FETCHED):
        return sources.find_file(text, directory)
    if board is None:
        return None
    try:
        return resolve(text, DEBIAN.get(board.cpu.architecture)).path
    except GuestError as error:
        raise ValueError(str(error)) from None


def notes_of(path: Path | None) -> Notes:
    """What an image says of itself; nothing if it is none, which is for `check_programs` to say."""
    try:
        return recognise(path.name, path.read_bytes()).notes if path else NO_NOTES
    except (ImageError, OSError):
        return NO_NOTES


def check_programs(cells: Sequence[CellSpec], board: Board | None, report: Report) -> None:
    """Every image, kernel and initrd is one, and they fit into their cell's RAM beside what else lies there."""
    for cell in cells:
        if cell.kind != "guest":
            _check_program(cell, board, report)


def _check_program(cell: CellSpec, board: Board | None, report: Report) -> None:
    at = f"cells.{cell.group}"
    image = _looked_into(f"{at}.{cell.kind}", recognise, cell.source, cell.path, report)
    formats = _looked_into(f"{at}.initrd", check_initrd, cell.initrd or "", cell.initrd_path, report)
    broken = (cell.initrd_path and formats is None) or any(problem.key == f"{at}.ram" for problem in report.problems)
    if image is None or board is None or broken:
        return
    place = _place_kernel if cell.kind == "kernel" else _place_image
    try:
        place(cell, image, board)
    except ImageError as error:
        report.add(f"{at}.{cell.kind}", str(error))


def _looked_into(
    key: str, look: Callable[[str, bytes], Found], name: str, path: Path | None, report: Report
) -> Found | None:
    """What the file is; None if it is not there or not what it should be."""
    try:
        return look(name, path.read_bytes()) if path else None
    except ImageError as error:
        report.add(key, str(error))
    except OSError as error:
        report.add(key, f"{name} cannot be read: {error.strerror}")
    return None


def _place_image(cell: CellSpec, image: Image, board: Board) -> None:
    """Lay the cell's memory out as its start will."""
    initrd = cell.initrd_path.read_bytes() if cell.initrd_path else b""
    place_bare_metal(image, ram_base=board.ram_base, ram_size=cell.ram, info_page=bytes(PAGE_SIZE), initrd=initrd)


def _place_kernel(cell: CellSpec, image: Image, board: Board) -> None:
    if board.linux is None:
        return
    initrd = cell.initrd_path.read_bytes() if cell.initrd_path else b""
    start = board.ram_base + board.linux.initrd_offset
    where = (start, start + len(initrd)) if initrd else None
    place_linux(
        image,
        ram_base=board.ram_base,
        ram_size=cell.ram,
        dtb=boards.device_tree(board, ram_size=cell.ram, bootargs=cell.append, initrd=where),
        initrd=initrd,
        load_offset=board.linux.load_offset,
        dtb_offset=board.linux.dtb_offset,
        initrd_offset=board.linux.initrd_offset,
    )
