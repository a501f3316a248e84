"""Debian's archive, read without Debian's tools: the signed index, the package lists, the packages.

    archive = Archive.open(mirror, "bookworm", "main", keyring(), now=datetime.now(UTC))
    packages = Packages(archive.package_list("armel", folder, report))
    deb = packages.newest("busybox-static")
    members = unpack(archive.package(deb, folder, report), {"busybox": "bin/busybox"})

The chain of trust: InRelease is signed; it holds the SHA-256 of `Packages.xz`; that holds the SHA-256 of each package.
Formats: Debian wiki, "DebianRepository/Format"; deb(5) for the packages.
"""

from __future__ import annotations

import fnmatch
import lzma
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Protocol

from debian.arfile import ArError
from debian.deb822 import Deb822
from debian.debfile import DebFile
from debian.debian_support import Version

from .download import Report, download, read
from .errors import FetchError, NotThereError
from .hashes import Expected

# Package, version and architecture together, as in the names of packages: Debian Policy 5.6.7, 5.6.12 and 5.6.8.
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+_[A-Za-z0-9.+~:-]+_[a-z0-9-]+")
INRELEASE_LIMIT = 4 << 20  # bookworm's has 150 KB
LIST_LIMIT = 256 << 20  # of a package list, unpacked; bookworm's has 48 MB
MEMBER_LIMIT = 64 << 20  # of one file kept from a package; kernels have 3 to 6 MB


class Signature(Protocol):
    """How the index's signature is checked: a Keyring, or NoCheck."""

    def open(self, signed: bytes) -> tuple[str, str]:
        """The signed text and who signed it."""


@dataclass(frozen=True)
class Deb:
    """One package, as the index describes it."""

    package: str
    version: str
    architecture: str
    filename: str
    expected: Expected
    depends: str


@dataclass(frozen=True)
class Archive:
    """One suite on one mirror, its index checked."""

    mirror: str
    suite: str
    component: str
    signature: str
    by_hash: bool
    files: Mapping[str, Expected]

    @classmethod
    def open(cls, mirror: str, suite: str, component: str, trust: Signature, *, now: datetime) -> Archive:
        """Fetch and check the index. Raises FetchError: unreachable, unsigned, expired or another suite's."""
        signed = read(f"{mirror}/dists/{suite}/InRelease", INRELEASE_LIMIT)
        try:
            text, signature = trust.open(signed)
        except FetchError as error:
            raise FetchError(f"{mirror}: {error}") from None
        fields = Deb822(text.splitlines())
        if suite not in (fields.get("Codename"), fields.get("Suite")):
            raise FetchError(f'{mirror}: asked for {suite}, got the index of "{fields.get("Codename", "?")}"')
        _check_age(fields.get("Valid-Until"), mirror, now)
        by_hash = fields.get("Acquire-By-Hash", "no") == "yes"
        return cls(mirror, suite, component, signature, by_hash, _hashes(fields.get("SHA256", "")))

    def package_list(self, architecture: str, folder: Path, report: Report) -> bytes:
        """The package list of an architecture, checked against the index and unpacked. Raises FetchError."""
        name = f"{self.component}/binary-{architecture}/Packages.xz"
        expected = self.files.get(name)
        if expected is None:
            raise FetchError(f"{self.mirror}: {self.suite} has no packages for {architecture}")
        where = f"{self.mirror}/dists/{self.suite}/{self.component}/binary-{architecture}"
        target = folder / f"{expected.sha256}.Packages.xz"
        get = partial(download, target=target, expected=expected, report=report, what=f"package list {architecture}")
        if not self.by_hash:
            return _unxz(get(f"{where}/Packages.xz"))
        try:  # an address that stays right while the mirror is being updated
            return _unxz(get(f"{where}/by-hash/SHA256/{expected.sha256}"))
        except NotThereError:
            return _unxz(get(f"{where}/Packages.xz"))

    def package(self, deb: Deb, folder: Path, report: Report) -> Path:
        """The package, checked against the list. Raises FetchError."""
        target = folder / f"{deb.expected.sha256}.deb"
        return download(f"{self.mirror}/{deb.filename}", target, deb.expected, report, f"{deb.package} {deb.version}")


def _check_age(valid_until: str | None, mirror: str, now: datetime) -> None:
    if valid_until is None:  # released suites have none: they change a few times a year
        return
    try:
        end = parsedate_to_datetime(valid_until).replace(tzinfo=UTC)
    except ValueError:
        raise FetchError(f'{mirror}: the index has an unreadable Valid-Until, "{valid_until}"') from None
    if now > end:
        raise FetchError(f"{mirror}: the index expired on {valid_until}: the mirror is stale, or this clock is wrong")


