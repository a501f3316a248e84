"""Package lists and packages: found by name, checked by hash, unpacked without trust."""

from __future__ import annotations

import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hypervisor.shell.guests.debian import Archive, Packages, unpack
from hypervisor.shell.guests.errors import FetchError

KERNEL = {"vmlinuz": "boot/vmlinuz-*"}


def paragraph(package: str, version: str, depends: str = "") -> bytes:
    rows = f"Package: {package}\nVersion: {version}\nArchitecture: armel\nFilename: f\nSize: 1\nSHA256: 00\n"
    return (rows + (f"Depends: {depends}\n" if depends else "")).encode()


def open_archive(mirror: Any) -> Archive:
    return Archive.open(mirror.url, "bookworm", "main", mirror.keyring, now=datetime(2026, 6, 1, tzinfo=UTC))


def test_the_newest_version_is_found_by_debians_order() -> None:
    packages = Packages(b"\n".join(paragraph("linux", version) for version in ("6.1.9-1", "1:5.0-1", "6.1.10-1~rc1")))
    assert [deb.version for deb in packages.versions("linux")] == ["1:5.0-1", "6.1.10-1~rc1", "6.1.9-1"]


def test_a_name_is_not_taken_for_another_that_begins_alike() -> None:
    packages = Packages(paragraph("linux-image-armmp-lpae", "1") + b"\n" + paragraph("linux.image", "2"))
    assert packages.versions("linux-image-armmp") == []
    assert packages.versions("linux-image") == []


def test_a_metapackage_leads_to_the_kernel_it_depends_on() -> None:
    depends = "initramfs-tools | dracut, linux-image-6.1.0-50-armmp-lpae, linux-image-6.1.0-50-armmp (= 6.1.176-1)"
    packages = Packages(paragraph("linux-image-armmp", "6.1.176-1", depends))
    assert packages.concrete("linux-image-armmp", "linux-image-*-armmp") == "linux-image-6.1.0-50-armmp"


def test_a_metapackage_without_a_kernel_is_an_error_that_shows_what_it_has() -> None:
    packages = Packages(paragraph("linux-image-armmp", "1", "dracut"))
    with pytest.raises(FetchError, match=r'depends on no package like "linux-image-\*" \(it depends on "dracut"\)'):
        packages.concrete("linux-image-armmp", "linux-image-*")


def test_a_package_that_is_not_listed_is_an_error() -> None:
    with pytest.raises(FetchError, match=r'^the mirror has no package "busybox-static"$'):
        Packages(b"").newest("busybox-static")


def test_a_mangled_paragraph_is_an_error() -> None:
    with pytest.raises(FetchError, match=r"without a usable 'SHA256'"):
        Packages(b"Package: linux\nVersion: 1\nArchitecture: armel\nFilename: f\nSize: 1\n").newest("linux")


@pytest.mark.parametrize(
    ("package", "version"), [("a/../../b", "1"), ("ab", "1/../../x"), ("ab", "1 2"), ("../ab", "1")]
)
def test_a_name_that_could_lead_out_of_the_cache_is_refused(package: str, version: str) -> None:
    with pytest.raises(FetchError, match=r"a package with an impossible name"):
        Packages(paragraph(package, version)).versions(package)


def test_an_altered_package_list_is_refused(mirror: Any, notes: Any, tmp_path: Path) -> None:
    archive = open_archive(mirror.toy())
    mirror.paragraphs.append("Package: forged\n")
    index = mirror.inrelease.read_bytes()
    mirror.publish()
    mirror.inrelease.write_bytes(index)
    with pytest.raises(FetchError, match=r"SHA-256 is not .*, which the signed index gives|ended after"):
        archive.package_list("armel", tmp_path, notes)


def test_a_package_list_is_asked_for_by_hash_where_the_index_offers_it(mirror: Any, notes: Any, tmp_path: Path) -> None:
    mirror.fields["Acquire-By-Hash"] = "yes"
    archive = open_archive(mirror.toy())
    folder = mirror.inrelease.parent / "main" / "binary-armel"
    by_hash = folder / "by-hash" / "SHA256" / archive.files["main/binary-armel/Packages.xz"].sha256
    by_hash.parent.mkdir(parents=True)
    (folder / "Packages.xz").rename(by_hash)
    assert b"Package: linux-image-toy" in archive.package_list("armel", tmp_path, notes)


def test_by_hash_falls_back_to_the_plain_name(mirror: Any, notes: Any, tmp_path: Path) -> None:
    mirror.fields["Acquire-By-Hash"] = "yes"
    assert b"Package: linux-image-toy" in open_archive(mirror.toy()).package_list("armel", tmp_path, notes)


def test_an_architecture_that_the_suite_has_not_is_an_error(mirror: Any, notes: Any, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"bookworm has no packages for armhf$"):
        open_archive(mirror.toy()).package_list("armhf", tmp_path, notes)


def test_an_altered_package_is_refused(mirror: Any, notes: Any, tmp_path: Path) -> None:
    archive = open_archive(mirror.toy())
    deb = Packages(archive.package_list("armel", tmp_path, notes)).newest("busybox-static")
    path = mirror.root / deb.filename
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(FetchError, match=r"its SHA-256 is not"):
        archive.package(deb, tmp_path, notes)
    assert list(tmp_path.glob("*.deb*")) == []


def test_only_the_wanted_files_come_out_of_a_package(mirror: Any) -> None:
    files = {"./boot/System.map": b"no", "./boot/vmlinuz-6": b"kernel", "./usr/boot/vmlinuz-7": b"decoy"}
    assert unpack(mirror.add("linux", "1", files), KERNEL) == {"vmlinuz": b"kernel"}


@pytest.mark.parametrize("name", ["../boot/vmlinuz-6", "./boot/../../etc/vmlinuz-6", "/boot/vmlinuz-6"])
def test_a_path_that_leads_out_of_the_package_is_refused(mirror: Any, name: str) -> None:
    with pytest.raises(FetchError, match=r"leads out of it: refused$"):
        unpack(mirror.add("linux", "1", {name: b"evil"}), KERNEL)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_or_a_pipe_in_place_of_the_file_is_refused(mirror: Any, kind: bytes) -> None:
    info = tarfile.TarInfo("./boot/vmlinuz-6")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(FetchError, match=r"is no plain file of at most"):
        unpack(mirror.add("linux", "1", {info.name: info}), KERNEL)


def test_a_file_that_claims_to_be_huge_is_refused(mirror: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypervisor.shell.guests.debian.MEMBER_LIMIT", 3)
    with pytest.raises(FetchError, match=r"is no plain file of at most 3 bytes: refused"):
        unpack(mirror.add("linux", "1", {"./boot/vmlinuz-6": b"four"}), KERNEL)


def test_a_package_without_the_file_is_an_error(mirror: Any) -> None:
    with pytest.raises(FetchError, match=r"linux_1_armel\.deb holds no boot/vmlinuz-\*$"):
        unpack(mirror.add("linux", "1", {"./boot/config-6": b""}), KERNEL)


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"not an archive", None])
def test_a_broken_package_is_an_error_and_not_a_crash(mirror: Any, content: bytes | None) -> None:
    path = mirror.add("linux", "1", {"./boot/vmlinuz-6": b"x" * 5000})
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(FetchError, match=r"is not a package that can be read"):
        unpack(path, {"vmlinuz": "boot/vmlinuz-9"})
