"""A Debian mirror of a few kilobytes in a folder: signed index, package lists, packages; each easy to spoil."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pysequoia
import pytest

from hypervisor.shell.guests import guest_file
from hypervisor.shell.guests.cache import Cache
from hypervisor.shell.guests.catalog import Catalog, Guest
from hypervisor.shell.guests.fetch import Fetcher
from hypervisor.shell.guests.lock import Lock
from hypervisor.shell.guests.signature import Keyring

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KERNEL = {"./boot/vmlinuz-9.9-toy": b"a kernel", "./boot/config-9.9-toy": b"CONFIG_TOY=y\n"}
CATALOG = Catalog(
    "bookworm",
    "main",
    (
        Guest(
            name="debian:toy",
            title="",
            architecture="armel",
            metapackage="linux-image-toy",
            package="linux-image-*-toy",
            files={"vmlinuz": "boot/vmlinuz-*", "config": "boot/config-*"},
            serves="vmlinuz",
        ),
        Guest(
            name="debian:busybox",
            title="",
            architecture="armel",
            package="busybox-static",
            files={"busybox": "bin/busybox"},
            serves="initramfs",
        ),
    ),
)


def tar_of(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """An xz-compressed tar; a member may be given as a ready TarInfo (a link, say)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=0) as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def deb_of(members: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """A package with these files: an ar archive, deb(5)."""
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": tar_of({"./control": b""}), "data.tar.xz": tar_of(members)}
    out = b"!<arch>\n"
    for name, content in parts.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


@dataclass
class FakeMirror:
    """Add packages, `publish()`, and fetch from `url`."""

    root: Path
    key: pysequoia.Tsk
    paragraphs: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.root.as_uri()

    @property
    def keyring(self) -> Keyring:
        return Keyring((self.key.extract_certificate(),))

    def add(
        self, package: str, version: str, members: Mapping[str, bytes | tarfile.TarInfo], depends: str = ""
    ) -> Path:
        path = self.root / "pool" / f"{package}_{version.replace(':', '')}_armel.deb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(deb_of(members))
        self.paragraphs.append(self._paragraph(package, version, path, depends))
        return path

    def _paragraph(self, package: str, version: str, path: Path, depends: str) -> str:
        content = path.read_bytes()
        rows = {
            "Package": package,
            "Version": version,
            "Architecture": "armel",
            "Depends": depends or "nothing",
            "Filename": str(path.relative_to(self.root)),
            "Size": str(len(content)),
            "SHA256": hashlib.sha256(content).hexdigest(),
        }
        return "".join(f"{key}: {value}\n" for key, value in rows.items())

    def toy(self, version: str = "9.9-1") -> FakeMirror:
        """The two packages of CATALOG, published."""
        self.add("linux-image-toy", version, {}, depends=f"linux-image-9.9-toy (= {version})")
        self.add("linux-image-9.9-toy", version, KERNEL | {"./boot/vmlinuz-9.9-toy": f"kernel {version}".encode()})
        self.add("busybox-static", "1:1.0-1", {"./bin/busybox": b"busybox"})
        return self.publish()

    def publish(self, *, signer: pysequoia.Tsk | None = None) -> FakeMirror:
        folder = self.root / "dists" / "bookworm" / "main" / "binary-armel"
        folder.mkdir(parents=True, exist_ok=True)
        packed = lzma.compress("\n".join(self.paragraphs).encode(), preset=0)
        (folder / "Packages.xz").write_bytes(packed)
        row = f" {hashlib.sha256(packed).hexdigest()} {len(packed)} main/binary-armel/Packages.xz"
        fields = {"Origin": "Debian", "Codename": "bookworm", "Suite": "oldstable"} | self.fields
        text = "".join(f"{key}: {value}\n" for key, value in fields.items()) + f"SHA256:\n{row}\n"
        signed = pysequoia.sign((signer or self.key).signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR)
        self.inrelease.write_bytes(signed)
        return self

    @property
    def inrelease(self) -> Path:
        return self.root / "dists" / "bookworm" / "InRelease"


@dataclass
class Notes:
    """A `Report` that remembers."""

    lines: list[str] = field(default_factory=list)
    transfers: list[tuple[str, int]] = field(default_factory=list)

    def note(self, line: str) -> None:
        self.lines.append(line)

    def transfer(self, what: str, total: int, done: int) -> Callable[[int], None]:
        self.transfers.append((what, done))
        return lambda _count: None


@pytest.fixture(scope="session")
def signing_key() -> pysequoia.Tsk:
    return pysequoia.Tsk.generate("toy archive")


@pytest.fixture
def mirror(tmp_path: Path, signing_key: pysequoia.Tsk) -> FakeMirror:
    return FakeMirror(tmp_path / "mirror", signing_key)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """An empty cache, which is also the one that `resolve` looks in."""
    monkeypatch.setenv("CELLVISOR_GUESTS", str(tmp_path / "cache"))
    return Cache(tmp_path / "cache")


@pytest.fixture
def toy_catalog(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    """`resolve` knows the toy guests."""
    monkeypatch.setattr(guest_file, "catalog", lambda: CATALOG)
    yield CATALOG


FetcherFactory = Callable[..., Fetcher]


@pytest.fixture
def fetcher(mirror: FakeMirror, cache: Cache, notes: Notes) -> FetcherFactory:
    """`fetcher(pins={}, update=False)`: a Fetcher for the toy guests from the fake mirror."""

    def make(
        pins: Lock | None = None, *, update: bool = False, trust: object = None, mirrors: object = None
    ) -> Fetcher:
        places = mirrors or partial(list, [mirror.url])
        return Fetcher(CATALOG, pins or {}, cache, places, trust or mirror.keyring, notes, update)  # type: ignore[arg-type]

    return make