def _hashes(field: str) -> dict[str, Expected]:
    """The lines `SHA256 SIZE NAME` of the index."""
    rows = (line.split() for line in field.splitlines())
    return {row[2]: Expected(row[0], int(row[1])) for row in rows if len(row) == 3 and row[1].isdigit()}


def _unxz(path: Path) -> bytes:
    try:
        with lzma.open(path) as file:
            content = file.read(LIST_LIMIT + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise FetchError(f"the package list cannot be unpacked: {error}") from None
    if len(content) > LIST_LIMIT:
        raise FetchError(f"the package list is larger than {LIST_LIMIT} bytes")
    return content


class Packages:
    """A package list. It is searched as text: parsing all of its 60,000 paragraphs would take a minute."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def versions(self, package: str) -> list[Deb]:
        """Every version of a package that the list has, newest first. Raises FetchError on a mangled paragraph."""
        paragraph = rb"(?m)^Package: " + re.escape(package.encode()) + rb"\n(?:.+\n?)*"
        found = [_deb(match.group().decode()) for match in re.finditer(paragraph, self._content)]
        return sorted(found, key=lambda deb: Version(deb.version), reverse=True)

    def newest(self, package: str) -> Deb:
        """The newest version of a package. Raises FetchError when there is none."""
        versions = self.versions(package)
        if not versions:
            raise FetchError(f'the mirror has no package "{package}"')
        return versions[0]

    def concrete(self, metapackage: str, pattern: str) -> str:
        """The name of the package behind a metapackage: its dependency that fits the pattern. Raises FetchError."""
        depends = self.newest(metapackage).depends
        names = [re.split(r"[ (|:]", clause.strip())[0] for clause in depends.split(",")]
        for name in names:
            if fnmatch.fnmatchcase(name, pattern):
                return name
        raise FetchError(f'"{metapackage}" depends on no package like "{pattern}" (it depends on "{depends}")')


def _deb(paragraph: str) -> Deb:
    fields = Deb822(paragraph.splitlines())
    try:
        expected = Expected(fields["SHA256"], int(fields["Size"]))
        name, version, filename = fields["Package"], fields["Version"], fields["Filename"]
        deb = Deb(name, version, fields["Architecture"], filename, expected, fields.get("Depends", ""))
    except (KeyError, ValueError) as error:
        raise FetchError(f"the package list has a paragraph without a usable {error}") from None
    if not NAME.fullmatch(f"{name}_{version}_{deb.architecture}"):  # it becomes the name of a folder in the cache
        raise FetchError(f'the package list has a package with an impossible name, "{name}" "{version}"')
    return deb


def unpack(path: Path, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """Files of a package: our name -> content, for our name -> pattern of the path in it. Raises FetchError.

    Nothing is written, so nothing in the package chooses a path on the host; odd ones are refused all the same. Reading
    stops when everything wanted was found: a kernel package has 200 MB of modules behind its kernel.
    """
    found: dict[str, bytes] = {}
    try:
        with path.open("rb") as file, DebFile(fileobj=file).data.tgz() as tar:
            for member in tar:
                place = place_of(member.name, path.name)
                for name, pattern in wanted.items():
                    if name not in found and place.match(pattern) and len(place.parts) == pattern.count("/") + 1:
                        found[name] = content_of(tar, member)
                if len(found) == len(wanted):
                    return found
    except (ArError, tarfile.TarError, lzma.LZMAError, EOFError, OSError, UnicodeDecodeError) as error:
        raise FetchError(f"{path.name} is not a package that can be read: {error}") from None
    missing = ", ".join(pattern for name, pattern in wanted.items() if name not in found)
    raise FetchError(f"{path.name} holds no {missing}")


def place_of(name: str, package: str) -> PurePosixPath:
    """Where a package wants a file. Raises FetchError: nowhere below the root."""
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts:
        raise FetchError(f'{package} holds the path "{name}", which leads out of it: refused')
    return place


def content_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """A plain file of a package. Raises FetchError: it is none, or too large."""
    reader = tar.extractfile(member) if member.isreg() else None
    if reader is None or member.size > MEMBER_LIMIT:
        raise FetchError(f'"{member.name}" in the package is no plain file of at most {MEMBER_LIMIT} bytes: refused')
    return reader.read()
