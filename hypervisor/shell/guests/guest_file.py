"""From a guest's name to a file on this machine, with its provenance.

    kernel = resolve("debian:marvell")
    initrd = resolve("debian:busybox", "armel")
    root = resolve("debian:armel")
    summary["guests"] = [kernel.record(), initrd.record()]

Nothing is fetched here. Every call checks the SHA-256, so a run never starts with damaged bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from .cache import Cache, default_root, write_atomically
from .catalog import DATA, ROOT, Guest, catalog
from .disk import NoToolsError
from .errors import GuestMissing
from .initramfs import initramfs
from .lock import Locked
from .root import find_disk, find_root, provenance

HOW = "run scripts/fetch_guests (or python -m hypervisor.shell.guests)"
INITRAMFS = "initramfs"


@dataclass(frozen=True)
class GuestFile:
    """A file to boot, and where it is from."""

    path: Path
    sha256: str
    package: str
    version: str
    architecture: str
    name: str
    deb_sha256: str
    signature: str

    def record(self) -> dict[str, str]:
        """What belongs in a run's summary: everything but the place on this machine."""
        return {key: value for key, value in asdict(self).items() if key != "path"}


def resolve(name: str, architecture: str | None = None, *, file: str | None = None) -> GuestFile:
    """The file that a guest's name stands for, or another one kept of its package (`file="config"` of a kernel).

    Raises UsageError for a name or architecture that does not exist, GuestMissing when it is not fetched or is damaged.
    """
    guest = catalog().find(name, architecture)
    cache = Cache(default_root())
    if guest.serves == ROOT:
        return _root(cache, guest)
    entry = cache.entries().get(guest.key)
    if entry is None:
        raise GuestMissing(f'the guest "{name}" ({guest.architecture}) is not fetched: {HOW}')
    wanted = file or guest.serves
    if wanted == INITRAMFS:
        return _initramfs(cache, entry)
    if wanted not in entry.files:
        raise GuestMissing(f'the guest "{name}" has no file "{wanted}": it has {", ".join(sorted(entry.files))}')
    if problem := cache.problem(entry):
        raise GuestMissing(f"{problem}: {HOW}")
    return _guest_file(entry, cache.path(entry, wanted), entry.files[wanted])


def available(name: str, architecture: str | None = None) -> bool:
    """Whether `resolve` would succeed. Raises UsageError for a name that does not exist."""
    guests = [guest for guest in catalog().named(name) if architecture in (None, guest.architecture)]
    try:
        return bool([resolve(guest.name, guest.architecture) for guest in guests])
    except GuestMissing:
        return False


def names() -> list[str]:
    """Every guest's name."""
    return sorted({guest.name for guest in catalog().guests})


def prepare(cache: Cache, guest: Guest) -> GuestFile | None:
    """Build what a fetched guest serves, so that a cache which cannot be written later is complete."""
    if guest.serves == ROOT:
        return _root(cache, guest)
    return _initramfs(cache, cache.entries()[guest.key]) if guest.serves == INITRAMFS else None


def _root(cache: Cache, guest: Guest) -> GuestFile:
    """The archive of a root's packages."""
    entries = cache.entries()
    found = [entries.get(member.key) for member in guest.members]
    packages = [entry for entry in found if entry is not None]
    if len(packages) < len(found):
        raise GuestMissing(f'the root "{guest.name}" is not fetched, or not whole: {HOW}')
    try:
        path, digest = (find_disk if guest.disk else find_root)(cache, guest, packages)
    except OSError as error:
        raise GuestMissing(f"cannot write {error.filename}: {error.strerror}: {HOW}") from None
    except ValueError as error:
        raise GuestMissing(f"{error}: {HOW}") from None
    except NoToolsError as error:
        raise GuestMissing(f'the disk "{guest.name}" cannot be made: {error}') from None
    return GuestFile(
        path=path, sha256=digest, name=guest.name, architecture=guest.architecture, **provenance(guest, packages)
    )


def _initramfs(cache: Cache, entry: Locked) -> GuestFile:
    """The image of today's `/init`: built in milliseconds, kept under its own hash."""
    if problem := cache.problem(entry):
        raise GuestMissing(f"{problem}: {HOW}")
    image = initramfs(cache.path(entry, "busybox").read_bytes(), (DATA / "init").read_bytes())
    digest = hashlib.sha256(image).hexdigest()
    path = cache.path(entry, f"initramfs-{digest[:16]}.cpio")
    if not path.is_file() or path.read_bytes() != image:
        try:
            write_atomically(path, image)
        except OSError as error:
            raise GuestMissing(f"cannot write {path}: {error.strerror}: {HOW}") from None
    return _guest_file(entry, path, digest)


def _guest_file(entry: Locked, path: Path, digest: str) -> GuestFile:
    return GuestFile(
        path=path,
        sha256=digest,
        package=entry.package,
        version=entry.version,
        architecture=entry.architecture,
        name=entry.name,
        deb_sha256=entry.deb_sha256,
        signature=entry.signature,
    )
