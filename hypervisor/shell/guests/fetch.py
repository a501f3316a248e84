"""Fetching: make the cache hold the guests that were asked for.

What is there and whole is left alone, without a byte of network. What is not is taken in the version that the package's
lock pins. When the mirror no longer lists that one (Debian has published a newer kernel), the newest is taken, which is
said aloud and recorded (`instead_of`): nobody's build breaks on the day of a security update.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from .cache import Cache
from .catalog import TREE, Catalog, Guest
from .debian import Archive, Deb, Packages, Signature, unpack
from .download import Report
from .errors import FetchError
from .guest_file import prepare
from .lock import UNCHECKED, Lock, Locked
from .signature import NoCheck
from .tree import tree


@dataclass
class Fetcher:
    """One fetch: from these mirrors, by this trust, into that cache."""

    catalog: Catalog
    pins: Lock
    cache: Cache
    mirrors: Callable[[], Sequence[str]]  # asked only when something must be fetched
    trust: Signature
    report: Report
    update: bool = False

    def fetch(self, guests: Iterable[Guest]) -> list[Locked]:
        """Bring these guests into the cache. Raises FetchError; what was fetched before it stays."""
        named = list(guests)
        wanted = [one for guest in named for one in (guest.members or (guest,))]
        with self.cache.exclusive(self.report):
            absent = [guest for guest in wanted if self.update or not self._has(guest)]
            for architecture in sorted({guest.architecture for guest in absent}):
                self._fetch_architecture(architecture, [one for one in absent if one.architecture == architecture])
            self.cache.drop_downloads()
            entries = self.cache.entries()
            for guest in named:
                prepare(self.cache, guest)
        return [entries[guest.key] for guest in wanted]

    def _has(self, guest: Guest) -> bool:
        """Whether the cache has the guest: whole, checked, and as the lock pins it (or what was taken instead)."""
        entry = self.cache.entries().get(guest.key)
        if entry is None or set(entry.files) != set(guest.files):
            return False
        if problem := self.cache.problem(entry):
            self.report.note(f"{problem}: fetching it again")
            return False
        if entry.signature == UNCHECKED and not isinstance(self.trust, NoCheck):
            return False
        pin = self.pins.get(guest.key)
        return pin is None or pin.version in (entry.version, entry.instead_of)

    def _fetch_architecture(self, architecture: str, guests: Sequence[Guest]) -> None:
        archive, packages = self._open(architecture)
        for guest in guests:
            deb = self._choose(guest, packages)
            present = self.cache.entries().get(guest.key)
            if present and self._is(present, guest, deb):
                self.cache.record(self._entry(guest, deb, archive.signature, present.files))
                continue
            path = archive.package(deb, self.cache.downloads, self.report)
            contents = (
                {TREE: tree(path, guest.leave, guest.modules)} if guest.serves == TREE else unpack(path, guest.files)
            )
            digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
            self.cache.store(self._entry(guest, deb, archive.signature, digests), contents)

    def _is(self, entry: Locked, guest: Guest, deb: Deb) -> bool:
        """Whether the cache already has what that package would give."""
        same = entry.deb_sha256 == deb.expected.sha256 and set(entry.files) == set(guest.files)
        return same and not self.cache.problem(entry)

    def _open(self, architecture: str) -> tuple[Archive, Packages]:
        """The first mirror that has the suite for that architecture. Raises FetchError with what each one said."""
        problems = []
        for mirror in self.mirrors():
            try:
                archive = Archive.open(
                    mirror, self.catalog.suite, self.catalog.component, self.trust, now=datetime.now(UTC)
                )
                return archive, Packages(archive.package_list(architecture, self.cache.downloads, self.report))
            except FetchError as error:
                problems.append(str(error))
        raise FetchError("; ".join(problems))

    def _choose(self, guest: Guest, packages: Packages) -> Deb:
        """The pinned package if the mirror lists it, else the newest. Raises FetchError if it has other bytes."""
        pin = None if self.update else self.pins.get(guest.key)
        if pin is not None:
            for deb in packages.versions(pin.package):
                if deb.version == pin.version:
                    return _as_pinned(deb, pin)
        name = packages.concrete(guest.metapackage, guest.package) if guest.metapackage else guest.package
        deb = packages.newest(name)
        if pin is not None:
            self.report.note(
                f"{guest.name}: the pinned {pin.package} {pin.version} is no longer on the mirror; "
                f"taking {deb.package} {deb.version} instead"
            )
        return deb

    def _entry(self, guest: Guest, deb: Deb, signature: str, digests: Mapping[str, str]) -> Locked:
        entry = Locked(guest.name, deb.architecture, deb.package, deb.version, deb.expected.sha256, signature, digests)
        pin = self.pins.get(guest.key)
        return replace(entry, instead_of=pin.version) if pin and pin.version != deb.version else entry


def _as_pinned(deb: Deb, pin: Locked) -> Deb:
    if deb.expected.sha256 != pin.deb_sha256:
        raise FetchError(
            f"{deb.package} {deb.version} on the mirror has another SHA-256 than the one pinned: refused "
            "(--update takes the mirror's word)"
        )
    return deb
