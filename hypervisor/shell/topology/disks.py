"""The section `[[disks]]`: ordinary files of the host that are disks of the device, each with one owner.

    [[disks]]
    name = "disk0"                # the owner's: devices = ["disk0"]
    file = "root.img"             # or a fetched image, "debian:armhf"
    size = "64MiB"                # made, and blank, if there is no such file
    write = true                  # false: nobody can write, the host's kernel sees to that
    copy = false                  # true: a run works on a copy of its own

A relative path begins where the topology lies; in one that is built in, in the current directory. What is written stays in the
file, as with other emulators, and the next run begins with that: `copy = true` is for runs that are to be repeated, and a
fetched image is always copied. The content's SHA-256 stands in the run's account.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from hypervisor.abi.time import parse_size
from hypervisor.core.wiring import Wiring
from hypervisor.shell.topology import programs, sources
from hypervisor.shell.topology.cells import Context, found
from hypervisor.shell.topology.forms import LARGEST_DISK, SECTOR
from hypervisor.shell.topology.schema import Disk, File
from hypervisor.shell.topology.spec import CellSpec, DiskSpec

SERVER = "block"
"""The class of driver domains that can own a disk."""
_BLANK = bytes(1 << 20)
_ARTICLES = {"image": "an image", "kernel": "a kernel", "personality": "a personality", "guest": "a guest"}


def resolve_disks(file: File, cells: Sequence[CellSpec], wiring: Wiring, context: Context) -> tuple[DiskSpec, ...]:
    """Every disk of the file; with problems in the report they serve for nothing."""
    disks: list[DiskSpec] = []
    for number, disk in enumerate(file.disks):
        at = f"disks[{number}]"
        spec = _resolve(at, disk, context)
        _check_name(at, disk, disks, context)
        _check_owner(at, disk, cells, context)
        if spec is not None:
            _check_alone(at, spec, disks, context)
            disks.append(spec)
    _check_shares(file, cells, wiring, context)
    return tuple(disks)


def _resolve(at: str, disk: Disk, context: Context) -> DiskSpec | None:
    """One disk, None if its file is no disk."""
    fetched = disk.file.startswith(programs.FETCHED)
    size = parse_size(disk.size) if disk.size else 0
    copy = disk.copy_ or (fetched and disk.write)
    directory = sources.of_users(context.directory)
    path = sources.under(directory, disk.file)
    if not fetched and not _exists(path):
        return _blank(at, disk, path, size, context)
    there = found(
        f"{at}.file", lambda text, _: programs.find_fetched(text, directory, context.board), disk.file, context
    )
    if there is None:
        return None
    length = there.stat().st_size
    why = _unfit(length, size)
    if not why and disk.write and not copy and not os.access(there, os.W_OK):
        why = "cannot be written (say write = false, or copy = true)"
    if why:
        context.report.add(f"{at}.file", f'"{disk.file}" {why}')
        return None
    return DiskSpec(disk.name, disk.file, there, length, disk.write, copy)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _blank(at: str, disk: Disk, path: Path, size: int, context: Context) -> DiskSpec | None:
    """A disk whose file is to be made."""
    if not size:
        why = f'there is no file "{disk.file}" (give a size, for example "64MiB", to have it made)'
    elif not disk.write:
        why = f'there is no file "{disk.file}", and a blank disk that nobody can write is of no use (remove write = false)'
    elif not disk.copy_ and not path.parent.is_dir():
        why = f'there is no directory for "{disk.file}" (make it)'
    elif not disk.copy_ and not os.access(path.parent, os.W_OK):
        why = f'"{disk.file}" cannot be made: its directory cannot be written'
    else:
        context.hashes[f"{at}.file"] = _digest_of_zeros(size)
        return DiskSpec(disk.name, disk.file, path.resolve(), size, True, disk.copy_, made=True)
    context.report.add(f"{at}.file", why)
    return None


def _digest_of_zeros(size: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, size, len(_BLANK)):
        digest.update(_BLANK[: size - start])
    return digest.hexdigest()


def _unfit(length: int, size: int) -> str:
    """Why a file of this length is no disk of this size (0: of any), or nothing."""
    if not length:
        return "is empty (remove it to have a blank one made, or give another file)"
    if length % SECTOR:
        return f"has {length} bytes, which are not whole sectors of {SECTOR}: is it cut short?"
    if length > LARGEST_DISK:
        return f"has {length} bytes; a disk has {LARGEST_DISK >> 30}GiB at most"
    if size and length != size:
        return (
            f"has {length} bytes, not the {size} that size says (correct size, or remove it to take the file as it is)"
        )
    return ""


def _check_name(at: str, disk: Disk, others: Sequence[DiskSpec], context: Context) -> None:
    """Devices of the board and disks share their names."""
    devices = [device.name for device in context.board.devices] if context.board else []
    if disk.name in devices:
        context.report.add(f"{at}.name", f'the board has a device "{disk.name}" (choose another name)')
    if any(other.name == disk.name for other in others):
        context.report.add(f"{at}.name", f'a second disk "{disk.name}" (choose another name)')


def _check_owner(at: str, disk: Disk, cells: Sequence[CellSpec], context: Context) -> None:
    """Somebody owns the disk, and can."""
    owner = next((cell for cell in cells if disk.name in cell.devices), None)
    if owner is None:
        advice = f'give it to a driver domain: domain = "{SERVER}", devices = ["{disk.name}"]'
        context.report.add(f"{at}.name", f'"{disk.name}" belongs to nobody ({advice})')
    elif owner.kind != "guest" or owner.domain not in ("", SERVER):
        what = f"serves {owner.domain}" if owner.domain else f"runs {_ARTICLES[owner.kind]}"
        why = f'"{disk.name}" cannot belong to a cell that {what} (give it to one with domain = "{SERVER}")'
        context.report.add(f"cells.{owner.group}.devices", why)


def _check_alone(at: str, spec: DiskSpec, others: Sequence[DiskSpec], context: Context) -> None:
    """A file that is written is one disk's."""
    for other in others:
        writing = (spec.write and not spec.copy) or (other.write and not other.copy)
        if other.path == spec.path and writing:
            context.report.add(f"{at}.file", f'"{spec.source}" is {other.name} already (say copy = true of both)')


def _check_shares(file: File, cells: Sequence[CellSpec], wiring: Wiring, context: Context) -> None:
    """A domain with several disks has one for each of its front ends."""
    names = {disk.name for disk in file.disks}
    for index, cell in enumerate(cells):
        disks = sum(name in names for name in cell.devices)
        if cell.domain == SERVER and disks > 1:
            served = sum(channel.back == index and channel.kind == SERVER for channel in wiring.channels)
            if served != disks:
                why = f"{disks} disks for {served} channels of class {SERVER} (one for each front end, or one for all)"
                context.report.add(f"cells.{cell.group}.devices", why)
