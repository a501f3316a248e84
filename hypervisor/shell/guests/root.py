"""The root that many packages make: one archive of their files, and what the catalog adds.

    path, digest = find_root(cache, catalog().find("debian:armel"), entries)

It is what an installed system has, less what the packages' scripts would make: the links and the few files that programs need
of that (/etc/passwd, awk) are the catalog's. Built once for the packages and the catalog as they are, and kept under the hash of
both and its own, so that looking for it later costs one reading.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from hypervisor.abi.time import parse_size

from .cache import Cache, write_atomically
from .catalog import DATA, TREE, Guest
from .disk import build_disk
from .hashes import sha256_of
from .initramfs import CONSOLE, Entry, character_device, folder, joined, link, newc, program
from .lock import UNCHECKED, Locked

MOUNT_POINTS = ("dev", "proc", "sys", "tmp")
RECIPE = DISK_RECIPE = 1
"""Change when the same packages make another archive, or the same archive another disk."""


class Provenance(TypedDict):
    """Fields of a GuestFile."""

    package: str
    version: str
    deb_sha256: str
    signature: str


def find_root(cache: Cache, guest: Guest, packages: Sequence[Locked]) -> tuple[Path, str]:
    """The archive and its SHA-256; built if it is not there or is damaged.

    Raises:
        ValueError: a package in the cache is damaged.
        OSError: the cache cannot be written.
    """
    name = f"{guest.name.replace(':', '-')}-{_recipe(guest, packages)}"
    for path in sorted(cache.root.glob(f"{name}-*.cpio")):
        digest = path.stem.removeprefix(f"{name}-")
        if sha256_of(path) == digest:
            return path, digest
    image = build(cache, guest, packages)
    digest = hashlib.sha256(image).hexdigest()
    path = cache.root / f"{name}-{digest}.cpio"
    write_atomically(path, image)
    return path, digest


def find_disk(cache: Cache, guest: Guest, packages: Sequence[Locked]) -> tuple[Path, str]:
    """The root as a disk image and its SHA-256; built if it is not there or is damaged.

    Raises:
        ValueError, OSError: as `find_root`.
        NoToolsError: this host cannot make file systems.
    """
    recipe = hashlib.sha256(f"{DISK_RECIPE} {_recipe(guest, packages)} {guest.disk}".encode()).hexdigest()[:16]
    name = f"{guest.name.replace(':', '-')}-{recipe}"
    for path in sorted(cache.root.glob(f"{name}-*.img")):
        digest = path.stem.removeprefix(f"{name}-")
        if sha256_of(path) == digest:
            return path, digest
    fresh = cache.root / f".{name}.{os.getpid()}.img"  # two that build it at once make the same twice
    try:
        build_disk(build(cache, guest, packages), parse_size(guest.disk), fresh)
        digest = sha256_of(fresh)
        return fresh.replace(cache.root / f"{name}-{digest}.img"), digest
    finally:
        fresh.unlink(missing_ok=True)


def build(cache: Cache, guest: Guest, packages: Sequence[Locked]) -> bytes:
    """The archive.

    Raises:
        ValueError: a package is damaged.
    """
    images = []
    for entry in packages:
        if problem := cache.problem(entry):
            raise ValueError(problem)
        images.append(cache.path(entry, TREE).read_bytes())
    return joined([*images, newc(_added(guest))])


def provenance(guest: Guest, packages: Sequence[Locked]) -> Provenance:
    """What is told of a root's origin: how many packages, a hash of their hashes, and who signed for them all."""
    hashes = "".join(f"{entry.package} {entry.version} {entry.deb_sha256}\n" for entry in packages)
    signatures = {entry.signature for entry in packages}
    signature = UNCHECKED if UNCHECKED in signatures else " ".join(sorted(signatures))
    digest = hashlib.sha256(hashes.encode()).hexdigest()
    return Provenance(package=guest.package, version=digest[:16], deb_sha256=digest, signature=signature)


def _recipe(guest: Guest, packages: Sequence[Locked]) -> str:
    own = {path: hashlib.sha256(_own(file)).hexdigest() for path, file in guest.own.items()}
    parts = [RECIPE, [entry.files[TREE] for entry in packages], dict(guest.links), own]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _own(file: str) -> bytes:
    return (DATA / file).read_bytes()


def _added(guest: Guest) -> Iterator[Entry]:
    for name in MOUNT_POINTS:
        yield Entry(name, 0o41777) if name == "tmp" else folder(name)
    yield character_device("dev/console", CONSOLE)
    for path, target in guest.links.items():
        yield link(path, target)
    for path, file in guest.own.items():
        if parent := posixpath.dirname(path):
            yield folder(parent)
        content = _own(file)
        yield program(path, content) if content.startswith(b"#!") else Entry(path, 0o100644, content)
